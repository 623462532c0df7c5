"""Owns `timeline`: what one device did, request by request, as text or as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from authforensics.cli.analyzed import analyzed
from authforensics.cli.messages import say
from authforensics.cli.options import (
    Anonymize,
    Color,
    ConfigFile,
    DeviceKey,
    Engine,
    EnvFile,
    FingerprintKey,
    FormatName,
    KeySets,
    LogFormat,
    Master,
    Memory,
    NginxConf,
    NoProgress,
    PathPattern,
    Paths,
    SecretsFile,
    ShowClaims,
    Since,
    Statuses,
    Strict,
    Until,
    WorkDir,
    Zone,
)
from authforensics.cli.outputs import Outputs, staged, text_writer
from authforensics.cli.terminal import print_rich


def timeline(
    paths: Paths,
    *,
    device: Annotated[str, typer.Option(metavar="ID", help="The device, by the name that a report has for it.")],
    html: Annotated[Path | None, typer.Option(metavar="PATH", help="Write a page in place of text.")] = None,
    format: FormatName = "auto",
    log_format: LogFormat = None,
    nginx_conf: NginxConf = None,
    config: ConfigFile = None,
    since: Since = None,
    until: Until = None,
    path: PathPattern = None,
    status: Statuses = None,
    tz: Zone = None,
    device_key: DeviceKey = None,
    env_file: EnvFile = None,
    secrets: SecretsFile = None,
    jwks: KeySets = None,
    show_claims: ShowClaims = False,
    anonymize: Anonymize = False,
    fingerprint_key: FingerprintKey = None,
    strict: Strict = False,
    engine: Engine = "local",
    master: Master = None,
    memory: Memory = None,
    work_dir: WorkDir = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No warnings.")] = False,
    no_progress: NoProgress = False,
    color: Color = "auto",
) -> None:
    """Show what one device did: each request with its answer, its reason, and the state that it led to."""
    Outputs.plan(html=html, no_html=html is None, json=None, markdown=None, export=None, export_format="parquet").check(
        paths
    )
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
        device_key=device_key,
        env_file=env_file,
        secrets=secrets,
        jwks=jwks,
        show_claims=show_claims,
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
        first, *others = analysis.systems_of(device)
        found = analysis.journal(device, first)
        if html is not None:
            page = analysis.device_page(device, first)
            with staged() as stage:
                stage(html, text_writer(page))
    if others and not quiet:
        say("note", f"shown as seen in {first}; a device of that name is in {', '.join(others)}, too")
    if html is not None:
        say("note", f"wrote {html}")
        return
    from authforensics.report.journal import render

    print_rich(render(found), color)
