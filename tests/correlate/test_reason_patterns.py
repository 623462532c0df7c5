"""The wording of refusals: what libraries, gateways and providers say is told apart, and other log text says nothing."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authforensics.collect import secrecy
from authforensics.correlate import reasons
from authforensics.correlate.reason_patterns import DIALECTS, RULES
from authforensics.schema import Reason
from collecting import collect
from recordings import recordings

HERE = Path(__file__).parent
#: Of each library: what it says (values filled in), where, what it means; `unclear` where the library says the same of
#: several reasons, so that null is right, too.
REFUSALS = list(csv.DictReader((HERE / "refusals.csv").read_text(encoding="utf-8").splitlines()))
#: What other libraries, versions and people say: written down before it was tried.
REWORDED = list(csv.DictReader((HERE / "reworded.csv").read_text(encoding="utf-8").splitlines()))
ORDINARY = (HERE / "ordinary.txt").read_text(encoding="utf-8").splitlines()


def classified(rows: list[dict[str, str]], *, hinted: bool) -> list[str | None]:
    """The reason of each row as read at its endpoint."""
    texts = secrecy.readable(pl.Series([row["text"] for row in rows], dtype=pl.String))
    origins = pl.Series([row["said_by"] for row in rows], dtype=pl.String) if hinted else None
    frame = pl.DataFrame({"reason": reasons.classify(texts, origins), "at": [row["at"] for row in rows]})
    return frame.select(reasons.at_endpoint(pl.col("reason"), pl.col("at")).cast(pl.String))["reason"].to_list()


def test_what_libraries_say_is_told_apart():
    wrong = [
        (row["said_by"], row["text"], row["reason"], found)
        for row, found in zip(REFUSALS, classified(REFUSALS, hinted=True), strict=True)
        if found != row["reason"] and not (row["unclear"] and found is None)
    ]
    assert wrong == []
    assert {row["reason"] for row in REFUSALS} == {reason.value for reason in Reason}


def test_most_of_it_needs_no_hint_and_nothing_is_taken_for_something_else():
    found = classified(REFUSALS, hinted=False)
    silent = [row for row, reason in zip(REFUSALS, found, strict=True) if reason is None and not row["unclear"]]
    wrong = [
        (row["text"], row["reason"], reason)
        for row, reason in zip(REFUSALS, found, strict=True)
        if reason not in (None, row["reason"])
    ]
    # Of all others it means just that.
    assert wrong == [("Refresh token is not valid", "malformed", "refresh_revoked")]
    assert len(silent) < len(REFUSALS) / 20


def test_what_others_say_is_told_apart():
    found = classified(REWORDED, hinted=False)
    assert [(row["text"], reason) for row, reason in zip(REWORDED, found, strict=True)] == [
        (row["text"], row["reason"]) for row in REWORDED
    ]


def test_ordinary_text_says_nothing():
    found = reasons.classify(pl.Series(ORDINARY))
    assert [(text, reason) for text, reason in zip(ORDINARY, found, strict=True) if reason is not None] == []


def test_healthy_logs_say_only_what_their_refusals_say():
    logs = {
        path
        for recording in recordings()
        if recording.name.startswith("healthy")
        for path in recording.path.glob("*.log*")
        if path.name.startswith(("app", "php_error"))
    }
    assert len(logs) >= 3
    for log in logs:
        told = collect([log]).events.select("message", "origin").drop_nulls("message").unique()
        told = told.with_columns(reasons.classify(told["message"], told["origin"]).alias("reason"))
        refusing = pl.col("message").str.contains(
            "jwt expired|Signature has expired|Expired token|Insufficient scope|bad credentials"
        )
        assert told.filter(pl.col("reason").is_not_null() & ~refusing).is_empty()
        assert told.filter(pl.col("reason").is_null() & refusing).is_empty()
        assert told.filter(~refusing).height > 1


def alternatives(pattern: str) -> int:
    """How many patterns are written as one, with `|` between."""
    depth, count, marks = 0, 1, iter(pattern)
    for mark in marks:
        if mark == "\\":
            next(marks)
        depth += (mark == "(") - (mark == ")")
        count += mark == "|" and depth == 0
    return count


def test_a_pattern_stands_for_three_messages_at_least():
    patterns = [pattern for _, group in RULES for pattern in group]
    patterns += [pattern for meanings in DIALECTS.values() for _, pattern in meanings]
    assert 3 * sum(map(alternatives, patterns)) <= len(REFUSALS) + len(REWORDED)


def test_no_pattern_is_of_a_version_or_of_more_than_one_line():
    for _, group in RULES:
        for pattern in group:
            assert ".*" not in pattern
            assert ".{" not in pattern
            assert pattern == pattern.lower()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        # No key to verify with: neither the signature nor the expiry that is guessed at.
        ("IDX10501: Signature validation failed. Unable to match key: kid: 'k1'.", "key_not_found"),
        ('Firebase ID token has "kid" claim which does not correspond. Most likely the token expired', "key_not_found"),
        ("token is unverifiable: error while executing keyfunc: token has expired", "key_not_found"),
        # Used twice comes before revoked, which it leads to.
        ("Refresh token re-use was detected. All related tokens have been revoked.", "refresh_reused"),
        # One claim before what all of them share.
        ("token has invalid claims: token is expired", "token_expired"),
        ("invalid token: token signature is invalid", "signature_invalid"),
        # Not the token's fault, whatever else it says.
        ("Token has expired or user lacks role: insufficient permissions", "other"),
        ("CSRF token missing", "other"),
        ("Client authentication failed: client secret expired", "other"),
        # Several reasons at once are none.
        ("The token is invalid or expired", None),
        ("Token has been expired or revoked", None),
        # A provider's code decides over its words.
        ("AADSTS700082: The refresh token has expired due to inactivity.", "refresh_expired"),
        ("AADSTS50173: The provided grant has expired due to it being revoked", "refresh_revoked"),
        ("AADSTS7000222: The provided client secret keys are expired", "other"),
    ],
)
def test_the_order_decides(text, reason):
    assert reasons.classify(pl.Series([text])).to_list() == [reason]


@pytest.mark.parametrize(
    ("text", "reasons_by_origin"),
    [
        ("Invalid token", {"JsonWebTokenError json": "malformed", "rest_framework": "revoked", "": None}),
        ("Unauthorized", {"kong": "missing_token", "nginx": None, "": None}),
        ("Token is invalid", {"io.smallrye.jwt.auth.principal": "other", "rest_framework_simplejwt": None}),
        ("expired", {"JWTKit.JWTError": "token_expired", "": None}),
    ],
)
def test_who_says_it_decides(text, reasons_by_origin):
    origins = pl.Series(list(reasons_by_origin))
    found = reasons.classify(pl.Series([text] * len(origins)), origins)
    assert dict(zip(origins, found, strict=True)) == reasons_by_origin


def test_who_says_it_is_in_the_log(tmp_path):
    """The exception, the logger and the format of a line are hints, and so is what the text itself names."""
    log = tmp_path / "app.log"
    head = '"level":40,"time":1759406409392,"msg":"refused"'
    log.write_text(
        f'{{{head},"err":{{"type":"JsonWebTokenError","message":"invalid token"}}}}\n'
        f'{{{head},"err":{{"type":"Error","message":"invalid token"}}}}\n'
        f'{{{head},"logger":"rest_framework.views","err":{{"message":"Invalid token."}}}}\n'
        f'{{{head},"logger_name":"io.smallrye.jwt","err":{{"message":"Token is invalid"}}}}\n'
        f'{{{head},"err":{{"message":"SRJWT08004: Token is invalid"}}}}\n',
        encoding="utf-8",
    )
    told = reasons.read_messages(collect([log]).events)
    assert told["reason"].to_list() == ["malformed", None, "revoked", "other", "other"]


@given(st.text(max_size=200), st.text(max_size=30))
def test_any_text_has_one_reason_or_none(text, origin):
    (found,) = reasons.classify(pl.Series([text]), pl.Series([origin]))
    assert found is None or found in set(Reason)


@pytest.mark.parametrize(
    "frame", ["[auth] check_session: {}", "{} uid=7 took=12ms", "POST /api/token/reset refused: {}"]
)
def test_what_stands_around_a_message_does_not_matter(frame):
    whole = [row for row in REFUSALS if len(row["text"]) >= 20]
    framed = [row | {"text": frame.replace("{}", row["text"])} for row in whole]
    alone, around = classified(whole, hinted=False), classified(framed, hinted=False)
    moved = [
        (row["text"], before, after) for row, before, after in zip(whole, alone, around, strict=True) if before != after
    ]
    assert moved == []


def test_many_texts_are_looked_at_once_and_keep_their_places():
    texts = pl.Series([None, "jwt expired sub=1", "order 17 created", "jwt expired sub=2", None, "invalid signature"])
    expected = [None, "token_expired", None, "token_expired", None, "signature_invalid"]
    assert reasons.classify(texts).to_list() == expected
    assert reasons.classify(texts.head(0)).to_list() == []
