"""Owns `timeline`: what one device did, request by request, as text or as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from authforensics.cli import options
from authforensics.cli.analyzed import analyzed
from authforensics.cli.messages import say
from authforensics.cli.outputs import Outputs, staged, text_writer
from authforensics.cli.terminal import print_rich


def timeline(
    paths: options.Paths,
    *,
    device: Annotated[str, typer.Option(metavar="ID", help="The device, by the name that a report has for it.")],
    html: Annotated[Path | None, typer.Option(metavar="PATH", help="Write a page in place of text.")] = None,
    format: options.FormatName = "auto",
    log_format: options.LogFormat = None,
    nginx_conf: options.NginxConf = None,
    config: options.ConfigFile = None,
    since: options.Since = None,
    until: options.Until = None,
    path: options.PathPattern = None,
    status: options.Statuses = None,
    tz: options.Zone = None,
    device_key: options.DeviceKey = None,
    env_file: options.EnvFile = None,
    secrets: options.SecretsFile = None,
    jwks: options.KeySets = None,
    show_claims: options.ShowClaims = False,
    anonymize: options.Anonymize = False,
    fingerprint_key: options.FingerprintKey = None,
    strict: options.Strict = False,
    engine: options.Engine = "local",
    master: options.Master = None,
    memory: options.Memory = None,
    work_dir: options.WorkDir = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No warnings.")] = False,
    no_progress: options.NoProgress = False,
    color: options.Color = "auto",
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
