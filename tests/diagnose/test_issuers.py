"""Which instances accept only the tokens of their own kind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from authforensics.diagnose import issuers
from authforensics.schema import TIMESTAMP

ONSET = datetime(2026, 3, 1, 10, tzinfo=UTC)
KEYS = {"a": 1, "b": 1, "c": 2}


def events(keys: dict[str, int], before: dict[str, bool], *, devices: int = 6, wrong: int = 0) -> pl.DataFrame:
    """Each device gets a token of each instance, and calls each instance with it: good where the keys are the same.

    Before that it calls each with an older token, which those accept of which `before` says so. The first `wrong` calls
    of all end otherwise.
    """
    rows = []
    for device in range(devices):
        at = ONSET + timedelta(seconds=device)
        old = ONSET - timedelta(minutes=10)
        for instance, good in before.items():
            rows.append((f"d{device}", at, good, instance, old))
        for step, issuer in enumerate(keys):
            at = ONSET + timedelta(seconds=100 * (step + 1) + device)
            rows.append((f"d{device}", at, None, issuer, None))
            for wait, instance in enumerate(keys):
                later = at + timedelta(seconds=wait + 1)
                rows.append((f"d{device}", later, keys[instance] == keys[issuer], instance, at))
    schema = {
        "device_id": pl.String(),
        "timestamp": TIMESTAMP,
        "good": pl.Boolean(),
        "upstream": pl.String(),
        "granted_at": TIMESTAMP,
    }
    told = pl.DataFrame(rows, schema=schema, orient="row").with_row_index("row")
    turned = pl.col("row").is_in(told.filter(pl.col("good").is_not_null()).tail(wrong)["row"].implode())
    good = pl.when(turned).then(~pl.col("good")).otherwise("good")
    event = pl.when(good).then(pl.lit("api_ok")).when(~good).then(pl.lit("api_denied")).otherwise(pl.lit("refresh_ok"))
    return told.with_columns(auth_event=event, straggler=pl.lit(value=False))


def apart(told: pl.DataFrame) -> issuers.Apart | None:
    hit = told.select("device_id").unique()
    return issuers.apart([told.lazy()], hit, ONSET, ONSET + timedelta(hours=1))


def test_an_instance_with_another_key_accepts_what_it_issued_and_nothing_else():
    found = apart(events(KEYS, {"a": True, "b": True, "c": False}))
    assert found == issuers.Apart(kinds=(("c",), ("a", "b")), own=(30, 30), others=(24, 24), changed=0)


@pytest.mark.parametrize("before", [{"a": True, "c": True}, {"a": False, "c": False}, {}])
def test_which_one_changed_is_known_by_the_tokens_of_before(before):
    found = apart(events(KEYS, before))
    assert found is not None
    assert found.changed is None


def test_ordinary_expiry_and_requests_on_their_way_may_be_among_them():
    found = apart(events(KEYS, {}, wrong=6))
    assert found is not None
    assert found.strength < 1


@pytest.mark.parametrize(
    "told",
    [
        events(dict.fromkeys("abc", 1), {}),
        events(KEYS, {}, devices=1),
        events(KEYS, {}, wrong=30),
        # One that refuses all tokens, its own, too.
        events({"a": 1, "b": 1}, {}).vstack(
            events({"a": 1, "b": 1}, {})
            .filter(pl.col("granted_at").is_not_null())
            .with_columns(upstream=pl.lit("c"), auth_event=pl.lit("api_denied"))
        ),
    ],
    ids=["one key", "too few calls", "no clear sides", "one that issues nothing"],
)
def test_all_else_is_no_matter_of_who_issued_a_token(told):
    assert apart(told) is None
