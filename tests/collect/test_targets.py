"""Targets that need no closer look say what they would say under it."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from authforensics.collect import normalize, requests

_PIECES = (
    "/",
    "//",
    "a",
    "users",
    "17",
    "4f2a9c1d",
    "0d1e5f7a-1b2c-4d3e-8f90-a1b2c3d4e5f6",
    "eyJhbGciOi",
    "survey",
    "x@y.z",
)
_MARKS = ("?", "a=b", "device_id=7", "&action=login", "#", ";jsessionid=1", "%20", "https://h", "*", " ", "-", "{id}")
_TARGETS = st.lists(st.sampled_from(_PIECES + _MARKS), max_size=9).map("".join)


@given(st.lists(_TARGETS | st.none(), max_size=8))
def test_plain_targets_are_as_if_looked_at_closely(targets):
    given_targets = pl.Series("target", targets, dtype=pl.String)
    texts = {"route": pl.String, "action": pl.String}
    quick, slow = (made(given_targets).cast(texts) for made in (normalize._called, normalize._called_at_length))
    assert_frame_equal(quick, slow, check_column_order=False)


def test_most_paths_are_plain():
    paths = pl.Series(["/", "/api/v2/users/17/orders", "/img/a-b_c.webp", "/a;sid=1", "/a?b", "/survey", None])
    assert requests.plain(paths).to_list() == [True, True, True, False, False, False, False]
