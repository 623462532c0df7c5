"""Owns `analyze`: from arguments to a pipeline run, its outputs, and the exit code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from authforensics.cli import options
from authforensics.cli.analyzed import analyzed
from authforensics.cli.messages import say
from authforensics.cli.outputs import REPORT, Outputs
from authforensics.cli.sources import check_choice
from authforensics.cli.terminal import print_bytes, print_summary

if TYPE_CHECKING:
    from authforensics.document import Document

FAIL_ON = ("low", "medium", "high", "critical")


def analyze(
    paths: options.Paths,
    *,
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
    deploys: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What was deployed when: CSV or JSON lines with time and name."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="DETECTOR", help="Run this detector only; repeatable.")
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option(metavar="DETECTOR", help="Leave this detector out; repeatable.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="PATH", help=f"The report. [default: {REPORT} in the working directory]")
    ] = None,
    no_html: Annotated[bool, typer.Option("--no-html", help="Write no report.")] = False,
    json: Annotated[str | None, typer.Option(metavar="PATH|-", help="Write the document as JSON.")] = None,
    markdown: Annotated[
        str | None, typer.Option(metavar="PATH|-", help="Write Markdown, for a ticket or a postmortem.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the tables events, rejects, sessions and findings.")
    ] = None,
    export_format: Annotated[str, typer.Option(metavar="parquet|csv", help="Format of the tables.")] = "parquet",
    fail_on: Annotated[
        str | None,
        typer.Option(
            metavar="SEVERITY",
            help="Exit with 11, 12, 13 or 14 (low, medium, high, critical) if the worst found is at or above it.",
        ),
    ] = None,
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
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the verdict, no warnings.")] = False,
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, show_default=False, help="More detail; repeatable.")
    ] = 0,
    no_progress: options.NoProgress = False,
    color: options.Color = "auto",
) -> None:
    """Analyse logs: what went wrong with tokens and sessions, for whom, since when, and why."""
    check_choice("severity", "--fail-on", fail_on, FAIL_ON)
    outputs = Outputs.plan(
        html=html, no_html=no_html, json=json, markdown=markdown, export=export, export_format=export_format
    )
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
        only=only,
        skip=skip,
        deploys=deploys,
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
        then="writing the results",
    ) as analysis:
        written = outputs.write(analysis)
        piped = outputs.piped(analysis)
    document = analysis.document
    for file in [] if quiet else written:
        say("note", f"wrote {file}")
    if piped is not None:
        print_bytes(piped)
    else:
        print_summary(document, outputs.html, color, verbose=verbose, quiet=quiet)
    raise typer.Exit(_exit_code(document, fail_on))


def _exit_code(document: Document, fail_on: str | None) -> int:
    """0, or 10 and the rank of the worst severity found."""
    if fail_on is None:
        return 0
    from authforensics.findings import Severity

    found = {incident.severity for incident in document.incidents} | {finding.severity for finding in document.findings}
    worst = max((severity.rank for severity in found), default=0)
    return 10 + worst if worst >= Severity(fail_on).rank else 0
