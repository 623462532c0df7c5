"""The page in a real browser: quiet, offline, drawn, and as wide as the screen."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import documents
import large
import pytest
from isal import isal_zlib
from pages import unpacked

from authforensics.pipeline import analyze
from authforensics.report import html

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    Visit = Callable[..., Page]

pytestmark = pytest.mark.browser
OTHERS = ("several", "healthy", "empty", "hostile")

SAMPLES = Path(__file__).parent.parent.parent / "sample_logs"
LOOPING = "incident-1-secret-mismatch"
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
QUIET += ("--disable-background-networking", "--disable-component-update", "--disable-sync")
TEXTS = ["", "a", "größer → 日本 " * 9999, "".join(f"{n * n:x}" for n in range(20_000))]
DRAWN = "document.querySelectorAll('#device-plot .scatterlayer .point').length > 0"


def absent(what: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and CI must have it")
    pytest.skip(f"{what} is missing")


def until(page: Page, expression: str) -> None:
    """Wait for an expression to hold; asked from outside, because the page's own policy forbids evaluating strings."""
    for _ in range(1200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(25)
    pytest.fail(f"never came true: {expression}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        absent("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        absent("playwright")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("pages")
    found = {}
    for name in ("incident", "several", "healthy", "empty", "hostile", "bare"):
        path: Path = folder / f"{name}.html"
        path.write_text(html.render(getattr(documents, name)()), encoding="utf-8")
        found[name] = path.as_uri()
    samples = folder / "samples.html"
    samples.write_text(analyze(SAMPLES).to_html(), encoding="utf-8")
    return found | {"samples": samples.as_uri()}


@pytest.fixture
def visit(browser: Browser, files: dict[str, str]) -> Iterator[Visit]:
    """Open a page by name; afterwards it must have been silent and must have asked for nothing but itself."""
    pages: list[Page] = []
    trouble: list[str] = []
    asked: list[str] = []

    def go(name: str, width: int = 1440, scheme: str = "light", hash_: str = "") -> Page:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        pages.append(page)
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("dialog", lambda dialog: (trouble.append("a dialog opened"), dialog.dismiss()))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(files[name] + hash_)
        return page

    yield go
    for page in pages:
        page.close()
    assert trouble == []
    assert {url.split("#")[0] for url in asked} - set(files.values()) - {"data:,"} == set()


def draw_all(page: Page) -> None:
    for element in page.query_selector_all(".plot"):
        element.scroll_into_view_if_needed()
    until(page, "[...document.querySelectorAll('.plot')].every((plot) => plot.querySelector('.main-svg'))")


@pytest.mark.parametrize("name", ["incident", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
@pytest.mark.parametrize("width", [pytest.param(1440, marks=pytest.mark.slow), 390])
def test_no_sideways_scrolling(visit: Visit, name: str, width: int) -> None:
    page = visit(name, width)
    draw_all(page)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0


@pytest.mark.parametrize(("width", "scheme"), [pytest.param(1440, "light", marks=pytest.mark.slow), (390, "dark")])
def test_a_looping_device_of_the_sample_logs_is_drawn(visit: Visit, width: int, scheme: str) -> None:
    loop = next(one for one in analyze(SAMPLES / LOOPING).document.findings if one.detector == "refresh_loop")
    assert loop.device_id is not None
    query = urlencode({"device": loop.device_id, "system": LOOPING})
    page = visit("samples", width, scheme, f"#{query}")
    until(page, DRAWN)
    assert page.inner_text("#picked") == f"{loop.device_id} ({LOOPING})"
    assert "rejected" in (page.text_content("#device-plot .legend") or "")
    assert page.evaluate("document.querySelectorAll('#device-plot .scatterlayer .point').length") > 40
    draw_all(page)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0


def test_the_first_device_is_drawn_and_another_one_when_picked(visit: Visit) -> None:
    page = visit("incident")
    until(page, DRAWN)
    assert page.inner_text("#picked") == "android-0000"
    before = page.evaluate("document.getElementById('device-plot').data.map((trace) => trace.x[0]).join()")
    page.select_option("#device", index=5)
    until(page, "document.getElementById('picked').textContent === 'ios-0005'")
    until(page, DRAWN)
    assert page.evaluate("document.getElementById('device-plot').data.map((trace) => trace.x[0]).join()") != before
    assert page.evaluate("location.hash") == "#device=ios-0005"
    # By the keyboard: while the page is still being laid out, a click may miss what it was meant for.
    page.press("#next", "Enter")
    until(page, "document.getElementById('picked').textContent === 'android-0006'")
    page.click("#previous")
    assert page.inner_text("#picked") == "ios-0005"


def test_search_narrows_the_picker(visit: Visit) -> None:
    page = visit("incident")
    page.fill("#search", "okhttp")
    assert page.locator("#device option").count() == 1
    assert page.inner_text("#picked") == "203.0.113.77|okhttp/4.12.0"
    page.fill("#search", "")
    assert page.locator("#device option").count() == 12


def test_deep_link_opens_its_device(visit: Visit) -> None:
    page = visit("several", hash_="#device=android-0000&system=billing")
    until(page, DRAWN)
    assert page.inner_text("#picked") == "android-0000 (billing)"
    assert page.evaluate("location.hash") == "#device=android-0000&system=billing"
    assert page.locator("#device").input_value() == "12"


@pytest.mark.slow
def test_a_link_on_the_page_opens_its_device(visit: Visit) -> None:
    page = visit("incident")
    page.click("#findings a[href='#device=ios-0003']")
    until(page, "document.getElementById('picked').textContent === 'ios-0003'")


def test_hovering_a_request_shows_its_log_line(visit: Visit) -> None:
    page = visit("incident")
    page.locator("#device-plot").scroll_into_view_if_needed()
    until(page, DRAWN)
    box = page.locator("#device-plot .scatterlayer .trace").last.locator(".point").last.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("#request:not([hidden])")
    page.wait_for_selector("#device-plot .hoverlayer .hovertext")
    assert '?device=android-0000 HTTP/1.1"' in page.inner_text("#request .log")
    assert 'HTTP/1.1"' in page.locator("#device-plot .hoverlayer").text_content()
    assert "&quot;" not in page.locator("#device-plot .hoverlayer").text_content()


def test_hostile_lines_stay_text_in_the_table_of_requests(visit: Visit) -> None:
    page = visit("hostile")
    until(page, DRAWN)
    page.click("#requests summary")
    assert "<script>alert(1)</script>" in page.locator("#request-rows .log").first.inner_text()
    assert page.locator("img").count() == 0
    assert page.locator("#device-plot a").count() == 0


@pytest.mark.parametrize(("scheme", "dark"), [pytest.param("light", False, marks=pytest.mark.slow), ("dark", True)])
def test_page_and_figures_follow_the_scheme(visit: Visit, scheme: str, dark: bool) -> None:
    page = visit("incident", scheme=scheme)
    draw_all(page)
    shade = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
    assert (sum(page.evaluate(shade)) < 200) is dark
    ink = page.evaluate("document.querySelector('.plot').layout.font.color")
    assert (int(ink[1:3], 16) > 127) is dark


@pytest.mark.slow
def test_figures_follow_when_the_scheme_changes(visit: Visit) -> None:
    page = visit("incident", scheme="light")
    draw_all(page)
    page.emulate_media(color_scheme="dark")
    until(page, "document.querySelector('.plot').layout.font.color === '#e3e7eb'")


@pytest.mark.slow
def test_a_figure_without_data_says_so(visit: Visit) -> None:
    page = visit("bare")
    page.locator("[data-figure=fleet]").scroll_into_view_if_needed()
    until(page, "document.querySelector('[data-figure=fleet]').textContent === 'Nothing to draw.'")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["incident", "hostile"])
def test_the_page_unpacks_what_was_packed(visit: Visit, name: str) -> None:
    page = visit(name)
    text = page.evaluate("inflate(document.getElementById('figures').textContent)")
    assert json.loads(text)["devices"]
    assert text == unpacked(html.render(getattr(documents, name)()), "figures")


@pytest.mark.slow
@pytest.mark.parametrize("level", [0, 1, 9])
@pytest.mark.parametrize("strategy", [zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED, zlib.Z_HUFFMAN_ONLY])
@pytest.mark.parametrize("text", TEXTS)
def test_every_kind_of_compressed_block_is_unpacked(visit: Visit, level: int, strategy: int, text: str) -> None:
    packer = zlib.compressobj(level, zlib.DEFLATED, 31, strategy=strategy)
    packed = b64encode(packer.compress(text.encode()) + packer.flush()).decode()
    assert visit("empty").evaluate("(packed) => inflate(packed)", packed) == text


@pytest.mark.parametrize("text", TEXTS)
def test_what_the_faster_packer_writes_is_unpacked(visit: Visit, text: str) -> None:
    page = visit("empty")
    for level in range(isal_zlib.ISAL_BEST_SPEED, isal_zlib.ISAL_BEST_COMPRESSION + 1):
        packed = b64encode(isal_zlib.compress(text.encode(), level, wbits=31)).decode()
        assert page.evaluate("(packed) => inflate(packed)", packed) == text, level


def test_the_page_of_the_sample_logs_is_small(visit: Visit, files: dict[str, str]) -> None:
    assert Path(files["samples"].removeprefix("file://")).stat().st_size < 4_000_000


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_a_fleet_of_a_hundred_thousand_is_opened_and_drawn(
    visit: Visit, files: dict[str, str], tmp_path: Path, width: int, scheme: str
) -> None:
    path = tmp_path / "large.html"
    path.write_text(html.render(large.document()), encoding="utf-8")
    assert path.stat().st_size <= 8_000_000
    files["large"] = path.as_uri()
    page = visit("large", width, scheme)
    until(page, DRAWN)
    draw_all(page)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    assert page.inner_text("#picked") == large.IDS[0]
    assert page.inner_text("#omitted") == "12,000 requests thinned out"
    page.click("#requests summary")
    assert page.locator("#request-rows tr").count() == large.MARKS
    page.locator("summary", has_text="Affected: 3,000 devices").first.click()
    assert page.locator(".chips").first.locator(".chip").count() == 200
    assert page.get_by_text("200 devices of 3,000 are listed").first.is_visible()
    assert page.get_by_text("200 of 6,000 findings are listed").is_visible()
