"""Reads lines of two formats that stand in one file: the access lines of a server, and what its application says.

What both write to goes to one log as a rule: that of a container. Each line is what the first format takes it for that
takes it at all. Where both tell of the same requests, those of one count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import polars as pl

from authforensics.collect.cutting import TIME_IN_FRONT, iso_of, with_message
from authforensics.collect.format import PARSED, Format, Parser, Settings
from authforensics.collect.missed import calls
from authforensics.collect.normalize import normalize
from authforensics.collect.quick import run
from authforensics.schema import KIND, Kind

#: An exception, with which a trace of Python ends and one of Node or Java begins.
_FAILURE = r"^(?:[A-Za-z_]\w*(?:\.|::))*[A-Z]\w*(?:Error|Exception|Expired|Exit|Interrupt)\w*(?:: |$)"
#: What a trace that began with its exception has last: a frame, or the end of an object.
_CLOSED = r"^\s+at |^[\]})]+[,;]?$"
#: What goes on with the line above, whoever wrote that: indented lines, and what traces begin and end with.
CONTINUES = (
    r"^\s|^(?:Traceback|Stack trace:|Caused by: |During handling of|The above exception)|^#[0-9]+ |^[\]})]+[,;]?$"
    rf"|{_FAILURE}"
)
#: Formats of requests alone have no lines that others continue; but these begin no part of a record.
_BEGINS = r"^(?:[0-9a-f]{1,4}[.:]|\[?[0-9]{4}-|\{\")"
#: An object and what another thread wrote behind it before its line was ended; and how far below that end may be.
_GLUED = r"^(?P<object>\{\".*?[\"\d\]}el]\})(?P<behind>[\w\[].*)$"
_NEAR = 8
_DATED = rf"\[?(?P<at>{TIME_IN_FRONT})\]?:?(?: [|-])? *"
#: Where no format knows where records begin: all lines but indented ones and the heads of traces.
_UNINDENTED = r"^(?:[^\sT]|T[^r])"
#: The kinds of a file in which both are.
_KINDS = (Kind.REQUEST, Kind.MESSAGE)
#: What lines of one request have in common, who it is of, and the share that must have the one or the other.
_CALL, _WHO = ("method", "path", "status"), ("user_id", "device_id", "session_id")
_MOST, _MANY = 0.8, 0.5


def once(parts: Sequence[tuple[Format, Parser]], lines: pl.Series) -> list[tuple[Format, Parser]]:
    """The same parts. If two tell of the same requests, what one says is messages: a format of no other kind.

    The first one counts, unless only the other one tells nearly all and knows whose they are.

    Args:
        parts: formats and their parsers, the sooner the better.
        lines: lines of all of them.
    """
    if len(parts) < 2 or Kind.REQUEST not in parts[1][0].kinds:
        return list(parts)
    told, left = [], lines
    for form, parser in parts[:2]:
        got = normalize(run(left, parser), form, "", "").select("kind", "matched", *_CALL, *_WHO).collect()
        told.append(got.filter(pl.col("kind") == Kind.REQUEST.value, "matched"))
        left = left.filter(~got["matched"])
    first, second = told
    counts = first.group_by(_CALL).len().join(second.group_by(_CALL).len(), on=_CALL, nulls_equal=True)
    common = counts.select(pl.min_horizontal("len", "len_right").sum()).item()
    if not common or common < _MOST * second.height:
        return list(parts)
    better = common >= _MOST * first.height and _known(second) and not _known(first)
    worse = 0 if better else 1
    return [
        (replace(form, kinds=(Kind.MESSAGE,)) if number == worse else form, parser)
        for number, (form, parser) in enumerate(parts)
    ]


def _known(requests: pl.DataFrame) -> bool:
    """Whether most requests say whose they are."""
    return bool(requests.select(pl.any_horizontal(pl.col(name).is_not_null() for name in _WHO).mean() >= _MANY).item())


def together(parts: Sequence[tuple[Format, Parser]]) -> tuple[Format, Parser]:
    """The format of lines of several formats, called after the first, and its parser."""
    forms = [form for form, _ in parts]
    starts = [form.record_start for form in forms if form.record_start]
    if not starts and LOOSE not in forms:
        starts = [_UNINDENTED]
    form = replace(
        forms[0],
        time="either",
        kinds=_KINDS,
        multiline=True,
        record_start="|".join((_BEGINS, *starts)),
        header="|".join(form.header for form in forms if form.header) or None,
    )

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        left = lines.collect(engine="in-memory")
        left = left.with_columns(_apart(left["line"]))
        made = []
        for number, (own, parser) in enumerate(parts):
            got = _aligned(run(left["line"], parser), own).collect(engine="in-memory")
            took = got["matched"].fill_null(value=False)
            took |= pl.repeat(number == len(parts) - 1, len(took), dtype=pl.Boolean, eager=True)
            made.append(pl.concat([left, got], how="horizontal").filter(took))
            left = left.filter(~took)
        whole = pl.concat(made).sort("line_number")
        return _with_failures(whole.lazy()) if LOOSE in forms and not whole["matched"].all() else whole.lazy()

    return form, parse


def _apart(lines: pl.Series) -> pl.Series:
    """With objects that stand in front of another line on the blank one below, which is the end of theirs."""
    odd = lines.str.starts_with('{"') & ~lines.str.ends_with("}")
    if not odd.any():
        return lines
    texts = lines.to_frame("line").with_row_index("row")
    glued = texts.filter(odd).select("row", pl.col("line").str.extract_groups(_GLUED)).unnest("line").drop_nulls()
    blank = texts.filter(pl.col("line").str.strip_chars() == "").select("row", end="row")
    pairs = glued.join_asof(blank, on="row", strategy="forward", tolerance=_NEAR).drop_nulls()
    pairs = pairs.unique("end", keep="first", maintain_order=True)
    return lines.scatter(pairs["row"], pairs["behind"]).scatter(pairs["end"], pairs["object"])


def _with_failures(lines: pl.LazyFrame) -> pl.LazyFrame:
    """With exceptions that go on with nothing above them as messages: below a request, and below another's trace."""
    line, above = pl.col("line"), pl.col("line").shift()
    called = (pl.col("matched") & (pl.col("kind") == Kind.REQUEST.value)).shift(fill_value=True)
    begins = ~pl.col("matched") & line.str.contains(_FAILURE)
    begins &= called | above.str.contains(f"{_CLOSED}|{_FAILURE}")
    return lines.with_columns(
        matched=pl.col("matched") | begins,
        kind=pl.when(begins).then(pl.lit(Kind.MESSAGE.value, KIND)).otherwise("kind"),
        message=pl.when(begins).then(line).otherwise("message"),
    )


def dated(lines: pl.LazyFrame, settings: Settings) -> pl.LazyFrame:
    """Takes lines behind a date for messages, but for those that look like calls: these had better be missed."""
    whole = with_message(lines, _DATED).collect(engine="in-memory")
    said = whole["at"].is_not_null() & ~calls(whole["line"])
    told = whole.lazy().with_columns(matched=said, moment=iso_of(pl.col("at"), settings.tz))
    return told.unnest("moment").drop("at")


def loose(lines: pl.LazyFrame) -> pl.LazyFrame:
    """Takes lines that nothing else knows for messages, unless they go on with one above. Their time is around them."""
    said = (pl.col("line").str.strip_chars() != "") & ~pl.col("line").str.contains(f"{CONTINUES}|{_BEGINS}")
    return lines.with_columns(matched=said, message=pl.when(said).then("line"))


def _any(name: str) -> Format:
    return Format(
        name=name,
        title="any words",
        samples=(),
        time="end",
        kinds=(Kind.MESSAGE,),
        specificity=0.0,
        prepare=lambda _sample, _settings: None,
    )


#: The formats of words that nothing else knows, with and without a date.
DATED, LOOSE = _any("dated"), _any("text")


def words(settings: Settings, *, wrapped: bool) -> list[tuple[Format, Parser]]:
    """What takes the lines that are left for messages, if they, or what they are `wrapped` in, tell their time."""
    made: list[tuple[Format, Parser]] = [(DATED, partial(dated, settings=settings))]
    return [*made, (LOOSE, loose)] if wrapped else made


def _aligned(parsed: pl.LazyFrame, form: Format) -> pl.LazyFrame:
    """All columns of `PARSED`, whatever a parser yields of them."""
    there = parsed.collect_schema()
    kind = pl.col("kind").cast(pl.String) if "kind" in there and len(form.kinds) > 1 else pl.lit(form.kinds[0].value)
    start = pl.col("at_start") if "at_start" in there else pl.lit(form.time == "start")
    problem = pl.when("matched").then("problem") if "problem" in there else pl.lit(None, pl.String)
    known = {
        name: (pl.col(name) if name in there else pl.lit(None, dtype)).cast(dtype) for name, dtype in PARSED.items()
    }
    return parsed.select(**{**known, "kind": kind.cast(KIND), "at_start": start, "problem": problem})
