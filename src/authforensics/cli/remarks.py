"""Owns the warnings: what a reader must know before trusting the result, one line each."""

from __future__ import annotations

import glob
import json
import shlex
from collections.abc import Iterator, Sequence

from authforensics.document import Document, Source

#: Below this share of explained denials the reasons are a sample, not a census.
POOR_JOIN = 0.5
_NAMES_SHOWN = 3


def remarks(document: Document, log_format: str | None = None) -> Iterator[str]:
    """Every warning about the input of `document`; `log_format` is the layout that was given."""
    if log_format is not None and all(source.format != "log_format" for source in document.sources):
        yield "--log-format: no file has lines that fit it; authforensics explain --line shows where one stops to fit"
    yield from about(document.sources)
    yield from document.tokens.notes
    for system in document.systems:
        if system.identity.crowded:
            yield f"{system.system}: {system.notes[0]}"
        yield from (f"{system.system}: {offset.note}" for offset in system.offsets if offset.note)
        join = system.join
        if join.messages and join.denials and not join.explained:
            yield (
                f"{system.system}: the application log explains none of {join.denials:,} denials: "
                "it names no reason, or lacks what ties it to requests, as a request id in both logs does"
            )
        elif join.messages and join.explained < POOR_JOIN * join.denials:
            yield (
                f"{system.system}: the application log explains {join.explained:,} of {join.denials:,} denials; "
                "a request id in both logs would join the rest"
            )


def offers(document: Document, environment_files: Sequence[str]) -> Iterator[str]:
    """What could be done with dotenv files that lie among the logs, and is not unless somebody asks."""
    why = "prove who signed the tokens" if document.tokens.seen else "compare its secrets with those that code reads"
    for name in environment_files[:_NAMES_SHOWN]:
        yield f"found {name}, and did not open it: to {why}, add --env-file {shlex.quote(name)}"


def about(sources: Sequence[Source]) -> Iterator[str]:
    """Every warning about some files by themselves."""
    yield from _zones(sources)
    for source in sources:
        yield from _source_remarks(source)


def _zones(sources: Sequence[Source]) -> Iterator[str]:
    assumed = [source for source in sources if source.naive]
    if assumed:
        zone = (assumed[0].timezone or "").removesuffix(" (assumed)")
        yield f"{_names(assumed)}: times carry no zone, taken for {zone}; --tz ZONE says otherwise"


def _source_remarks(source: Source) -> Iterator[str]:
    if source.log_format is not None:
        pin = shlex.quote(source.log_format)
        yield f"{source.source}: its layout was told from its lines; pin it: --log-format {pin}"
    if source.columns:
        told = ", ".join(f"{held} = {_quoted(name)}" for held, name in source.columns.items())
        place = _quoted(glob.escape(source.source))
        yield (
            f"{source.source}: what its columns hold was told from their values; pin it in the configuration file: "
            f"columns.{place} = {{ {told} }}"
        )
    if source.broken:
        yield f"{source.source}: not read whole: {source.note or 'it breaks off'}"
    # The break is itself a reject.
    if source.rejects > source.broken:
        first = f"; line {s.line_number}: {s.reason}" if (s := next(iter(source.reject_samples), None)) else ""
        yield f"{source.source}: {source.rejects:,} of {source.lines:,} lines can't be read{first}"


def _quoted(text: str) -> str:
    """A text as TOML has it."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _names(sources: Sequence[Source]) -> str:
    shown = ", ".join(source.source for source in sources[:_NAMES_SHOWN])
    return shown if len(sources) <= _NAMES_SHOWN else f"{shown} and {len(sources) - _NAMES_SHOWN} more"
