"""What is read of thousands of tokens at once is what is read of each alone."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authforensics.tokens import glance
from authforensics.tokens.glance import SAID, glances
from examples import examples
from tokens.made import CLAIMS, HEADER, ISSUED, PAYLOAD, TOKEN, encoded, of

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 2**54),
    st.text(max_size=8),
    st.lists(st.text(max_size=4), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=1),
)
times = st.dictionaries(
    st.sampled_from(["iat", "exp", "nbf"]),
    st.one_of(st.floats(0, 1e17, allow_nan=False), st.floats(ISSUED, ISSUED + 9), st.just(str(ISSUED))),
)
names = st.sampled_from(["iat", "exp", "nbf", "iss", "aud", "sub", "sid", "jti", "typ", "user_id", "device_id", "x"])


@examples(1)
@given(st.lists(st.tuples(st.dictionaries(names, values, max_size=6), times), min_size=1, max_size=5))
def test_all_at_once_and_one_by_one_read_the_same(claims):
    texts = pl.Series([of({"a": 1, **some, **more}) for some, more in claims])
    assert glance._slowly(texts).rows() == glances(texts).rows()


@given(st.lists(st.text(alphabet="eyJ.abc-_=0 é", max_size=60), max_size=5), st.integers(0, len(TOKEN)))
def test_any_text_can_be_looked_at(texts, cut):
    said = glances(pl.Series([*texts, TOKEN[:cut], TOKEN], dtype=pl.String))
    assert (said.height, said.schema) == (len(texts) + 2, SAID)
    assert said["issuer"][-1] == "shop"


def test_what_one_says():
    claims = {**CLAIMS, "nbf": str(ISSUED), "exp": (ISSUED + 900) * 1000, "aud": ["b", "a"], "jti": 7, "sid": "s"}
    row = glances(pl.Series([of(claims, {"alg": "RS256", "kid": "k", "typ": "at+jwt"})])).row(0, named=True)
    issued = datetime.fromtimestamp(ISSUED, UTC)
    assert (row["issued_at"], row["not_before"]) == (issued, issued)
    assert (row["expires_at"] - issued).total_seconds() == 900
    assert (row["audience"], row["jti"], row["session_id"], row["user_id"]) == ("a b", "7", "s", "42")
    assert (row["algorithm"], row["key_id"], row["token_type"], row["whole"]) == ("RS256", "k", "at+jwt", True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "eyJ",
        HEADER,
        f"{HEADER}.",
        f"{HEADER}.{PAYLOAD}.x.y",
        f"{HEADER}.!.x",
        f"{HEADER}.{encoded([1])}.x",
        "a.b.c",
    ],
)
def test_what_is_none_says_nothing(text):
    assert glances(pl.Series([text, TOKEN]))["token"].null_count() == 1


def test_a_broken_one_does_not_keep_the_others_from_being_read():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        said = glances(pl.Series([TOKEN, f"{HEADER}.{encoded(b'no json')}.abc", f"{HEADER}.{encoded(b'{')}.abc"]))
    assert said["issuer"].to_list() == ["shop", None, None]
