"""The terminal summary fits its width, tells the story in a screen and a half, and can't be driven by log text."""

from __future__ import annotations

import io
import unicodedata

import documents
import pytest
from rich.console import Console

from authforensics.document import Document
from authforensics.report import console


def shown(document: Document, width: int = 80, verbose: int = 0, colour: bool = False) -> str:
    file = io.StringIO()
    terminal = Console(file=file, width=width, force_terminal=colour, color_system="truecolor" if colour else None)
    terminal.print(console.render(document, "authforensics-report.html", verbose))
    return file.getvalue()


@pytest.mark.parametrize("name", ["incident", "healthy", "empty", "several", "hostile"])
@pytest.mark.parametrize("width", [80, 48])
def test_fits_its_width_without_trailing_blanks(name: str, width: int) -> None:
    lines = shown(getattr(documents, name)(), width).splitlines()
    assert max(map(len, lines)) <= width
    assert [line for line in lines if line != line.rstrip()] == []


def test_one_incident_takes_a_screen_and_a_half_and_health_ten_lines() -> None:
    assert len(shown(documents.incident()).splitlines()) <= 70
    assert len(shown(documents.healthy()).splitlines()) <= 10


def test_verdict_is_the_first_word_and_the_report_the_last() -> None:
    text = shown(documents.incident())
    assert text.startswith(" CRITICAL  Since 09:03 UTC")
    assert text.splitlines()[-1] == "Report: authforensics-report.html"
    assert shown(documents.healthy()).startswith(" OK  No incident")


def test_incident_in_order() -> None:
    text = " ".join(shown(documents.incident()).split())
    parts = (
        "Refresh succeeds, but every new token is refused",
        "Since 2025-12-25 09:03:00 UTC, for 3 h 57 min",
        "Now no new denials; 1 device not well again",
        "Who 44 of 60 (73 %) devices",
        "2,935 writes lost",
        "09:30:00 refresh OK, API denied 3 h 12 min",
        "Why The key that signs access tokens",
        "(high confidence)",
        "+ 12,391 of 12,391 denials",
        "- 16 of 60 devices never refreshed",
        "Check On a web host",
        "Fix Define `ACCESS_SECRET`",
        "Log next The key id",
        "More authforensics explain signing_key_mismatch",
        "Or A published default secret",
        "access.log:2001",
        "access.log: 3 lines of 22,240 not understood, first at line 17",
        "Left alone: core.1234 (binary file)",
    )
    places = [text.find(part) for part in parts]
    assert -1 not in places
    assert places == sorted(places)


def test_ongoing_is_said() -> None:
    text = " ".join(shown(documents.several()).split())
    assert "Now still going on when the log ends: 3 devices still refused" in text


def test_log_text_drives_nothing() -> None:
    text = shown(documents.hostile(), verbose=2)
    assert not [char for char in text if char != "\n" and unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp"}]
    assert "[red]markup[/red]" in " ".join(text.split())
    assert "\\x1b[31mred" in text


def test_log_text_drives_nothing_in_colour_either() -> None:
    text = shown(documents.hostile(), colour=True)
    assert "\x1b[31mred" not in text
    assert "\x1b]0;" not in text
    assert "\x1b]8;" not in text


def test_verbose_adds_findings_and_then_their_lines() -> None:
    document = documents.incident()
    assert "refresh_loop, ios-0001" not in shown(document)
    assert "refresh_loop, ios-0001" in shown(document, verbose=1)
    assert "app-error.log:60" not in shown(document, verbose=1)
    assert "app-error.log:60" in shown(document, verbose=2)
