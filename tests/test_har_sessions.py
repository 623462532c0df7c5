"""A recording of one client gives the diagnosis of that one device, in words that help."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from authforensics.pipeline import analyze
from recorded import entry, har, write

API, APP = "https://api.shop.example/v1", {"Origin": "https://shop.example"}
TOKENS = "https://login.shop.example/oauth/token"
EXPIRED = {"WWW-Authenticate": 'Bearer error="invalid_token", error_description="The access token expired"'}
INVALID = {"WWW-Authenticate": 'Bearer error="invalid_token", error_description="The signature is invalid"'}
DEVICE = "har:2026-03-01T10:00:00.000Z"


def call(at, token, status=200, path="/me", method="GET", **more):
    sends = {"Authorization": f"Bearer {'abcDEF123' * 4}{token:04d}", **APP} if token is not None else APP
    return entry(at, method, API + path, status, sends=sends, **more)


def refresh(at, token, status=200, **more):
    body = {"grant_type": "refresh_token", "refresh_token": f"{'rst987UVW' * 4}{token:04d}"}
    answer = {"access_token": f"{'abcDEF123' * 4}{token + 1:04d}"} if status == 200 else None
    return entry(at, "POST", TOKENS, status, sends=APP, body=body, **({"answer": answer} | more))


def tracker(at, status=401):
    return entry(at, "POST", "https://events.tracker.example/v1/refresh_token", status, sends=APP)


def looping(exported=True):
    """Every refresh is granted and every new token refused, beside a tracker that is granted now and then."""
    entries = [call(0, 0), call(1, 0)]
    for turn in range(8):
        at = 10 + 15 * turn
        entries += [
            call(at, turn if exported else None, 401, gets=INVALID),
            refresh(at + 0.2, turn),
            call(at + 0.5, turn + 1 if exported else None, 401, gets=INVALID),
            call(at + 0.8, turn + 1 if exported else None, 401, "/cart", "POST", gets=INVALID),
            tracker(at + 1, 200),
            tracker(at + 2),
        ]
    return har(entries)


def expired():
    """The refresh token has run out, and the app goes on."""
    answer = {"error": "invalid_grant", "error_description": "Refresh token expired"}
    entries = [call(0, 0), call(60, 0)]
    for turn in range(7):
        entries += [call(900 + 20 * turn, 0, 401, gets=EXPIRED), refresh(900.2 + 20 * turn, 0, 400, answer=answer)]
    return har(entries)


def healthy():
    """A login, then one refresh for each expiry; a refresh that is aborted and repeated; a tracker that refuses all."""
    login = {"grant_type": "password", "username": "u", "password": "correct-horse-9"}
    entries = [
        call(0, None, 401, gets={"WWW-Authenticate": "Bearer"}),
        entry(5, "POST", TOKENS, 200, sends=APP, body=login, answer={"access_token": "abcDEF123" * 4 + "0000"}),
    ]
    for turn in range(4):
        start = 10 + 900 * turn
        entries += [call(start + 90 * n, turn, path=f"/items/{n}") for n in range(9)]
        entries += [tracker(start + 91 * n) for n in range(9)]
        entries += [call(start + 890 + n / 10, turn, 401, path=f"/items/{n}", gets=EXPIRED) for n in range(3)]
        entries += [refresh(start + 890.4, turn, 0, answer="")] if turn == 1 else []
        entries += [refresh(start + 891, turn), call(start + 891.5, turn + 1, path="/items/0")]
    return har(sorted(entries, key=lambda one: one["startedDateTime"]))


@pytest.mark.parametrize("exported", [True, False])
def test_a_refresh_loop(tmp_path, exported):
    document = analyze(write(tmp_path / "phone.har", looping(exported))).document
    (system,) = document.systems
    assert (system.system, system.identity.devices) == (f"{tmp_path.name} (HAR)", 1)
    (incident,) = document.incidents
    assert "refresh_loop" in incident.detectors
    assert (incident.device_ids, incident.severity, incident.ongoing) == ((DEVICE,), "low", True)
    assert incident.root_causes[0].cause == "signing_key_mismatch"
    assert incident.writes_lost == 8
    assert "1 of 1 device refused" in document.verdict.headline


def test_an_expired_refresh_token(tmp_path):
    document = analyze(write(tmp_path / "phone.har", expired(), indent=None)).document
    found = {finding.detector: finding for finding in document.findings}
    assert {"refresh_retry_loop", "zombie_client"} & set(found)
    assert {finding.device_id for finding in document.findings} == {DEVICE}
    assert {finding.severity for finding in document.findings} == {"low"}
    (incident,) = document.incidents
    assert (incident.device_ids, incident.severity) == ((DEVICE,), "low")
    assert incident.root_causes[0].cause == "client_ignores_denial"
    assert any(rate.reason == "refresh_expired" for rate in document.rates)
    assert "1 of 1 device refused" in document.verdict.headline


def test_a_healthy_session_is_silent(tmp_path):
    document = analyze(write(tmp_path / "phone.har", healthy())).document
    assert (document.verdict.severity, document.findings, document.incidents) == ("none", (), ())
    assert document.sources[0].rejects == 0


def test_the_evidence_shows_that_the_refused_token_is_the_new_one(tmp_path):
    document = analyze(write(tmp_path / "phone.har", looping())).document
    loop = next(finding for finding in document.findings if finding.detector == "refresh_loop")
    texts = [(piece.auth_event, json.loads(piece.text)) for piece in loop.evidence]
    given, sent = next(
        (first["given"], second["sent"])
        for (event, first), (after, second) in pairwise(texts)
        if (event, after) == ("refresh_ok", "api_denied")
    )
    assert sent == f"Bearer {given}"


def test_a_recording_beside_the_log_of_the_server_is_a_system_of_its_own(tmp_path):
    write(tmp_path / "phone.har", looping())
    line = '203.0.113.9 - - [01/Mar/2026:10:02:{:02d} +0000] "GET /v1/me HTTP/1.1" 200 12 "-" "app/1"\n'
    (tmp_path / "access.log").write_text("".join(line.format(n % 60) for n in range(400)))
    document = analyze(tmp_path).document
    assert [(system.system, system.identity.devices) for system in document.systems] == [
        (tmp_path.name, 1),
        (f"{tmp_path.name} (HAR)", 1),
    ]
    assert {finding.device_id for finding in document.findings} == {DEVICE}


def test_two_recordings_are_two_devices(tmp_path):
    write(tmp_path / "a.har", looping())
    later = json.loads(json.dumps(healthy()).replace("2026-03-01T1", "2026-03-02T1"))
    write(tmp_path / "b.har", later)
    document = analyze(tmp_path).document
    assert document.systems[0].identity.devices == 2
    assert {finding.device_id for finding in document.findings} == {DEVICE}
