"""Waves of dying tokens: those that a restart kills all at once, not those that expire one after the other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

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


def test_two_restarts_are_two_waves():
    first = [(f"d{n}", None, 10 + n, 9) for n in range(4)]
    second = [(f"d{n}", 11 + n, 30 + n, 29) for n in range(4)]
    assert [devices for _, devices in tokens.waves(_refused(*first, *second))] == [4, 4]


def test_tokens_that_are_accepted_after_others_died_are_no_wave():
    assert tokens.waves(_refused(*((f"d{n}", n, 15 + n, 14.9 + n) for n in range(12)))) == []


def test_tokens_refused_when_new_are_no_waves():
    assert tokens.waves(_refused(*((f"d{n}", n, n + 0.1, None) for n in range(30)))) == []
