"""The recordings of real software, in both log formats of each: what the truth says happened is what is found."""

from __future__ import annotations

import gzip
from collections import Counter
from datetime import datetime, timedelta

import pytest

from authforensics.document import Document
from authforensics.findings import Severity
from authforensics.pipeline import Analysis, analyze
from recordings import Recording, recordings

RECORDINGS = recordings()
SICK = [recording for recording in RECORDINGS if recording.truth["incidents"]]
HEALTHY = [recording for recording in RECORDINGS if not recording.truth["incidents"]]
MINUTE = timedelta(seconds=60)
#: The truth's names of phases in the words of the document.
PHASES = {"refresh_rejected": "refresh_denied", "refresh_loop": "refresh_ok_api_denied", "recovered": "recovered"}


def each(some: list[Recording]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("recording", some, ids=lambda recording: recording.id)


_DONE: dict[str, Analysis] = {}


def analysis_of(recording: Recording) -> Analysis:
    if recording.id not in _DONE:
        _DONE[recording.id] = analyze(recording.path)
    return _DONE[recording.id]


def document_of(recording: Recording) -> Document:
    return analysis_of(recording).document


def time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def true_devices(recording: Recording) -> tuple[set[str], dict[str, set[str]]]:
    """The affected devices in the identity the log carries, and all identities with the devices behind them."""
    identity = document_of(recording).systems[0].identity.ladder[0].key
    truth = recording.truth["incidents"][0]
    behind: dict[str, set[str]] = {}
    for device in recording.truth["devices"]:
        if identity == "device_id":
            behind.setdefault(device["device_id"], set()).add(device["device_id"])
        else:
            for ip in device["ips"]:
                for agent in device["ua"]:
                    behind.setdefault(f"{ip}|{agent}", set()).add(device["device_id"])
    affected = set(truth["affected_devices"])
    return {name for name, devices in behind.items() if devices & affected}, behind


@each(SICK)
def test_the_incident_is_found_with_its_cause_and_onset(recording):
    truth = recording.truth["incidents"][0]
    (incident,) = document_of(recording).incidents
    assert abs(incident.first_seen - time(truth["first_effect"])) <= MINUTE
    assert incident.root_causes[0].cause in {truth["root_cause"], *truth["also_accept"]}
    assert incident.ongoing is (truth["end"] is None)
    assert incident.severity is Severity.CRITICAL


@each(SICK)
def test_the_last_effect_is_found(recording):
    truth = recording.truth["incidents"][0]
    (incident,) = document_of(recording).incidents
    assert abs(incident.last_seen - time(truth["last_effect"])) <= MINUTE


@each([recording for recording in SICK if recording.truth["incidents"][0]["phases"]])
def test_phases_come_in_order_and_in_time(recording):
    truth = [(PHASES[phase["label"]], time(phase["start"])) for phase in recording.truth["incidents"][0]["phases"]]
    (incident,) = document_of(recording).incidents
    found = [(phase.name, phase.first_seen) for phase in incident.phases if phase.name in PHASES.values()]
    assert [name for name, _ in found] == [name for name, _ in truth]
    for (name, begin), (_, true_begin) in zip(found, truth, strict=True):
        assert abs(begin - true_begin) <= MINUTE, name


@each(SICK)
def test_device_ids_are_the_affected_devices(recording):
    (incident,) = document_of(recording).incidents
    affected, _ = true_devices(recording)
    found = set(incident.device_ids)
    bound = 0.97 if document_of(recording).systems[0].identity.ladder[0].key == "device_id" else 0.90
    assert len(found & affected) / len(found) >= bound, "precision"
    assert len(found & affected) / len(affected) >= bound, "recall"
    assert incident.devices == len(found)


@each(SICK)
def test_writes_lost_are_the_refused_background_posts(recording):
    truth = recording.truth["incidents"][0]
    affected = set(truth["affected_devices"])
    # An ordinary expiry that a refresh heals loses nothing: where the fault is the signature, only that reason counts.
    reason = "location:signature_invalid" if truth["root_cause"] == "signing_key_mismatch" else "location:expired"
    lost = sum(
        device["rejections"].get(reason, 0) for device in recording.truth["devices"] if device["device_id"] in affected
    )
    (incident,) = document_of(recording).incidents
    assert lost > 500
    assert incident.writes_lost == pytest.approx(lost, rel=0.02)


@each(SICK)
def test_denials_have_the_reasons_of_the_truth(recording):
    truth = Counter()
    for key, count in recording.truth["total_rejections"].items():
        kind, reason = key.split(":")
        truth[reason if kind == "refresh" else {"expired": "token_expired"}.get(reason, reason)] += count
    truth["signature_invalid"] += truth.pop("refresh_signature_invalid", 0)
    truth.pop("bad_credentials")
    found = Counter()
    for rate in document_of(recording).rates:
        if rate.reason:
            found[rate.reason] += rate.count
    for reason, count in (+truth).items():
        assert found[reason] == pytest.approx(count, rel=0.02), reason


@pytest.mark.parametrize(
    ("name", "access", "refresh"),
    [("healthy_day", 900, None), ("incident_2_equal_lifetimes", 1200, 1200)],
)
@pytest.mark.parametrize("variant", ["logs", "logs_alt"])
def test_lifetimes_contain_the_true_ones(name, access, refresh, variant):
    recording = next(one for one in RECORDINGS if (one.name, one.variant) == (name, variant))
    lifetimes = document_of(recording).systems[0].lifetimes
    assert lifetimes.access is not None
    assert lifetimes.access.low <= access <= lifetimes.access.high
    assert lifetimes.access.high - lifetimes.access.low <= 60, "so wide an interval would contain anything"
    if refresh is not None:
        assert lifetimes.refresh is not None
        assert lifetimes.refresh.low <= refresh <= lifetimes.refresh.high
        assert lifetimes.refresh.high <= refresh + 60


@each(HEALTHY)
def test_healthy_traffic_is_silent(recording):
    document = document_of(recording)
    assert [incident for incident in document.incidents if incident.severity.rank >= Severity.MEDIUM.rank] == []
    assert [finding for finding in document.findings if finding.severity.rank >= Severity.MEDIUM.rank] == []
    assert document.verdict.severity in {Severity.NONE, Severity.LOW}


@each(RECORDINGS)
def test_every_line_has_one_disposition(recording):
    logs = [source for source in document_of(recording).sources if source.format]
    assert logs
    for source in logs:
        assert source.lines == source.accounted > 0, source.source
        assert not source.broken


def test_tracebacks_are_continuations():
    recording = next(one for one in RECORDINGS if one.name == "healthy_noisy_day")
    source = next(one for one in document_of(recording).sources if one.source.startswith("app.log"))
    assert (source.events, source.continuations, source.rejects) == (824, 115, 0)


@each(SICK)
def test_evidence_quotes_the_lines_it_names(recording):
    document = document_of(recording)
    texts: dict[str, list[str]] = {}
    for finding in document.findings:
        for line in finding.evidence:
            if line.source not in texts:
                data = (recording.path / line.source).read_bytes()
                text = gzip.decompress(data) if line.source.endswith(".gz") else data
                texts[line.source] = text.decode().splitlines()
            assert line.text == texts[line.source][line.line_number - 1]


@each(RECORDINGS)
def test_the_document_loads_back(recording):
    document = document_of(recording)
    assert Document.from_json(document.to_json()) == document


@pytest.mark.parametrize(
    "recording",
    [pytest.param(one, id=one.id, marks=() if one is SICK[0] else pytest.mark.slow) for one in RECORDINGS],
)
def test_the_document_is_the_same_twice(recording):
    document = document_of(recording)
    text = document.to_json()
    again = analyze(recording.path).document.model_copy(update={"run": document.run})
    assert again.to_json() == text


def test_both_variants_of_one_recording_tell_the_same():
    pairs = {}
    for recording in SICK:
        (incident,) = document_of(recording).incidents
        pairs.setdefault(recording.name, []).append((incident.devices, incident.requests_denied, incident.writes_lost))
    for first, second in pairs.values():
        assert first == second
