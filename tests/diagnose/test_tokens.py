"""What became of refused tokens: the same in however many parts; and waves that a restart kills all at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from authforensics.diagnose import tokens

START = datetime(2026, 3, 1, 10, tzinfo=UTC)


def _refused(*rows: tuple[str, float | None, float, float | None]) -> pl.DataFrame:
    """Rows of a device, and the minutes when its token was given, refused first, and accepted last before that."""

    def at(minute: float | None) -> datetime | None:
        return None if minute is None else START + timedelta(minutes=minute)

    names = ("granted_at", "first_refused", "good_until")
    return pl.DataFrame(
        [(device, at(given), at(refused), at(good)) for device, given, refused, good in rows],
        schema={"device_id": pl.String, **dict.fromkeys(names, pl.Datetime("us", "UTC"))},
        orient="row",
    )


#: Of two devices: when, of which token, what was called where, and whether it was refused.
CALLS = [
    ("d0", None, 0, "/a", "s1", False),
    ("d0", None, 1, "/a", "s1", True),
    ("d0", None, 2, "/a", "s2", False),
    ("d0", None, 3, "/b", "s2", False),
    ("d0", None, 4, "/a", "s1", False),
    ("d0", None, 5, "/a", None, True),
    ("d1", 2, 3, "/a", None, True),
    ("d1", 2, 4, "/a", None, False),
    ("d1", 5, 6, "/b", "s1", True),
    ("d2", 1, 2, "/a", "s1", False),
    ("d0", None, 6, "/c", "s2", False),
]


@pytest.mark.parametrize("parts", [[["d0", "d1", "d2"]], [["d1"], ["d2", "d0"]], [["d2"], ["d0"], ["d1"], []]])
def test_what_becomes_of_tokens_does_not_show_the_parts(parts):
    events = pl.DataFrame(
        [
            (device, None if given is None else START + timedelta(minutes=given), START + timedelta(minutes=at), *call)
            for device, given, at, *call in CALLS
        ],
        schema={
            "device_id": pl.Categorical,
            "granted_at": pl.Datetime("us", "UTC"),
            "timestamp": pl.Datetime("us", "UTC"),
            "route": pl.String,
            "upstream": pl.String,
            "refused": pl.Boolean,
        },
        orient="row",
    ).with_columns(
        auth_event=pl.when("refused").then(pl.lit("api_denied")).otherwise(pl.lit("api_ok")),
        granted_by=pl.lit("login_ok"),
        straggler=pl.lit(value=False),
        token=pl.lit(None, pl.UInt64),
    )
    dealt = [events.lazy().filter(pl.col("device_id").is_in(part)) for part in parts]
    found = tokens.refused(dealt, events.filter("refused").reverse()).sort("device_id", "granted_at")
    assert found["device_id"].to_list() == ["d0", "d1", "d1"]
    assert found["refusals"].to_list() == [2, 1, 1]
    minutes = {
        name: ((found[name] - START).dt.total_minutes()).to_list() for name in ("again_at", "here_at", "good_until")
    }
    assert minutes == {"again_at": [2, 4, None], "here_at": [4, 4, None], "good_until": [0, None, None]}
    assert found["between"].to_list() == [1, 0, 0]
    # What is refused to others doesn't count.
    assert found["elsewhere"].to_list() == [1, 0, 0]
    assert found["used_before"].to_list() == [True, False, False]


def test_a_call_with_another_token_says_nothing_of_the_one_refused():
    at = [START + timedelta(minutes=minute) for minute in range(5)]
    events = pl.DataFrame(
        {
            "device_id": ["d"] * 5,
            "granted_at": pl.Series([START] * 5),
            "granted_by": ["login_ok"] * 5,
            "timestamp": at,
            "route": ["/a"] * 5,
            "upstream": ["s"] * 5,
            "token": [1, 1, 2, None, 1],
            "auth_event": ["api_ok", "api_denied", "api_ok", "api_ok", "api_ok"],
            "straggler": [False] * 5,
        }
    )
    denials = events.filter(pl.col("auth_event") == "api_denied")
    for lines, again in [(events, 3), (events.filter(pl.col("token").is_not_null()), 4), (events.head(3), None)]:
        found = tokens.refused([lines.lazy()], denials)
        assert found["again_at"].to_list() == [None if again is None else at[again]]
    unread = events.with_columns(token=pl.lit(None, pl.UInt64))
    assert tokens.refused([unread.lazy()], unread[1:2])["again_at"].to_list() == [at[2]]


def test_two_restarts_are_two_waves():
    first = [(f"d{n}", None, 10 + n, 9) for n in range(4)]
    second = [(f"d{n}", 11 + n, 30 + n, 29) for n in range(4)]
    assert [devices for _, devices in tokens.waves(_refused(*first, *second))] == [4, 4]


def test_tokens_that_are_accepted_after_others_died_are_no_wave():
    assert tokens.waves(_refused(*((f"d{n}", n, 15 + n, 14.9 + n) for n in range(12)))) == []


def test_tokens_refused_when_new_are_no_waves():
    assert tokens.waves(_refused(*((f"d{n}", n, n + 0.1, None) for n in range(30)))) == []
