"""The Markdown renders to the document's content, and log text can't leave its place in it."""

from __future__ import annotations

import re

import documents
import pytest

from authforensics.document import Document
from authforensics.report import markdown

ATTACKS = [
    "`",
    "``` ``",
    "a | b",
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "![x](https://example.org/x.png)",
    "https://example.org",
    "www.example.org",
    "**b** _i_ ~~s~~",
    "# heading",
    "- item",
    "1. item",
    "> quote",
    "&lt;",
    "\\",
    "a\nb",
    "\x1b[0m\u202e",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_plain_text_is_inert(text: str) -> None:
    inert = markdown.plain(text)
    assert "\n" not in inert
    assert not re.search(r"[<>\x1b\u202e]", inert)
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]|~]", inert.replace("\\\\", ""))
    assert "://" not in inert
    assert "www." not in inert
    assert not re.match(r"\s*(?:[-+#>=]|\d+[.)])", inert)


@pytest.mark.parametrize("text", ATTACKS)
def test_code_span_ends_where_it_should(text: str) -> None:
    span = markdown.code(text)
    fence = re.match("`+", span)
    assert fence
    assert span.endswith(fence[0])
    inside = span[len(fence[0]) : -len(fence[0])]
    assert fence[0] not in re.findall("`+", inside)
    assert "\n" not in inside


@pytest.mark.parametrize("name", ["incident", "healthy", "empty", "several", "hostile"])
def test_tables_and_fences_hold(name: str) -> None:
    columns, fence, fences = 0, None, 0
    for line in markdown.render(getattr(documents, name)()).split("\n"):
        if fence:
            fence = None if line == fence else fence
            continue
        if opened := re.match("(`{3,})text$", line):
            fence, fences, columns = opened[1], fences + 1, 0
        elif line.startswith("| "):
            cells = len(re.findall(r"(?<!\\)\|", line)) - 1
            assert cells == (columns or cells)
            columns = cells
        else:
            columns = 0
            outside_code = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", line.replace("\\`", ""))
            assert not re.search(r"<(?!br>)", outside_code)
    assert fence is None
    assert fences == len(getattr(documents, name)().incidents)


def test_prose_keeps_our_code_and_our_lines() -> None:
    assert markdown.prose("Set `A_B`\nthen go_on") == "Set `A_B`<br>then go\\_on"
    assert markdown.prose("one ` alone") == "one \\` alone"


def test_incident_in_a_ticket() -> None:
    text = markdown.render(documents.incident())
    for part in (
        "# Critical: Since 09:03 UTC 44 of 60 devices",
        "| Writes lost | 2,935 |",
        "| refresh OK, API denied | 2025-12-25 09:30:00 | 3 h 12 min |",
        "### Why: The key that signs",
        "- Against: 16 of 60 devices",
        "**What to do now:** Define `ACCESS_SECRET`",
        "access.log:2001  [api_denied]  198.51.100.7",
        "| `run-api` | Access token | 15 min | between 14 min 40 s and 15 min 5 s, inferred, 120 samples |",
        "| `run-api` | Refresh token | 30 d | between 28 d 22 h and 31 d 6 h, read from claims, 14 samples |",
        "| `core.1234` | left alone |",
        "and 14 more",
    ):
        assert part in text
    assert text.endswith(".\n")


def test_same_text_for_the_same_document_and_calm_where_calm() -> None:
    document = documents.healthy()
    assert markdown.render(Document.from_json(document.to_json())) == markdown.render(document)
    assert markdown.render(document).startswith("# No incident: ")
