"""The wrappers around the lines of a file, one inside of the other: peels them all, and parses what is inside."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import polars as pl

from authforensics.collect.format import Format, Inside, Parser
from authforensics.collect.lay_out import unlike
from authforensics.collect.quick import run
from authforensics.collect.times import NAIVE
from authforensics.collect.wrapper import PEELED, Peel, Wrapper

#: Where a record begins can't be told from a wrapped line as it stands.
_NEVER = r"\z."
#: What Python doesn't take for space.
_ANYTHING = r"[^\s\x1c-\x1f]"
_OWN = ("time", "zone", "clock")
_TOLD = (*_OWN, "instance")
#: Offsets from UTC are multiples of `_STEP`, and between `-_WEST` and `_EAST`.
_STEP, _WEST, _EAST = timedelta(minutes=15), timedelta(hours=12), timedelta(hours=14)
#: By how much the clock of who wraps a line may be behind that of who wrote it.
_BEHIND = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Layers:
    """Wrappers from the outermost to the innermost, each with what peels its lines; `zoned` if a zone was given."""

    wrappers: tuple[tuple[Wrapper, Peel], ...] = ()
    zoned: bool = False

    @property
    def names(self) -> str | None:
        """What they are called; None if there are none."""
        return " > ".join(wrapper.name for wrapper, _ in self.wrappers) or None

    def under(self, wrapper: Wrapper, peel: Peel) -> Layers:
        """With one more, inside of all."""
        return replace(self, wrappers=(*self.wrappers, (wrapper, peel)))

    def after(self, around: Layers) -> Wrapper | None:
        """The wrapper next inside of some others; None if there is none more."""
        more = self.wrappers[len(around.wrappers) :]
        return more[0][0] if more else None

    def peel(self, lines: pl.Series) -> pl.DataFrame:
        """The `line` inside of each, and the `time`, `zone`, `clock` and `instance` that the wrappers know.

        A line that isn't wrapped stays as it is. One that goes on with a line above is null, and that one is whole;
        those `within` have such a line around them.
        """
        nothing = [*(pl.lit(None, PEELED[name]).alias(name) for name in _TOLD), pl.lit(value=False).alias("within")]
        peeled = lines.to_frame("line").with_columns(nothing)
        for wrapper, peel in self.wrappers:
            peeled = within(peeled, wrapper, peel(peeled["line"]))
        return peeled

    def inside(self, lines: pl.Series) -> pl.Series:
        """The lines inside, alone."""
        return self.peel(lines)["line"]

    def bare(self, peeled: pl.DataFrame) -> list[str]:
        """The lines inside that say anything, without those that a wrapper only adds; `peeled` is what `peel` says."""
        return peeled["line"].filter(self.said(peeled)).to_list()

    def said(self, peeled: pl.DataFrame) -> pl.Series:
        """Which lines these are."""
        said = peeled["line"].str.contains(_ANYTHING).fill_null(value=False)
        return said & ~peeled["line"].str.contains(self._added) if self._added else said

    @property
    def _shows_zone(self) -> bool:
        """Whether the time of a wrapper shows of which zone that of a line is, as nobody said."""
        return not self.zoned and all(wrapper.at_once for wrapper, _ in self.wrappers)

    @property
    def _added(self) -> str | None:
        """A pattern of lines that the wrappers add."""
        return "|".join(f"(?:{wrapper.header})" for wrapper, _ in self.wrappers if wrapper.header) or None

    def around(self, form: Format, parser: Parser, known: pl.DataFrame | None = None) -> tuple[Format, Parser]:
        """A format whose lines are wrapped, and its parser, with the wrapper's time for lines that have none.

        `known` is what `peel` says of all lines that it will get, if that is known. The parser also tells which lines
        are `timed`: they have a time of their own.
        """
        if not self.wrappers:
            return form, parser
        header = "|".join(f"(?:{pattern})" for pattern in (form.header, self._added) if pattern)
        inner = replace(form, header=header or None)
        inside = self.inside if known is None else partial(_line, known)
        wrapped = replace(
            form,
            multiline=form.multiline or any(wrapper.parts for wrapper, _ in self.wrappers),
            record_start=_NEVER,
            header=None,
            inside=Inside(inner, inside),
        )

        def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
            outer = lines.collect(engine="in-memory")
            peeled = self.peel(outer["line"]) if known is None else known
            own = peeled["line"].fill_null("")
            if self._added:
                own = own.set(own.str.contains(self._added), "")
            parsed = run(own, parser)
            filled = _filled(parsed, peeled, form, zones=self._shows_zone).with_columns(peeled["line", "within"])
            return _begun(filled, inner).with_columns(outer["line_number"], outer["line"])

        return wrapped, parse


#: No wrapper at all.
BARE = Layers()


def _line(known: pl.DataFrame, _lines: pl.Series) -> pl.Series:
    return known["line"]


def within(peeled: pl.DataFrame, wrapper: Wrapper, own: pl.DataFrame) -> pl.DataFrame:
    """What `Layers.peel` says with one wrapper more inside, that peels this off the lines."""
    return _merged(peeled, _joined(own) if wrapper.parts else own)


def _joined(own: pl.DataFrame) -> pl.DataFrame:
    """Lines in parts, joined in the first of them; `later` says which are the others."""
    if not own["open"].any():
        return own
    parts = own.with_row_index("row").filter(pl.col("inner").is_not_null())
    parts = parts.with_columns(later=pl.col("open").shift().over("stream").fill_null(value=False))
    whole = (
        parts.with_columns(group=(~pl.col("later")).cum_sum().over("stream"))
        .filter(pl.col("open") | pl.col("later"))
        .group_by("stream", "group")
        .agg(pl.col("row").first(), pl.col("inner").str.join(""))
    )
    later = parts.filter("later")["row"]
    inner = own["inner"].scatter(whole["row"], whole["inner"]).scatter(later, None)
    marked = pl.repeat(False, own.height, dtype=pl.Boolean(), eager=True).scatter(later, True).alias("later")
    begun = pl.col("open").fill_null(value=False) & ~pl.col("later")
    ended = pl.col("later") & ~pl.col("open")
    unfinished = (begun.cast(pl.Int32) - ended.cast(pl.Int32)).cum_sum().shift(fill_value=0)
    return own.with_columns(inner, marked).with_columns(within=unfinished > 0)


def _merged(peeled: pl.DataFrame, own: pl.DataFrame) -> pl.DataFrame:
    """Lines with one wrapper more off: what is nearer to the line counts, save a time whose zone is only guessed."""
    both = pl.concat([peeled, own.rename({name: f"own_{name}" for name in own.columns})], how="horizontal")
    known = pl.col("own_time").is_not_null() & ((pl.col("own_zone") != NAIVE) | pl.col("time").is_null())
    line = pl.coalesce("own_inner", "line")
    within = pl.col("within")
    if "later" in own.columns:
        line = pl.when(~pl.col("own_later")).then(line)
        within |= pl.col("own_within")
    return both.select(
        line.alias("line"),
        within.alias("within"),
        *(pl.when(known).then(f"own_{name}").otherwise(name).alias(name) for name in _OWN),
        pl.coalesce("own_instance", "instance").alias("instance"),
    )


def _filled(parsed: pl.LazyFrame, peeled: pl.DataFrame, form: Format, *, zones: bool) -> pl.LazyFrame:
    """What was parsed, with the time of the wrapper where the line has none: that is when it was written.

    A time without a zone is of the one that the wrapper's time shows, if it `zones`. Where a line has no upstream, who
    wrote it served the request: the wrapper's host, pod or container. But one that says that there was none (`-`) keeps
    it: that is a proxy's, which answered by itself.
    """
    present = set(parsed.collect_schema().names())
    absent = {name: pl.lit(None, PEELED[name]) for name in _OWN if name not in present}
    if "at_start" not in present:
        absent["at_start"] = pl.lit(form.time == "start")
    if "upstream" not in present:
        absent["upstream"] = pl.lit(None, pl.String)
    known = parsed.with_columns(**absent).with_columns(
        peeled.select(pl.col(name).alias(f"_wrapper_{name}") for name in _TOLD)
    )
    lacks = pl.col("time").is_null()
    if zones:
        known = known.with_columns(_apart=_apart()).with_columns(
            time=pl.col("time") + pl.col("_apart").fill_null(timedelta()),
            zone=pl.when(pl.col("_apart").is_null()).then("zone").otherwise("_wrapper_zone"),
        )
    return known.with_columns(
        (~lacks).alias("timed"),
        *(pl.when(lacks).then(f"_wrapper_{name}").otherwise(name).alias(name) for name in _OWN),
        at_start=pl.col("at_start") & ~lacks,
        upstream=pl.coalesce(pl.col("upstream").cast(pl.String), "_wrapper_instance"),
    ).drop("^_apart$", *(f"_wrapper_{name}" for name in _TOLD))


def _apart() -> pl.Expr:
    """What to add to a time without a zone, that was read as one of UTC; null if nobody knows.

    A line is wrapped when it was written or some minutes later, as long as a buffer holds it: less than `_STEP`. If no
    zone is that far away, it was wrapped at another time altogether, and that tells nothing.
    """
    apart = pl.col("_wrapper_time") - pl.col("time") + _BEHIND
    guessed = (pl.col("zone") == NAIVE) & (pl.col("_wrapper_zone") != NAIVE)
    near = apart.is_between(-_EAST, _WEST + _STEP, closed="left")
    step = _STEP // timedelta(microseconds=1)
    steps = apart.dt.total_microseconds() // step
    return pl.when(guessed & near).then(pl.duration(microseconds=steps * step))


def _begun(parsed: pl.LazyFrame, form: Format) -> pl.LazyFrame:
    """With each line that begins a record known to do so, whether or not it could be parsed."""
    line = pl.col("line")
    begins = line.str.contains(form.record_start) if form.record_start else pl.lit(not form.multiline)
    if form.header:
        begins &= ~line.str.contains(form.header)
    lost = ~pl.col("matched").fill_null(value=False) & (line.str.strip_chars() != "") & begins & ~pl.col("within")
    absent = {} if "problem" in parsed.collect_schema() else {"problem": pl.lit(None, pl.String)}
    return (
        parsed.with_columns(lost=lost.fill_null(value=False), **absent)
        .with_columns(
            matched=pl.col("matched") | pl.col("lost"),
            problem=pl.coalesce("problem", pl.when("lost").then(pl.lit(unlike(form)))),
        )
        .drop("lost", "within")
    )
