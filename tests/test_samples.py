"""The sample logs: what their stories say must be found is found, by itself and beside the others."""

from __future__ import annotations

import tomllib
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from authforensics.pipeline import Analysis, analyze

SAMPLES = Path(__file__).parent.parent / "sample_logs"
NAMES = sorted(path.name for path in SAMPLES.iterdir() if path.is_dir())
#: How far the onset may lie from the first refused request of the record.
TOLERANCE = timedelta(seconds=60)


@cache
def _alone(name: str) -> Analysis:
    return analyze(SAMPLES / name)


def _expected(name: str) -> dict[str, Any]:
    return tomllib.loads((SAMPLES / name / "expected.toml").read_text(encoding="utf-8"))


def _check(incidents, findings, expected) -> None:
    assert len(incidents) == expected["incidents"]
    assert set(expected["detectors"]) <= {finding.detector for finding in findings}
    if not expected["incidents"]:
        assert findings == []
        return
    (incident,) = incidents
    first = incident.root_causes[0]
    assert (first.cause, first.confidence) == (expected["first_cause"], expected["confidence"])
    assert abs(incident.first_seen - expected["onset"]) <= TOLERANCE
    assert incident.ongoing is expected["ongoing"]
    phases = iter(phase.name for phase in incident.phases)
    assert all(name in phases for name in expected["phases"]), "missing, or in another order"


@pytest.fixture(scope="module")
def together():
    """All samples in one run, as `make demo` reads them."""
    return analyze(SAMPLES).document


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_alone(name):
    document = _alone(name).document
    expected = _expected(name)
    _check(document.incidents, list(document.findings), expected)
    assert document.verdict.severity == expected["severity"]


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_beside_the_others(together, name):
    sources = {source.system for source in together.sources if name in f"{source.system}/{source.source}"}
    incidents = [incident for incident in together.incidents if incident.system in sources]
    findings = [finding for finding in together.findings if finding.system in sources]
    _check(incidents, findings, _expected(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_line_is_accounted_for(name):
    document = _alone(name).document
    logs = [source for source in document.sources if source.format]
    assert logs
    for source in logs:
        assert source.lines == source.accounted
        assert (source.rejects, source.broken) == (0, False)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_log_is_left_alone_and_no_secret_leaves(name):
    analysis = _alone(name)
    by_name = {Path(source.source).name: source for source in analysis.document.sources}
    for other in {"README.md", "expected.toml", ".env"} & set(by_name):
        assert (by_name[other].format, by_name[other].lines) == (None, 0)
    secret = "k7Vd0PzqR2nXwYb5MfTg9LhJ4cSaUe1E"
    assert secret not in analysis.to_json() + analysis.to_markdown()
