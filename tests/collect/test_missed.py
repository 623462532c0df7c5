"""Lines that look like those of requests, but are read as messages: the result says so."""

from __future__ import annotations

import pytest

from collecting import collect

TIME = "2026-03-01 10:02:03,123 INFO app: "


@pytest.mark.parametrize(
    ("lines", "note"),
    [
        (
            ["GET 401 Unauthorized /api/me"],
            "of the 20 lines that were looked at 20 name a method and a path, 20 a status",
        ),
        (
            ["--> GET https://shop.example/api/me", "<-- 401 Unauthorized", "token expired", "cache is warm"],
            "of the 20 lines that were looked at 5 name a method and a path, 5 a status",
        ),
        (
            ["GET \x1b[33m401\x1b[0m Unauthorized /api/me"],
            "of the 20 lines that were looked at 20 name a method and a path, 20 a status",
        ),
        # No status, no call, too few of them.
        (["GET /api/me took 120 ms", "cache is warm"], None),
        (["upstream answered 401"], None),
        (["GET 401 Unauthorized /api/me", *["cache is warm"] * 9], None),
    ],
)
def test_messages_that_look_like_requests_are_told(tmp_path, lines, note):
    text = [TIME + line for line in lines * (20 // len(lines))]
    (tmp_path / "app.log").write_text("\n".join(text) + "\n")
    (source,) = collect([tmp_path]).sources
    assert (source.format, source.events) == ("python_logging", 20)
    hint = "--log-format can say how its lines are laid out"
    told = None if note is None else f"no requests: {note}, but all are read as messages; {hint}"
    assert source.note == told


def test_no_layout_says_how_objects_are_to_be_read(tmp_path):
    line = '{"time": "2026-03-01T10:02:03Z", "level": "info", "message": "GET 401 Unauthorized /api/me"}'
    (tmp_path / "app.log").write_text(f"{line}\n" * 3)
    (source,) = collect([tmp_path]).sources
    assert source.note.endswith("3 a status, but all are read as messages")


def test_requests_need_no_note(tmp_path):
    line = '203.0.113.7 - - [25/Dec/2025:13:00:09 +0000] "GET /a HTTP/1.1" 401 5 "-" "-"'
    (tmp_path / "access.log").write_text(f"{line}\n" * 3)
    assert collect([tmp_path]).sources[0].note is None
