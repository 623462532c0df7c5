"""The page is self-contained, escapes whatever logs contain, and says what the document says."""

from __future__ import annotations

import json
import os
import re
import sys
from html.parser import HTMLParser
from subprocess import run

import documents
import large
import pytest
from pages import packed, unpacked
from plotly.offline import get_plotlyjs

from authforensics.document import Document
from authforensics.report import html

EVERY = ["incident", "healthy", "empty", "several", "hostile"]
VOID = {"meta", "link", "img", "br", "input", "hr"}


class Reader(HTMLParser):
    """The page as a browser's parser sees it: elements, attributes and text, scripts and styles apart."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in self.raw:
            self.raw[self.open[-1]].append(data)
        else:
            self.text.append(data)


@pytest.fixture(scope="module", params=EVERY)
def read(request: pytest.FixtureRequest) -> tuple[Document, str, Reader]:
    document = getattr(documents, request.param)()
    page = html.render(document)
    return document, page, Reader(page)


def test_every_element_is_closed_and_ids_are_unique(read: tuple[Document, str, Reader]) -> None:
    reader = read[2]
    assert reader.open == []
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_nothing_is_fetched(read: tuple[Document, str, Reader]) -> None:
    reader = read[2]
    for tag, attributes in reader.elements:
        assert tag not in {"img", "iframe", "object", "embed", "base", "svg", "audio", "video"}
        assert not (tag == "script" and "src" in attributes)
        for name in ("href", "src", "srcset", "action", "data", "poster"):
            assert attributes.get(name, "#").startswith(("#", "data:,"))
        assert not [name for name in attributes if name.startswith("on")]
    assert "url(" not in "".join(reader.raw["style"])
    assert "@import" not in "".join(reader.raw["style"])
    policy = next(attributes["content"] for _, attributes in reader.elements if attributes.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


def test_same_bytes_for_the_same_document(read: tuple[Document, str, Reader]) -> None:
    document, page, _ = read
    assert html.render(Document.from_json(document.to_json())) == page


def test_embedded_data_is_json_and_cannot_end_its_script(read: tuple[Document, str, Reader]) -> None:
    document, page, _ = read
    assert re.fullmatch("[A-Za-z0-9+/=]+", packed(page, "figures"))
    text = unpacked(page, "figures")
    assert not re.search("[<>&\u2028\u2029]", text)
    data = json.loads(text)
    assert [one["system"] for one in data["systems"]] == [system.system for system in document.systems]
    assert [one["device"] for one in data["devices"]] == [timeline.device_id for timeline in document.timelines]


def test_verdict_comes_first_and_in_full(read: tuple[Document, str, Reader]) -> None:
    document, page, _ = read
    assert f'<body data-severity="{document.verdict.severity}"' in page
    assert page.index('id="verdict"') < page.index('id="sources"')


def test_hostile_text_is_shown_and_does_nothing() -> None:
    page = html.render(documents.hostile())
    reader = Reader(page)
    own = html.render(documents.incident())
    assert page.count("<script") == own.count("<script")
    assert sum(tag == "script" for tag, _ in reader.elements) == 3
    assert "<img src=x onerror=alert(2)>" in " ".join(reader.text)
    before_plotly = page[: page.index('id="figures">')]
    for char in "\x1b\x07\u202e\u202c\u2028":
        assert char not in before_plotly
    assert "49" not in re.findall(r"{{ (.*?) }}", before_plotly)


def test_tokens_do_not_leave() -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
    page = html.render(documents.hostile(f"access_token={token} "))
    evidence = page[page.index('class="log"') : page.index('class="log"') + 300]
    assert token not in evidence
    assert "[redacted" in evidence


def test_incident_card_tells_the_whole_story() -> None:
    page = html.render(documents.incident())
    text = " ".join(" ".join(Reader(page).text).split())
    for part in (
        "Refresh succeeds, but every new token is refused",
        "44 of 60 (73 %)",
        "2,935",
        "52 device-hours",
        "41 well, 1 still ill, 2 not seen",
        "refresh OK, API denied",
        "The key that signs access tokens is not the key that verifies them",
        "high confidence",
        "What to do now",
        "log this next",
        "2 other causes considered",
        "access.log:2001",
        "15 min",
        "30 d",
        "32 further devices",
        "core.1234",
        "binary file",
    ):
        assert part in text


def test_an_empty_finding_list_is_calm() -> None:
    page = html.render(documents.healthy())
    assert "no incident found" in page
    assert 'id="findings"' not in page
    assert 'data-figure="fleet"' in page
    assert "15 min" in page


def test_devices_link_to_their_timelines_and_only_where_there_is_one() -> None:
    page = html.render(documents.incident(timelines=3))
    assert 'href="#device=android-0000"' in page
    assert 'href="#device=ios-0001"' not in page
    assert "ios-0001" in page


def test_links_name_the_system_where_there_are_several() -> None:
    assert 'href="#device=android-0000&amp;system=run-api"' in html.render(documents.several())


def test_plotly_comes_whole_and_in_less_than_half() -> None:
    page = html.render(documents.healthy())
    assert unpacked(page, "plotly") == get_plotlyjs()
    assert len(packed(page, "plotly")) < len(get_plotlyjs()) / 2


def test_plotly_itself_is_not_imported() -> None:
    program = (
        "import documents, sys; from authforensics.report import html; page = html.render(documents.incident()); "
        "assert 'id=\"plotly\"' in page; sys.exit(any(name.split('.')[0] == 'plotly' for name in sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert run([sys.executable, "-c", program], env=environment, check=False).returncode == 0


def test_a_page_of_many_timelines_is_small() -> None:
    page = html.render(documents.incident(timelines=44))
    assert len(page.encode()) < 3_000_000
    assert "are listed" not in page


@pytest.fixture(scope="module")
def fleet() -> str:
    return html.render(large.document())


def test_a_page_of_a_hundred_thousand_devices_is_small(fleet: str) -> None:
    assert len(fleet.encode()) <= 8_000_000


def test_a_page_says_what_it_leaves_out(fleet: str) -> None:
    text = " ".join(" ".join(Reader(fleet).text).split())
    for part in (
        "Affected: 3,000 devices",
        "200 devices of 3,000 are listed, those with a timeline first; all are in the JSON document.",
        "6,000, of which 200 are listed",
        (
            "200 of 6,000 findings are listed, the worst of each kind "
            "(refresh_loop 100 of 3,000; zombie_client 100 of 3,000); all are in the JSON document."
        ),
        "2,940 further devices without a timeline here.",
        "300 of 900 files are listed, first those that were not read whole; all are in the JSON document.",
    ):
        assert part in text
    assert fleet.count('id="finding-') == 200
    linked = {device for device in large.IDS[: large.DRAWN] if f'href="#device={device}"' in fleet}
    assert len(linked) == large.DRAWN


def test_a_device_of_which_no_state_is_known_shows_none() -> None:
    document = documents.incident().model_copy(update={"devices": (), "timelines": ()})
    chip = re.search(r'<span class="chip">.*?ios-0001.*?</span>\s*</span>', html.render(document), re.DOTALL)
    assert chip
    assert "<small>" not in chip.group()


def test_further_incidents_are_counted() -> None:
    document = documents.incident()
    incidents = tuple(document.incidents[0].model_copy(update={"id": f"incident-{n}"}) for n in range(63))
    page = html.render(document.model_copy(update={"incidents": incidents}))
    assert page.count('<article class="card sev-') == 60
    assert "3 further incidents, none of them worse than these, are in the JSON document." in page
