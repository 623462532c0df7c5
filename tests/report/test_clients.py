"""What apps do after a refusal: said with numbers where devices are few, and only where something is wrong."""

from __future__ import annotations

import io

import documents
import pytest
from rich.console import Console

from authforensics.devices import Client
from authforensics.document import Document
from authforensics.report import clients, console, html, markdown

GOOD = Client(
    system=documents.SYSTEM,
    platform="ios",
    app_version="3.4.1",
    devices=40,
    right=39,
    undecided=1,
    refreshed_again=0,
    looped=0,
    never_refreshed=0,
    kept_calling=0,
    kept_writing=0,
    unauthenticated=0,
    weak=0,
)
BAD = GOOD.model_copy(
    update={
        "platform": "android",
        "right": 10,
        "undecided": 0,
        "looped": 20,
        "refreshed_again": 22,
        "kept_calling": 8,
        "kept_writing": 5,
    }
)
FEW = BAD.model_copy(
    update={
        "app_version": None,
        "devices": 3,
        "right": 1,
        "looped": 0,
        "refreshed_again": 0,
        "kept_calling": 2,
        "weak": 3,
    }
)
SAID = (
    "android 3.4.1: 30 of 40 devices do wrong: 20 refresh in a loop with tokens that are refused, 2 refresh more than "
    "once, 8 call on after it is over (5 with writes)"
)


def made(base: Document, *found: Client) -> Document:
    return base.model_copy(update={"clients": found})


def terminal(document: Document) -> str:
    file = io.StringIO()
    Console(file=file, width=300, color_system=None).print(console.render(document))
    return file.getvalue()


def test_shares_are_numbers_where_devices_are_few():
    assert [clients.share(count, one) for count, one in ((10, BAD), (2, FEW), (0, BAD))] == ["10 (25 %)", "2 of 3", ""]
    assert list(clients.notes([BAD, FEW])) == [
        "Only address and user agent tell 3 of 43 of these devices apart: one of them may be several.",
        "Versions with fewer than 10 devices that were refused say little.",
    ]


def test_the_terminal_says_what_is_wrong_the_worst_first():
    text = terminal(made(documents.incident(), GOOD, FEW, BAD))
    assert f"Apps after a refusal\n  {SAID}\n  android: 2 of 3 devices do wrong: 2 call on after it is over (5" in text
    assert "ios 3.4.1" not in text


@pytest.mark.parametrize("found", [(), (GOOD,)])
def test_where_nothing_is_wrong_nothing_is_said(found):
    document = made(documents.incident(), *found)
    assert "Apps after" not in terminal(document)
    assert "What apps do" not in markdown.render(document)


def test_a_single_device_is_worth_no_word_without_an_incident():
    one = FEW.model_copy(update={"right": 2, "kept_calling": 1})
    assert "Apps after" not in terminal(made(documents.healthy(), one))
    assert "Apps after" in terminal(made(documents.healthy(), BAD))


def test_a_ticket_has_a_table():
    text = markdown.render(made(documents.incident(), GOOD, BAD))
    assert "| android 3.4.1 | 40 | 10 (25 %) | 22 (55 %) | 20 (50 %) |  | 8 (20 %) | 5 (12 %) |  |" in text


def test_the_page_lists_all_and_escapes_them():
    hostile = "<script>alert(1)</script>"
    page = html.render(made(documents.incident(), GOOD, BAD.model_copy(update={"app_version": hostile})))
    assert '<a href="#clients">Apps</a>' in page
    assert "<td>ios 3.4.1</td>" in page
    assert hostile not in page
    assert "<td>android &lt;script&gt;alert(1)&lt;/script&gt;</td>" in page
    assert 'id="clients"' not in html.render(documents.incident())
