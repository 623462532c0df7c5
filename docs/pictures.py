"""Makes the pictures of the README from the first sample: `python docs/pictures.py`.

Needs Chromium, playwright and pngquant; run it from the root of the clone when the look of the report has changed.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from authforensics.pipeline import analyze

if TYPE_CHECKING:
    from playwright.sync_api import Page

HERE = Path(__file__).parent
SAMPLE = HERE.parent / "sample_logs" / "incident-1-secret-mismatch"
#: A device that loops, by the start of its name.
DEVICE = "198.19.95.241|"
WIDTH, SCALE, MARGIN = 1120, 1.6, 8
DRAWN = "document.querySelectorAll('#device-plot .scatterlayer .point').length > 0"


def _box(page: Page, selector: str) -> dict[str, float]:
    return page.locator(selector).first.bounding_box() or {}


def _save(page: Page, name: str, clip: dict[str, float]) -> None:
    path = HERE / name
    page.screenshot(path=path, clip=clip, full_page=True)
    subprocess.run(["pngquant", "--force", "--strip", "--quality", "70-95", "--output", path, path], check=True)  # noqa: S603, S607 - our own picture


def _shoot(page: Page) -> None:
    while not page.evaluate(DRAWN):
        page.wait_for_timeout(50)
    scope = _box(page, "p.scope")
    _save(page, "report.png", {"x": 0, "y": 0, "width": WIDTH, "height": scope["y"] + scope["height"] + MARGIN})
    option = page.locator(f"#device option[title^='{DEVICE}']")
    page.select_option("#device", option.get_attribute("value"))
    page.wait_for_timeout(1000)
    figure = _box(page, "#timeline figure")
    _save(
        page,
        "timeline.png",
        {
            "x": figure["x"] - MARGIN,
            "y": figure["y"] - MARGIN,
            "width": figure["width"] + 2 * MARGIN,
            "height": figure["height"] + 2 * MARGIN,
        },
    )


def main() -> None:
    """Analyse the sample, show the report, take two pictures."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        report = Path(folder, "report.html")
        report.write_text(analyze(SAMPLE).to_html(), encoding="utf-8")
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = chromium.new_page(
            viewport={"width": WIDTH, "height": 2800}, device_scale_factor=SCALE, color_scheme="light"
        )
        page.goto(report.as_uri())
        _shoot(page)
        chromium.close()


if __name__ == "__main__":
    main()
