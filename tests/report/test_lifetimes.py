"""Lifetimes in words, and on every output."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO

from rich.console import Console

from authforensics.document import Lifetime, Lifetimes
from authforensics.report import console, html, markdown
from authforensics.report.lifetimes import rows

CHANGED = datetime(2025, 10, 7, 9, 30, tzinfo=UTC)


def life(seconds: float, low: float, high: float, **whom) -> Lifetime:
    return Lifetime(seconds=seconds, low=low, high=high, samples=12, how="inferred", **whom)


SEVERAL = Lifetimes(
    access=life(600, 597, 602, since=CHANGED),
    access_others=(life(1800, 1797, 1803, until=CHANGED, platform=("ios",), app_version=("3.4", "<b>3.5")),),
    refresh=life(900, 0, 902, counts_from="login", partial=True),
    note="the lifetime of access tokens changed at 2025-10-07 09:30:00 UTC",
)


def test_each_says_how_long_how_sure_and_for_whom():
    assert [tuple(row) for row in rows(SEVERAL)] == [
        (
            "Access token",
            "10 min",
            "between 9 min 57 s and 10 min 2 s, inferred, 12 samples",
            "given from 2025-10-07 09:30:00 on",
            True,
        ),
        (
            "Access token",
            "30 min",
            "between 29 min 57 s and 30 min 3 s, inferred, 12 samples",
            "on ios, version 3.4, <b>3.5; given before 2025-10-07 09:30:00",
            True,
        ),
        (
            "Refresh token",
            "15 min",
            "at most 15 min 2 s, inferred, 12 samples",
            "counted from the login; some clients only; nothing in the log tells which",
            True,
        ),
    ]


def test_what_is_not_known_is_said_with_what_is():
    assert [(row.value, row.detail, row.known) for row in rows(Lifetimes(access_at_least=840))] == [
        ("not known", "still accepted at 14 min, not seen to expire", False),
        ("not known", "the log doesn't tell", False),
    ]


def test_all_outputs_show_them_and_escape_what_came_from_the_log(document):
    systems = tuple(one.model_copy(update={"lifetimes": SEVERAL}) for one in document.systems)
    shown = document.model_copy(update={"systems": systems, "incidents": ()})
    terminal = Console(width=240, record=True, file=StringIO())
    terminal.print(console.render(shown))
    page, ticket, text = html.render(shown), markdown.render(shown), terminal.export_text()
    for part in ("30 min", "29 min 57 s", "given before 2025-10-07 09:30", "counted from the login", "12 samples"):
        assert part in page
        assert part in ticket
        assert part in text
    assert "<b>3.5" not in page
    assert "<b>3.5" not in ticket
    assert SEVERAL.note in page
    assert SEVERAL.note in ticket
