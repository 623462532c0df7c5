"""Warnings: what must be known before the result is trusted."""

from __future__ import annotations

from authforensics.cli.remarks import remarks
from authforensics.document import Join, Offset, Source


def _with(document, **update):
    return document.model_copy(update=update)


def _source(**fields) -> Source:
    return Source(**{"system": "shop", "source": "app.log", "format": "combined", **fields})


def test_a_clean_input_needs_no_warning(document):
    assert list(remarks(_with(document, sources=(_source(lines=5, events=5, timezone="+09:00"),)))) == []


def test_an_assumed_zone_is_said_once_for_all_files(document):
    sources = tuple(_source(source=f"{n}.log", timezone="UTC (assumed)") for n in range(5))
    assert list(remarks(_with(document, sources=sources))) == [
        "0.log, 1.log, 2.log and 2 more: times carry no zone, taken for UTC; --tz ZONE says otherwise"
    ]


def test_a_layout_that_fits_nothing_is_said(document):
    sources = (_source(lines=5, events=5, timezone="+09:00"),)
    fitting = _source(source="access.log", format="log_format", timezone="+09:00")
    assert list(remarks(_with(document, sources=sources), "$msec $status")) == [
        "--log-format: no file has lines that fit it; authforensics explain --line shows where one stops to fit"
    ]
    assert list(remarks(_with(document, sources=(*sources, fitting)), "$msec $status")) == []


def test_a_file_that_breaks_off_is_named(document):
    sources = (_source(broken=True, rejects=1, lines=813, note="gzip stream ends after line 812"),)
    assert list(remarks(_with(document, sources=sources))) == [
        "app.log: not read whole: gzip stream ends after line 812"
    ]


def test_what_is_no_log_needs_no_warning(document):
    assert list(remarks(_with(document, sources=(_source(format=None, note="looks like a document"),)))) == []


def test_a_poor_join_is_said(document):
    poor = document.systems[0].model_copy(update={"join": Join(messages=9, denials=40, explained=5, how={})})
    assert list(remarks(_with(document, systems=(poor,), sources=()))) == [
        "shop: the application log explains 5 of 40 denials; a request id in both logs would join the rest"
    ]


def test_an_id_is_not_said_to_join_messages_that_may_name_no_reason(document):
    silent = document.systems[0].model_copy(update={"join": Join(messages=3, denials=20, explained=0, how={})})
    assert list(remarks(_with(document, systems=(silent,), sources=()))) == [
        (
            "shop: the application log explains none of 20 denials: "
            "it names no reason, or lacks what ties it to requests, as a request id in both logs does"
        )
    ]


def test_clocks_that_are_apart_are_said_where_it_matters(document):
    little = Offset(source="b.log", against="a.log", seconds=0.2, spread=0.1, pairs=40, how="request_id")
    much = little.model_copy(update={"source": "c.log", "note": "the times of c.log are 9 h ahead"})
    system = document.systems[0].model_copy(update={"offsets": (little, much)})
    assert list(remarks(_with(document, systems=(system,), sources=()))) == ["shop: the times of c.log are 9 h ahead"]
