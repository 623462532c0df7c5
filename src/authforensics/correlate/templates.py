"""Path templates: routes that differ in an id alone are one, whatever ids look like here.

Reading a line collapses what is an id wherever it stands: numbers, UUIDs, long random text. `ab12cd34`, `jane-doe` or
`blue-shirt` are ids only beside others of their kind, so these are told when all routes are known: by how many segments
stand in the same place, what they look like, and how rarely each is called. Without this every call would be a route of
its own, and whether it is protected could not be learned.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from authforensics.correlate import endpoints
from authforensics.schema import TEXT, EndpointClass

#: `system`, `route` and the `template` that takes its place.
TEMPLATES: dict[str, pl.DataType] = {"system": TEXT, "route": TEXT, "template": TEXT}

_ID = "{id}"
#: What looks like an id has a digit; versions do, too.
_DIGIT, _VERSION = r"\d", r"(?i)\bv\d+(?:(?:alpha|beta|rc)\d*)?\b"
_COLLAPSED = (_ID, "[redacted]")
#: So many segments with digits in one place are ids: names of operations that have some (`2fa`, `oauth2`) are fewer.
_IDS = 10
#: So many words in one place are names of things; the resources of an API are fewer.
_WORDS = 100
#: … unless the most of them are called so often: whether each of these is protected is seen without the others.
_OFTEN = 500
#: Share of the calls, and times the usual number of them, that one of many has at most: else it is one by itself.
_RARELY, _TIMES = 0.02, 3
#: Calls of which so many should have been refused, if they were like those beside them: one is nearly certain then.
_EXPECTED = 5.0
#: Segments that are looked at; what comes behind them stays.
_DEEP = 12


def templates(called: pl.DataFrame, configured: Mapping[str, EndpointClass]) -> pl.DataFrame:
    """The routes that have ids in them that reading could not tell, and their templates, as TEMPLATES.

    Args:
        called: what `endpoints.seen` gave, of everything.
        configured: as in `endpoints.by_pattern`. What it or a pattern names stays as it is.
    """
    routes = _unnamed(called, configured)
    if routes.height < _IDS:
        return pl.DataFrame(schema=TEMPLATES)
    path = pl.col("route").cast(pl.String)
    cut = path.str.splitn("?", 2).struct
    # Every path begins with a slash, and every segment is what comes after one.
    walked = routes.with_columns(
        cut.field("field_0").str.strip_prefix("/").alias("rest"),
        query=path.str.extract(r"(\?.*)$").fill_null(""),
        place=pl.struct(pl.col("system").cast(pl.String), path.str.starts_with("/")).hash(),
        made=pl.when(path.str.starts_with("/")).then(pl.lit("")),
        depth=pl.lit(0),
    ).filter(pl.col("made").is_not_null())
    done = []
    for depth in range(_DEEP):
        done.append(walked.filter(pl.col("rest").is_null()).select("system", "route", "made", "query"))
        walked = _one_further(walked.filter(pl.col("rest").is_not_null()), depth)
        if walked.is_empty():
            break
    behind = pl.when(pl.col("rest").is_null()).then(pl.lit("")).otherwise(pl.lit("/") + pl.col("rest"))
    done.append(walked.select("system", "route", made=pl.col("made") + behind, query="query"))
    template = pl.concat_str("made", "query")
    return (
        pl.concat(done)
        .filter(template != pl.col("route").cast(pl.String))
        .select("system", "route", template=template.cast(TEXT))
    )


def templated(frame: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Any rows with `system` and `route`, with templates in place of the routes that have one, in the same order."""
    if known.is_empty() or frame.is_empty():
        return frame
    keys = frame.select(pl.col("system", "route").cast(TEXT))
    found = keys.join(known, on=["system", "route"], how="left", maintain_order="left")
    return frame.with_columns(found.select(pl.coalesce("template", "route").alias("route")).to_series())


def _unnamed(called: pl.DataFrame, configured: Mapping[str, EndpointClass]) -> pl.DataFrame:
    """The routes that nothing names, whatever their method: `system`, `route`, `requests`, `refused`.

    Without those at which nothing ever was: what a scanner tries says nothing of what looks like an id here.
    """
    named = endpoints.by_pattern(called.select("method", "route").unique(), configured)
    # That of OPTIONS says nothing of the route.
    named = named.filter(pl.col("endpoint_class").is_not_null() & (pl.col("endpoint_class") != "preflight"))
    return (
        called.filter(pl.col("route").is_not_null())
        .join(named.select("route").unique(), on="route", how="anti")
        .group_by("system", "route")
        # Products of them are beyond what whole numbers hold.
        .agg(pl.col("requests", "refused").sum().cast(pl.Float64), pl.col("found").sum())
        .filter(pl.col("found") > 0)
        .drop("found")
    )


def _one_further(walked: pl.DataFrame, depth: int) -> pl.DataFrame:
    """The same, one segment further: what is an id there is collapsed."""
    cut = pl.col("rest").str.splitn("/", 2).struct
    told = walked.with_columns(cut.field("field_0").alias("segment"), cut.field("field_1").alias("rest"))
    ids = _ids(told, depth)
    found = told.join(ids, on=["place", "segment"], how="left", maintain_order="left")
    segment = pl.when(pl.col("id").fill_null(value=False)).then(pl.lit(_ID)).otherwise("segment")
    return found.with_columns(
        made=pl.concat_str("made", pl.lit("/"), segment), place=pl.struct("place", segment.alias("segment")).hash()
    ).drop("segment", "id")


def _ids(told: pl.DataFrame, depth: int) -> pl.DataFrame:
    """Which of the segments in each place are ids: `place`, `segment`, `id`."""
    shared = told.filter(pl.col("rest").is_not_null()).group_by("place", "rest").agg(pl.col("segment").unique())
    shared = shared.filter(pl.col("segment").list.len() >= _WORDS).explode("segment").select("place", "segment")
    segments = (
        told.group_by("place", "segment")
        .agg(pl.col("requests", "refused").sum())
        .with_columns(
            digits=pl.col("segment").str.replace_all(_VERSION, "").str.contains(_DIGIT)
            | pl.col("segment").is_in(_COLLAPSED)
        )
        .join(shared.unique().with_columns(alike=pl.lit(value=True)), on=["place", "segment"], how="left")
        .with_columns(pl.col("alike").fill_null(value=False))
    )
    places = segments.group_by("place").agg(
        of=pl.len(),
        with_digits=pl.col("digits").sum(),
        all=pl.col("requests").sum(),
        all_refused=pl.col("refused").sum(),
        usual=pl.col("requests").filter(~pl.col("digits")).median(),
    )
    # Ids of letters alone stand among those with digits.
    mostly = (pl.col("with_digits") >= _IDS) & (pl.col("with_digits") * 2 >= pl.col("of"))
    rare = pl.col("requests") <= pl.col("all") * pl.max_horizontal(_RARELY, _TIMES / pl.col("of"))
    # What is never refused where those beside it are is public, unless it is what calls of one user have in common.
    expected = pl.col("requests") * pl.col("all_refused") / pl.col("all")
    like = (pl.col("refused") > 0) | (expected < _EXPECTED) | pl.col("alike")
    words = (pl.col("of") >= _WORDS) & (depth > 0) & ((pl.col("usual") < _OFTEN) | pl.col("alike"))
    return segments.join(places, on="place").select(
        "place",
        "segment",
        id=rare
        & (
            (pl.col("digits") & (pl.col("with_digits") >= _IDS)) | (like & (mostly | words) & (pl.col("segment") != ""))
        ),
    )
