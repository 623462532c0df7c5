"""The figures show what the document says, in the agreed colours, and log text in them stays text."""

from __future__ import annotations

import json
from datetime import timedelta

import documents
import plotly.graph_objects as go
import pytest

from authforensics.document import Document
from authforensics.findings import Deploy
from authforensics.report import figures, palette, specs
from authforensics.schema import Reason
from authforensics.states import AuthEvent, AuthState


def traces(figure: object) -> list[dict]:
    return figure.to_plotly_json()["data"]


def named(figure: object, name: str) -> dict:
    return next(trace for trace in traces(figure) if trace.get("name") == name)


@pytest.mark.parametrize("name", ["incident", "healthy", "empty", "several", "hostile", "bare"])
def test_plotly_takes_every_figure_of_the_page_as_it_is(name: str) -> None:
    document = getattr(documents, name)()
    drawn = [(figures.fleet(document, one.system), specs.fleet(document, one.system)) for one in document.systems]
    drawn += [(figures.denials(document, one.system), specs.denials(document, one.system)) for one in document.systems]
    drawn += [
        (figures.device_timeline(document, one), specs.device_timeline(document, one)) for one in document.timelines
    ]
    for figure, spec in drawn:
        checked = json.loads(figure.to_json())
        del checked["layout"]["template"]
        assert checked == json.loads(json.dumps(spec))


def test_plotly_refuses_a_property_that_it_does_not_know() -> None:
    document = documents.incident()
    spec = specs.fleet(document, documents.SYSTEM)
    spec["data"][0]["colour"] = "red"
    with pytest.raises(ValueError, match="colour"):
        go.Figure(spec)


def test_every_state_event_and_reason_has_a_colour() -> None:
    assert set(palette.STATE) == set(AuthState)
    assert set(palette.MARK) == set(AuthEvent)
    assert set(palette.REASON) == {*Reason, None}


def test_fleet_stacks_the_ill_at_the_base_line_and_counts_every_device() -> None:
    document = documents.incident()
    areas = [trace for trace in traces(figures.fleet(document, documents.SYSTEM)) if trace["type"] == "scatter"]
    names = [area["name"] for area in areas]
    assert names.index("rejected") < names.index("authenticated")
    assert [sum(column) for column in zip(*(area["y"] for area in areas), strict=True)] == [
        sum(row.states.values()) for row in document.populations
    ]
    assert {area["fillcolor"] for area in areas} <= set(palette.STATE.values())


def test_fleet_marks_the_onset_and_the_phases() -> None:
    figure = figures.fleet(documents.incident(), documents.SYSTEM).to_plotly_json()
    strip = next(trace for trace in figure["data"] if trace["type"] == "bar")
    assert list(strip["text"]) == ["refresh denied", "refresh OK, API denied", "recovering", "recovered"]
    assert strip["marker"]["color"][1] == palette.PHASE["refresh_ok_api_denied"]
    assert [note["text"] for note in figure["layout"]["annotations"]] == ["onset 09:03:00"]


def test_deploys_in_view_are_lines_with_their_names_as_text() -> None:
    moments = (documents.HALF, documents.HALF + timedelta(seconds=1), documents.END + timedelta(days=1))
    deploys = tuple(Deploy(time=at, name=name) for at, name in zip(moments, ("v41", "<b>v42</b>", "v43"), strict=True))
    document = documents.incident().model_copy(update={"deploys": deploys})
    for spec in (
        specs.fleet(document, documents.SYSTEM),
        specs.denials(document, documents.SYSTEM),
        specs.device_timeline(document, document.timelines[0]),
    ):
        named = [note["text"] for note in spec["layout"]["annotations"] if "hovertext" in note]
        assert named == ["v41", "&lt;b&gt;v42&lt;/b&gt;"]
        assert [line["x0"] for line in spec["layout"]["shapes"] if line.get("line", {}).get("dash") == "dash"] == [
            "2025-12-25 09:30:00",
            "2025-12-25 09:30:01",
        ]
        go.Figure(data=spec["data"], layout=spec["layout"])


def test_of_very_many_deploys_those_near_an_onset_are_named() -> None:
    start = documents.START
    deploys = tuple(Deploy(time=start + timedelta(minutes=n), name=f"v{n}") for n in range(400))
    document = documents.incident().model_copy(update={"deploys": deploys})
    notes = specs.fleet(document, documents.SYSTEM)["layout"]["annotations"]
    named = [note["text"] for note in notes if "hovertext" in note]
    assert "v183" in named
    assert len(named) == 12


def test_fleet_of_a_healthy_system_has_no_marks() -> None:
    figure = figures.fleet(documents.healthy(), documents.SYSTEM).to_plotly_json()
    assert not figure["layout"].get("annotations")
    assert all(trace["type"] == "scatter" for trace in figure["data"])


def test_denials_keep_every_count_however_they_are_binned() -> None:
    document = documents.incident()
    wanted = {"api_denied", "refresh_denied", "login_denied"}
    total = sum(rate.count for rate in document.rates if rate.auth_event in wanted)
    bars = traces(figures.denials(document, documents.SYSTEM))
    assert sum(sum(bar["y"]) for bar in bars) == total
    assert max(len(bar["x"]) for bar in bars) < 200
    assert {"API: signature invalid", "refresh: signature invalid", "API: no reason logged"} <= {
        bar["name"] for bar in bars
    }


def test_only_the_system_asked_for_is_drawn() -> None:
    document = documents.several()
    assert not [t for t in traces(figures.denials(document, "billing")) if "signature" in t["name"]]


def test_device_timeline_has_a_band_per_stretch_and_a_symbol_per_request() -> None:
    document = documents.incident()
    timeline = document.timelines[0]
    drawn = traces(figures.device_timeline(document, timeline))
    bands = [trace for trace in drawn if trace["type"] == "bar"]
    marks = [trace for trace in drawn if trace["type"] == "scatter"]
    assert sum(len(trace["base"]) for trace in bands) == len(timeline.bands)
    assert sum(len(trace["x"]) for trace in marks) == len(timeline.marks)
    assert {trace["name"]: trace["marker"]["color"] for trace in bands}["rejected"] == palette.STATE["rejected"]
    symbols = {trace["name"]: trace["marker"]["symbol"] for trace in marks}
    assert symbols["refresh OK"] == "circle"
    assert symbols["API denied"] == "x"


def test_a_timeline_is_tinted_once_a_state_over_every_stretch() -> None:
    document = documents.incident()
    timeline = document.timelines[0]
    layout = figures.device_timeline(document, timeline).to_plotly_json()["layout"]
    tints = [shape for shape in layout["shapes"] if shape["type"] == "path"]
    assert [tint["fillcolor"] for tint in tints] == [
        palette.STATE[state] for state in dict.fromkeys(band.state for band in timeline.bands)
    ]
    assert sum(tint["path"].count("Z") for tint in tints) == len(timeline.bands)
    first = timeline.bands[0].first_seen
    assert tints[0]["path"].startswith(f"M{first:%Y-%m-%d_%H:%M:%S},-0.6H")


def test_hover_tells_event_reason_status_route_place_and_line() -> None:
    document = documents.incident()
    trace = named(figures.device_timeline(document, document.timelines[0]), "API denied")
    mark = next(
        one
        for one in document.timelines[0].marks
        if one.reason == "signature_invalid" and one.auth_event == "api_denied"
    )
    shown = next(list(texts) for texts in trace["customdata"] if texts[0].endswith("signature invalid"))
    assert shown[:3] == [": signature invalid", "POST /api/locations → 401", f"access.log:{mark.line_number}"]
    assert shown[3].replace("<br>", "") == mark.text
    assert max(map(len, shown[3].split("<br>"))) <= 84
    for part in ("%{fullData.name}", "%{x|%Y-%m-%d %H:%M:%S", "customdata[0]", "customdata[3]"):
        assert part in trace["hovertemplate"]


@pytest.mark.parametrize("figure", ["fleet", "denials", "device_timeline"])
def test_log_text_stays_text(figure: str) -> None:
    document = documents.hostile()
    wanted = document.timelines[0] if figure == "device_timeline" else documents.SYSTEM
    text = json.dumps(getattr(figures, figure)(document, wanted).to_plotly_json(), ensure_ascii=False)
    for attack in ("<script", "<img", "</script", "\x1b", "\\u001b", "\u202e", "\u2028"):
        assert attack not in text
    assert all("%{x}" not in trace.get("hovertemplate", "") for trace in json.loads(text)["data"])


def test_tokens_do_not_leave_in_a_hover() -> None:
    document = documents.incident()
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
    timeline = document.timelines[0]
    leaky = timeline.model_copy(
        update={"marks": (timeline.marks[0].model_copy(update={"text": f"GET /?access_token={token}"}),)}
    )
    assert token not in figures.device_timeline(document, leaky).to_json()


def test_figures_bring_no_background_and_no_text_colour_of_their_own() -> None:
    document = documents.incident()
    for figure in (figures.fleet(document, documents.SYSTEM), figures.device_timeline(document, document.timelines[0])):
        layout = figure.to_plotly_json()["layout"]
        assert layout["paper_bgcolor"] == layout["plot_bgcolor"] == "rgba(0,0,0,0)"
        assert "color" not in layout["font"]


def test_an_empty_timeline_and_an_unknown_system_are_drawn_empty() -> None:
    document: Document = documents.incident()
    timeline = document.timelines[0].model_copy(update={"bands": (), "marks": ()})
    assert traces(figures.device_timeline(document, timeline)) == []
    assert traces(figures.fleet(document, "no such system")) == []
