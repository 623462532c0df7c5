"""Times read by whole columns are what they are when each is read alone."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from authforensics.collect import times
from authforensics.collect.moments import Times, moments

SECONDS = st.integers(1_500_000_000, 1_999_999_999)
DIGITS = st.text("0123456789", max_size=9)
EPOCHS = st.one_of(
    SECONDS.map(str),
    st.builds("{}.{}".format, SECONDS, DIGITS),
    *(
        st.builds(f"{{}}{{:0{places}}}".format, SECONDS, st.integers(0, 10**places - 1))
        for places in (1, 2, 3, 4, 6, 9)
    ),
)
ISO = st.builds(
    "{:%Y-%m-%d}{}{:%H:%M:%S}{}{}".format,
    st.dates(),
    st.sampled_from("T "),
    st.times(),
    st.one_of(st.just(""), DIGITS.map(".{}".format), st.just(",123")),
    st.sampled_from(["", "Z", " UTC", "+01:00", "-0330", "+9"]),
)
_WHEN = (st.dates(), st.times())
ODD = st.one_of(st.none(), st.text(max_size=4), st.just("٢٠٢٥١٢٢٥١٣"), st.just("25/Dec/2025:13:00:09 +0900"))


@given(values=st.lists(st.one_of(EPOCHS, ISO, ODD), min_size=1, max_size=12), tz=st.sampled_from([None, "Asia/Tokyo"]))
def test_many_are_read_as_each_alone(values, tz):
    assert_read_as_alone(values, tz)


def assert_read_as_alone(values, tz):
    example = next((value for value in values if value), "")
    column = pl.Series("value", values, dtype=pl.String)
    alone = times.read_any(column.to_frame().lazy(), pl.col("value"), tz, example).collect()
    read = moments(column, example, tz)
    assert_frame_equal(read.select("time"), alone.select("time"))
    known = alone["time"].is_not_null()
    assert_frame_equal(read.filter(known).select("zone", "clock"), alone.filter(known).select("zone", "clock"))


@st.composite
def alike(draw):
    """Times that are written in one way, and some of them with other characters in it."""
    places, mark, between = draw(st.sampled_from([3, 6, 9])), draw(st.sampled_from(".,")), draw(st.sampled_from("T "))
    zone = draw(st.sampled_from(["Z", "+00:00", "+09:00", "-0330"]))
    digits = st.integers(0, 10**places - 1)
    written = st.builds(f"{{:%Y-%m-%d}}{between}{{:%H:%M:%S}}{mark}{{:0{places}}}{zone}".format, *_WHEN, digits)
    values = draw(st.lists(written, min_size=2, max_size=12))
    at, char = st.integers(0, len(values[0]) - 1), st.sampled_from("0 69+-٣\t")
    for number, place, other in draw(st.lists(st.tuples(st.integers(1, len(values) - 1), at, char), max_size=4)):
        values[number] = values[number][:place] + other + values[number][place + 1 :]
    return values


@given(values=alike())
def test_times_written_alike_are_read_as_each_alone(values):
    assert_read_as_alone(values, None)


@pytest.mark.parametrize("first", [1, 2])
def test_the_next_best_column_counts_where_the_first_has_no_time(first):
    whole = ["1766635209.782", None, "no time"]
    local = ["2025-12-25T13:00:09+09:00", "2025-12-25T13:00:10+09:00", None]
    columns = {"msec": whole, "time": local}
    told = Times(tuple(columns), {"msec": False, "time": True}, {"msec": whole[0], "time": local[0]}).told(
        [pl.Series(name, values, dtype=pl.String) for name, values in columns.items()]
    )
    rows = told.struct.unnest().head(first).rows(named=True)
    assert [row["zone"] for row in rows] == ["+0900"] * first
    assert [row["at_start"] for row in rows] == [False, True][:first]
    assert [row["time"].timestamp() for row in rows] == [1766635209.782, 1766635210][:first]
    assert told.struct.unnest().row(2) == (None, None, None, False, None)
