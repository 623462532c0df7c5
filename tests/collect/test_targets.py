"""Targets that need no closer look say what they would say under it."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal, assert_series_equal

from authforensics.collect import normalize, requests
from authforensics.collect.format import Format
from authforensics.schema import Kind

_PIECES = (
    "/",
    "//",
    "a",
    "users",
    "17",
    ".webp",
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
    slow = normalize._called_of(given_targets.clear(), given_targets)
    assert_frame_equal(normalize._called(given_targets).cast(texts), slow.cast(texts), check_column_order=False)


_ORIGINS = ("", "https://shop.example:443", "http://[::1]", "wss://a@b", "1x://h", "https://", 'http://"', "h\\x22://")
_LINES = st.builds(
    "{} {}{}{}".format,
    st.sampled_from(["GET", "POST", "get", "-", "PROPFIND", ""]),
    st.sampled_from(_ORIGINS),
    _TARGETS,
    st.sampled_from([" HTTP/1.1", " HTTP/2.0", " HTTP/2.00", " -", "", " GRPC/1.0 "]),
)


@given(st.lists(_LINES | st.none(), max_size=8))
def test_plain_request_lines_are_as_if_looked_at_closely(lines):
    values = pl.DataFrame({"value": lines}, schema={"value": pl.String})
    split = normalize._split(values)
    slow = split.select("_method").hstack(normalize._called_of(split["_target"].clear(), split["_target"]))
    texts = {"_method": pl.String, "route": pl.String, "action": pl.String}
    assert_frame_equal(normalize._call(values).cast(texts), slow.cast(texts), check_column_order=False)


def test_absolute_urls_need_no_closer_look():
    targets = pl.Series(["http://h/a", "http://h", "http://h?a", "http://hh/a", 'http://"/a', "/b", "*", None])
    bare = ["/a", "", "?a", "/a", '"/a', "/b", "*", None]
    assert requests.without_plain_origin(targets).to_list() == bare


_IDS = st.text("0aF-.:x \t", max_size=4) | st.sampled_from(["f" * 39, "F" * 40, "a" * 41, "(null)", "eyJhbGciOi", "[]"])


@given(st.lists(_IDS | st.none(), max_size=8))
def test_plain_request_ids_are_as_if_cleaned(ids):
    values = pl.Series("request_id", ids, dtype=pl.String)
    cleaned = normalize._identifying("request_id")(values)
    assert_series_equal(normalize._request_ids(values), cleaned, check_names=False)


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/images/384293.webp", "/images/{id}.webp"),
        ("/orders/7/8/9.json", "/orders/{id}/{id}/{id}.json"),
        ("/avatars/0b8f7c60-1111-2222-3333-444455556666.png", "/avatars/{id}.png"),
        ("/downloads/7.zip/entries", "/downloads/{id}.zip/entries"),
        ("/v1.2/feed", "/v1.2/feed"),
        ("/releases/1.2.3", "/releases/1.2.3"),
        ("/amounts/12.5", "/amounts/12.5"),
    ],
)
def test_an_id_with_the_suffix_of_a_file_is_an_id(path, route):
    assert requests.without_ids(pl.Series([path])).to_list() == [route]


def test_most_paths_are_plain():
    paths = pl.Series(
        ["/", "/api/v2/users/17/orders", "/img/a-b_c.webp", "/a;sid=1", "/a?b", "/surveys", "/a/eyJ", None]
    )
    assert requests.plain(paths).to_list() == [True, True, True, False, False, True, False, False]


@pytest.mark.parametrize(
    "path",
    ["/survey-results", "/keyboard/layouts", "/api/money_transfers/new", "/journeys.json", "/eyeglasses/EYJACKETS"],
)
def test_words_with_ey_in_them_are_no_tokens(path):
    assert _seen(path) == (path, path)
    assert _seen(f"/api?action={path[1:]}") == ("/api", f"/api?action={path[1:]}")


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl", id="whole"),
        pytest.param("eyJhbGciOiJIUzI1NiJ9.eyJzdWIi", id="cut within its claims"),
        pytest.param("eyJhbGciOi", id="cut within its header"),
        pytest.param("eyAiYWxnIjogIkhTMjU2", id="with a space in its header"),
        pytest.param("eyIxMjMiOjQ1Njc4OX0", id="with a number for a name"),
    ],
)
@pytest.mark.parametrize(
    "around", ["/t/{}", "/t/{}/x", "/t/jwt={}", "/t/a%2F{}", "/t/token%3D{}", "/t/jwt:{},b", "/t/_{}", "/{}", "//{}//"]
)
def test_tokens_are_in_no_path_and_no_route(around, token):
    told = " ".join(_seen(around.format(token)))
    assert not [part for part in token.split(".") if part in told]


@pytest.mark.parametrize("token", ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9", "eyJhbGciOi", "eyAiYWxnIjogIkhTMjU2"])
def test_tokens_are_in_no_action(token):
    assert token not in " ".join(_seen(f"/api?action={token}&op=x.{token}"))


def _seen(target: str) -> tuple[str, str]:
    """Path and route of a target."""
    form = Format(
        name="a", title="", samples=(), time="end", kinds=(Kind.REQUEST,), specificity=1.0, prepare=lambda *_: None
    )
    parsed = pl.LazyFrame({"line_number": [1], "matched": [True], "target": [target]})
    made = normalize.normalize(parsed, form, "", "").select("path", pl.col("route").cast(pl.String)).collect()
    path, route = made.row(0)
    return path, route
