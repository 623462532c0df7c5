"""What counts as no value, in whichever field it stands."""

from __future__ import annotations

import polars as pl
import pytest

from authforensics.collect import fields
from authforensics.collect.provider_events import joined


@pytest.mark.parametrize("around", ["{}", " {}", "{}\t", "  {}  "])
@pytest.mark.parametrize("null", fields.NULLS)
def test_a_null_marker_is_none_with_or_without_spaces_around_it(null, around):
    assert pl.select(fields.text(pl.lit(around.format(null)))).item() is None


@pytest.mark.parametrize("value", ["--", "Null", "0", '"-"', "[ ]", "null.", "\N{ZERO WIDTH SPACE}-"])
def test_what_only_resembles_a_null_marker_is_a_value(value):
    assert pl.select(fields.text(pl.lit(f" {value} "))).item() == value


def test_nulls_stay_null_and_the_type_stays_text():
    told = pl.select(fields.text(pl.lit(pl.Series("value", [None, "-", " a "], dtype=pl.String)))).to_series()
    assert told.to_list() == [None, None, "a"]
    assert pl.select(fields.text(pl.lit(pl.Series("value", [None], dtype=pl.String)))).to_series().dtype == pl.String


def test_texts_are_joined_as_far_as_they_are_there():
    frame = pl.DataFrame({"one": ["a", None, "a", None], "other": ["b", "b", None, None]})
    assert frame.select(joined(pl.col("one"), pl.col("other"))).to_series().to_list() == ["a: b", "b", "a", None]
