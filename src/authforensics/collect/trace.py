"""Traces one line: what is around it, which formats were tried and how far each goes, what each field becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from authforensics.collect.format import Settings
from authforensics.collect.lay_out import classify
from authforensics.collect.layers import BARE, Layers
from authforensics.collect.nginx_conf import Log
from authforensics.collect.normalize import normalize
from authforensics.collect.options import Options
from authforensics.collect.reach import reach
from authforensics.collect.recognize import ENOUGH, Match, formats, named, recognize
from authforensics.collect.rivals import ranked
from authforensics.collect.wrapper import wrappers
from authforensics.schema import COLLECTED, Disposition

_DEEPEST = 4
#: What every line of a file has, and one line alone doesn't.
_PLACE = {"system", "source", "line_number", "origin"}


@dataclass(frozen=True, slots=True)
class Tried:
    """A format that was tried on a line.

    `confidence` is above 0 if it takes the line, `reach` how many characters of it fit, `wanted` what a line of the
    format has there.
    """

    name: str
    confidence: float
    reach: int
    wanted: str | None = None


@dataclass(frozen=True, slots=True)
class Traced:
    """What became of a line: `inner` is what is inside of its `wrappers`, `format` None if none takes it.

    `log_format` is the layout as `--log-format` takes it, if it was told from the line; `log` the one of nginx's
    configuration that has the layout of this line.
    `fields` are the columns of COLLECTED that have a value; `tried` the formats, that which goes furthest first.
    """

    line: str
    inner: str
    wrappers: tuple[str, ...]
    format: str | None
    confidence: float
    log_format: str | None
    log: str | None
    disposition: str
    reason: str | None
    fields: Mapping[str, object]
    tried: tuple[Tried, ...]


def trace(line: str, options: Options) -> Traced:
    """Read one line as if it were a whole file.

    Raises:
        UnknownName, BadValue: of the options.
    """
    if options.format is not None:
        named(options.format)
    settings = options.settings()
    log = _log_of(line, settings) if settings.log_format is None and options.format in {None, "log_format"} else None
    if log is not None:
        settings = replace(settings, log_format=log.layout)
    matches = ranked([line], settings, options.format)
    # Whatever takes nothing of it says why only if nothing else was asked for.
    best = matches[0] if matches and (options.format or matches[0].confidence >= ENOUGH) else None
    layers = best.layers if best is not None and best.confidence else _peeled(line, settings)
    inner = layers.inside(pl.Series("line", [line], dtype=pl.String))[0] or ""
    taken = best is not None and log is not None and best.confidence and best.form.name == "log_format"
    disposition, reason, fields = _became(line, best, options.format)
    return Traced(
        line=line,
        inner=inner,
        wrappers=tuple(wrapper.name for wrapper, _ in layers.wrappers),
        format=best.form.name if best is not None and best.confidence else None,
        confidence=0.0 if best is None else best.confidence,
        log_format=None if best is None else best.log_format,
        log=log.path if log is not None and taken else None,
        disposition=disposition,
        reason=reason,
        fields=fields,
        tried=_tried(
            inner, settings, options.format, [match for match in matches if match.layers.names == layers.names]
        ),
    )


def _log_of(line: str, settings: Settings) -> Log | None:
    """The log of nginx's configuration whose layout takes the line, or goes furthest in it; None if there is none."""

    def fits(log: Log) -> tuple[bool, int]:
        own = replace(settings, log_format=log.layout)
        match = recognize([line], own, only="log_format")
        far = reach(named("log_format"), line, own)
        return match is not None and match.confidence > 0, 0 if far is None else far.characters

    return max((log for log in settings.logs if log.layout is not None), key=fits, default=None)


def _became(line: str, best: Match | None, only: str | None) -> tuple[str, str | None, dict[str, object]]:
    """Disposition, reason and fields of a line that is read so."""
    if best is None:
        asked = "any known format" if only is None else f"the format {only}"
        return Disposition.REJECT.value, f"not a line of {asked}", {}
    lines = pl.LazyFrame({"line_number": [1], "line": [line]}, schema_overrides={"line_number": pl.UInt32})
    laid = classify(normalize(best.parser(lines), best.form, "", ""), best.form)
    row = laid.select(*COLLECTED, "disposition", "reason").collect().row(0, named=True)
    reason: str | None = row["reason"]
    if row["disposition"] != Disposition.EVENT.value:
        return row["disposition"], reason, {}
    return row["disposition"], reason, {name: row[name] for name in COLLECTED if _told(name, row[name])}


def _told(name: str, value: str | float | datetime | None) -> bool:
    return name not in _PLACE and value is not None


def _peeled(line: str, settings: Settings) -> Layers:
    """The wrappers that a line has beyond doubt, if no format inside tells."""
    layers, inner = BARE, line
    for _ in range(_DEEPEST):
        for wrapper in wrappers().values():
            known = any(outer is wrapper for outer, _ in layers.wrappers)
            peel = None if known or wrapper.taken != "always" else wrapper.prepare([inner], settings)
            inside = None if peel is None else peel(pl.Series("line", [inner], dtype=pl.String))["inner"][0]
            if peel is not None and inside:
                layers, inner = layers.under(wrapper, peel), inside
                break
        else:
            break
    return layers


def _tried(line: str, settings: Settings, only: str | None, matches: Sequence[Match]) -> tuple[Tried, ...]:
    """All formats, by how sure they are of a line without wrappers, then by how far it goes."""
    sure = {match.form.name: match.confidence for match in matches if match.confidence}
    found: list[Tried] = []
    for name, form in formats().items():
        if only is not None and name != only:
            continue
        if name in sure:
            found.append(Tried(name, sure[name], len(line)))
        elif (far := reach(form, line, settings)) is not None:
            found.append(Tried(name, 0.0, far.characters, far.wanted))
    return tuple(sorted(found, key=lambda one: (-one.confidence, -one.reach, one.name)))
