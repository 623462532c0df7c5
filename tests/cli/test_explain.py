"""`explain`: it knows every name of a report, prints all its parts on 80 columns, and offers the nearest."""

from __future__ import annotations

import json
import typing

import pytest
from jsonschema import Draft202012Validator

from authforensics import detect, diagnose
from authforensics.cli.entries import KINDS, entries
from authforensics.cli.explained import drawn
from authforensics.cli.terminal import print_rich
from authforensics.findings import Confidence, Phase, Severity
from authforensics.schema import EndpointClass, Reason
from authforensics.states import STATES, AuthEvent, transitions

ENTRIES = entries()
PHASES = typing.get_args(Phase.model_fields["name"].annotation)
SHOWN = {
    "detector": list(detect.detectors()),
    "cause": list(diagnose.known_causes()),
    "state": list(STATES),
    "auth event": list(AuthEvent),
    "reason": list(Reason),
    "endpoint": list(EndpointClass),
    "phase": list(PHASES),
    "severity": list(Severity),
    "confidence": list(Confidence),
}
COMMON = {"What to check", "How to fix", "References", "Example"}
HEADINGS = {
    "detector": COMMON | {"What it sees", "Why it matters", "False positives", "At the log's edges", "Thresholds"},
    "cause": COMMON | {"What decides", "Look-alikes"},
    "state": COMMON | {"Look-alikes", "What ends it"},
}


@pytest.fixture(autouse=True)
def narrow(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("kind", SHOWN)
def test_every_name_that_a_report_shows_can_be_explained(kind):
    assert sorted(one.name for one in ENTRIES if one.kind == kind) == sorted(SHOWN[kind])


@pytest.mark.parametrize("kind", HEADINGS)
def test_every_entry_has_all_its_parts(kind):
    for one in ENTRIES:
        if one.kind == kind:
            assert HEADINGS[kind] <= {part.heading for part in one.parts}, one.name


def test_without_a_name_all_are_listed_in_groups(run):
    code, out, err = run("explain")
    assert (code, err) == (0, "")
    assert [line for line in out.splitlines() if line and not line.startswith(" ")] == [*KINDS.values(), "More"]
    told = {line.split()[0] for line in out.splitlines() if line.startswith("  ")}
    assert {one.name for one in ENTRIES} | {"thresholds", "document"} <= told


def test_all_fits_on_eighty_columns_and_is_plain_when_piped(run, capsysbinary):
    out = run("explain", "thresholds").out
    print_rich(drawn(ENTRIES), "auto")
    lines = [*out.splitlines(), *capsysbinary.readouterr().out.decode().splitlines()]
    assert "\x1b" not in "".join(lines)
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line != line.rstrip()] == []


def test_a_detector_shows_its_thresholds_and_how_to_change_them(run):
    out = " ".join(run("explain", "refresh_loop").out.split())
    for one in detect.detectors()["refresh_loop"].thresholds:
        assert f"{one.name} {one.value:g} {one.unit}" in out
    assert "[thresholds.refresh_loop] min_cycles = 2" in out


def test_every_threshold_is_listed_with_its_source(run):
    out = " ".join(run("explain", "thresholds").out.split())
    for name, detector in detect.detectors().items():
        assert f"{name} {detector.title}" in out
        for one in detector.thresholds:
            assert f"{one.name} {one.value:g} " in out


def _rows(kind, heading):
    return {
        one.name: {row for part in one.parts if part.heading == heading for row in part.rows}
        for one in ENTRIES
        if one.kind == kind
    }


def test_a_cause_shows_its_weights(run):
    told = _rows("cause", "Evidence and what it weighs")
    for name, cause in diagnose.known_causes().items():
        assert {(key, mark.strip("()*"), why) for key, mark, why in told[name]} == {
            (key, f"{one.value:+g}", one.why) for key, one in cause.weights.items()
        }
        assert {key for key, mark, _ in told[name] if "*" in mark} == {
            k for k, one in cause.weights.items() if one.decides
        }
    assert "signature_invalid" in run("explain", "signing_key_mismatch").out


def test_a_state_shows_its_row_of_the_table():
    told = _rows("state", "What ends it")
    for state, event, after in transitions():
        ways = [events.split(", ") for events, to in told[state] if to == f"-> {after}"]
        assert (state is after and not ways) or event in ways[0], (state, event)


def test_a_name_may_mean_several_things_and_be_written_as_the_report_does(run):
    out = run("explain", "Refresh denied").out
    assert [line for line in out.splitlines() if line.startswith("refresh_denied  ")] == [
        "refresh_denied  state",
        "refresh_denied  auth event",
        "refresh_denied  phase",
    ]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("refresh_lop", "did you mean 'refresh_loop'?"),
        ("documnet", "did you mean 'document'?"),
        ("treshold", "did you mean 'thresholds'?"),
        ("xyzzy-42", "'authforensics explain' lists all"),
    ],
)
def test_an_unknown_name_gives_the_nearest(run, name, hint):
    code, out, err = run("explain", name)
    assert (code, out) == (2, "")
    assert err == f"authforensics: error: unknown name '{name}'; {hint}\n"


def test_color_is_for_terminals_or_on_demand(run):
    assert "\x1b[" in run("explain", "refresh_loop", "--color", "always").out


def test_document_prints_its_schema(run):
    code, out, err = run("explain", "document")
    assert (code, err) == (0, "")
    Draft202012Validator.check_schema(json.loads(out))
