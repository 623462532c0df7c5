"""Owns `verify`: whether what was ill before a moment is proven well since, and the exit code that says so."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from authforensics.cli import options
from authforensics.cli.analyzed import analyzed
from authforensics.cli.messages import say
from authforensics.cli.outputs import Outputs
from authforensics.cli.terminal import print_bytes, print_rich

if TYPE_CHECKING:
    from authforensics.devices import Recovery

NOT_RECOVERED, NOT_SEEN = 20, 21
_CODES = {"recovered": 0, "nothing": 0, "ill": NOT_RECOVERED, "unproven": NOT_RECOVERED, "unseen": NOT_SEEN}


def verify(
    paths: options.Paths,
    *,
    after: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="Since when it should be well: 2025-12-25T09:00+09:00; 2h: before the last event; now-2h.",
        ),
    ],
    json: Annotated[
        str | None, typer.Option(metavar="PATH|-", help="Write the document as JSON, with `recovery`.")
    ] = None,
    format: options.FormatName = "auto",
    log_format: options.LogFormat = None,
    nginx_conf: options.NginxConf = None,
    config: options.ConfigFile = None,
    since: options.Since = None,
    until: options.Until = None,
    path: options.PathPattern = None,
    status: options.Statuses = None,
    device: options.Devices = None,
    tz: options.Zone = None,
    device_key: options.DeviceKey = None,
    env_file: options.EnvFile = None,
    secrets: options.SecretsFile = None,
    jwks: options.KeySets = None,
    anonymize: options.Anonymize = False,
    fingerprint_key: options.FingerprintKey = None,
    strict: options.Strict = False,
    engine: options.Engine = "local",
    master: options.Master = None,
    memory: options.Memory = None,
    work_dir: options.WorkDir = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the answer, no warnings.")] = False,
    no_progress: options.NoProgress = False,
    color: options.Color = "auto",
) -> None:
    """Recovered? Devices that were refused before a moment, by what proves them well since.

    Exit code 0: proven; 20: not recovered; 21: of some platform that was ill no device was seen since.
    """
    from authforensics.collect.window import moment

    moment("after", after, None, None)  # what can't be read is refused before the logs are
    outputs = Outputs.plan(html=None, no_html=True, json=json, markdown=None, export=None, export_format="parquet")
    outputs.check(paths)
    with analyzed(
        paths,
        format=format,
        log_format=log_format,
        nginx_conf=nginx_conf,
        config=config,
        tz=tz,
        since=since,
        until=until,
        path=path,
        status=status,
        device=device,
        device_key=device_key,
        env_file=env_file,
        secrets=secrets,
        jwks=jwks,
        anonymize=anonymize,
        fingerprint_key=fingerprint_key,
        strict=strict,
        engine=engine,
        master=master,
        memory=memory,
        work_dir=work_dir,
        quiet=quiet,
        no_progress=no_progress,
        color=color,
    ) as analysis:
        found = analysis.verify(after)
        told = replace(analysis, document=analysis.document.model_copy(update={"recovery": found}))
        written, piped = outputs.write(told), outputs.piped(told)
    for file in [] if quiet else written:
        say("note", f"wrote {file}")
    if piped is not None:
        print_bytes(piped)
    else:
        _print(found, paths, color, quiet=quiet)
    raise typer.Exit(_CODES[found.outcome])


def _print(found: Recovery, paths: list[str], color: str, *, quiet: bool) -> None:
    from authforensics.report import recovery

    if quiet:
        print_rich(recovery.answer(found), color, soft_wrap=True)
        return
    print_rich(recovery.render(found), color)
    command = recovery.command(found, paths)
    if command is not None:
        print_rich("", color)
        print_rich(command, color, soft_wrap=True)
