"""The page: one offline file that needs no network, no server and no other file; and its essence for notebooks."""

from __future__ import annotations

from functools import cache
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from authforensics.redact import redact
from authforensics.report import clients, journal, lifetimes, palette, selection, tokens, wording
from authforensics.report.html import view
from authforensics.report.html.text import embed_lists, finish, pack, prose

if TYPE_CHECKING:
    from authforensics.devices import Journal
    from authforensics.document import Document, Timeline


def render(document: Document) -> str:
    """The document as one self-contained HTML page; the same document gives the same bytes."""
    page = view.Page(document)
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            document=document,
            page=page,
            style=_asset("page.css"),
            inflate=_asset("inflate.js"),
            script=_asset("page.js"),
            plotly=_plotly(),
            figures=pack(embed_lists(view.figures(document)).encode()),
        )
    )


def device(document: Document, found: Journal, timeline: Timeline) -> str:
    """One device as a page by itself: the figure of its `timeline`, and its journal as a table."""
    drawn: dict[str, list[object]] = {
        "systems": [{"system": found.system}],
        "devices": [view.figure(document, timeline)],
    }
    return (
        _environment()
        .get_template("device.html.j2")
        .render(
            document=document,
            found=found,
            facts=list(journal.facts(found)),
            findings={one.id: one for one in found.findings},
            journal=journal,
            style=_asset("page.css"),
            inflate=_asset("inflate.js"),
            script=_asset("page.js"),
            plotly=_plotly(),
            figures=pack(embed_lists(drawn).encode()),
        )
    )


def fragment(document: Document) -> str:
    """Verdict, incidents and first causes only, as a piece of HTML for a notebook's cell."""
    return (
        _environment()
        .get_template("fragment.html.j2")
        .render(document=document, incidents=selection.incidents(document), read_line=wording.read_line(document))
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("authforensics.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finish,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "prose": prose,
        "redact": redact,
        "joined": wording.joined,
        "label": wording.label,
        "phase": wording.phase,
        "moment": wording.moment,
        "precise": wording.precise,
        "duration": wording.duration,
        "number": wording.number,
        "shorten": wording.shorten,
    }
    environment.globals |= {"clients": clients, "lifetimes": lifetimes.rows, "palette": palette, "wording": wording}
    environment.globals["tokens"] = tokens
    return environment


@cache
def _plotly() -> Markup:
    """The code that draws, less than half as long as plotly brings it; its package takes long to import, and is not."""
    script = distribution("plotly").locate_file("plotly/package_data/plotly.min.js")
    return pack(Path(str(script)).read_bytes())


def _asset(name: str) -> Markup:
    """A file of the page, which goes in as it is: it is ours, no log text is in it."""
    return Markup((files(__package__) / "templates" / name).read_text(encoding="utf-8"))  # noqa: S704  a file of this package
