"""Rows of exported tables are cut cell by cell: as a pattern for whole rows takes them apart."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from authforensics.collect.peel_text import _cells

FIELD = r'(?:"(?:[^"]|"")*"|[^",]*)'
PLACES = ({"inner": 0, "at": 1, "instance": 2}, {"inner": 3, "at": 0, "instance": 1}, {"inner": 1})


def taken(place: int) -> pl.Expr:
    cell = pl.col("row").str.extract(f"(?s)^(?:{FIELD},){{{place}}}({FIELD})(?:,|$)")
    return cell.str.strip_prefix('"').str.strip_suffix('"').str.replace_all('""', '"', literal=True)


def written(cells: list[str]) -> str:
    return ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)


texts = st.text('"",a\n é', max_size=12)


@given(st.lists(st.none() | texts | st.lists(texts, min_size=1, max_size=4).map(written), max_size=8))
def test_rows_are_cut_as_a_pattern_would(rows):
    series = pl.Series("row", rows, dtype=pl.String)
    for places in PLACES:
        wanted = series.to_frame().select(**{name: taken(place) for name, place in places.items()})
        assert_frame_equal(_cells(series, places), wanted)


def test_quotes_that_do_not_end_where_a_cell_does_are_no_cell():
    rows = pl.Series(['"a ""b""",c', '"a"b,c', '"a,c', '"",', "a"])
    cut = _cells(rows, {"first": 0, "second": 1})
    assert cut["first"].to_list() == ['a "b"', None, None, "", "a"]
    assert cut["second"].to_list() == ["c", None, None, "", None]
