"""Owns how a command gets the analysis that it asks: options checked, progress shown, temporary files gone after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from authforensics.cli import bounds
from authforensics.cli.engines import ENGINES, check_master, engine_named
from authforensics.cli.messages import say
from authforensics.cli.progress import progress_bar
from authforensics.cli.sources import COLORS, check_choice, check_log_format, load_config

if TYPE_CHECKING:
    from authforensics.analysis import Analysis


@contextmanager
def analyzed(
    paths: list[str],
    *,
    format: str,
    log_format: str | None,
    nginx_conf: Path | None,
    config: Path | None,
    tz: str | None,
    since: str | None,
    until: str | None,
    path: str | None,
    status: str | None,
    device_key: str | None,
    strict: bool,
    engine: str,
    master: str | None,
    memory: str | None,
    work_dir: str | None,
    quiet: bool,
    no_progress: bool,
    color: str,
    env_file: Path | None = None,
    secrets: Path | None = None,
    jwks: Sequence[Path] | None = None,
    show_claims: bool = False,
    anonymize: bool = False,
    fingerprint_key: str | None = None,
    device: Sequence[str] | None = None,
    only: Sequence[str] | None = None,
    skip: Sequence[str] | None = None,
    deploys: Path | None = None,
    then: str = "looking closer",
) -> Iterator[Analysis]:
    """The analysis of some logs, by the options of a command; its temporary files are gone afterwards.

    `then` is what the progress bar says while the analysis is used.

    Raises:
        UsageError: an option that can't be used.
        InputError: nothing could be read.
    """
    check_log_format(log_format, format)
    check_choice("color setting", "--color", color, COLORS)
    check_choice("engine", "--engine", engine, ENGINES)
    check_master(master, engine)
    most, place = bounds.memory(memory), bounds.work_dir(work_dir)
    key = bounds.fingerprint_key(fingerprint_key)
    settings = load_config(config, paths)

    from authforensics.cli.remarks import offers, remarks

    with progress_bar(enabled=not (no_progress or quiet), color=color) as bar, engine_named(engine, master) as run:
        analysis = run(
            paths,
            format=None if format == "auto" else format,
            log_format=log_format,
            nginx_conf=nginx_conf,
            tz=tz,
            since=since,
            until=until,
            path=path,
            status=status,
            device=device or (),
            device_key=device_key,
            only=only or (),
            skip=skip or (),
            config=settings,
            strict=strict,
            memory=most,
            work_dir=place,
            deploys=deploys,
            env_file=env_file,
            secrets=secrets,
            jwks=jwks or (),
            show_claims=show_claims,
            fingerprint_key=key,
            progress=bar and bar.step,
        )
        with closing(analysis):
            if bar is not None:
                bar.doing(then)
            if anonymize:
                analysis = analysis.anonymized(key)
            yield analysis
    if not quiet:
        for remark in remarks(analysis.document, log_format):
            say("warning", remark)
        for note in offers(analysis.document, analysis.environment_files if env_file is None else ()):
            say("note", note)
