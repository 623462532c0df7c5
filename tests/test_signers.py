"""Who signed the tokens in the logs: issuer and verifier with different keys, proven, wherever in a line a token stands."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

import authforensics
from tokens.made import signed

START = datetime(2025, 12, 25, 4, tzinfo=UTC)
KEY = "k7Vd0PzqR2nXwYb5MfTg9LhJ4cSaUe1E"
DEVICES = 12


def _token(at, device, key):
    issued = int(at.timestamp())
    return signed({"sub": f"u{device}", "iat": issued, "exp": issued + 900, "jti": f"{device}-{issued}"}, key)


def _line(at, device, path, status, method="GET", **more):
    told = {"time": at.isoformat(), "method": method, "path": path, "status": status, "device_id": f"dev-{device:02}"}
    return {**told, "remote_addr": f"192.0.2.{device}", **more}


def _write(folder, where, key, *, refused=True):
    """Logins and refreshes that succeed; from half past four on each new token is refused, unless all is well."""
    access, app = [], []
    for device in range(DEVICES):
        steps = [(0, "/login"), *((30 * 60 + 60 * turn, "/api/refresh_token") for turn in range(6))]
        for seconds, path in steps:
            at = START + timedelta(seconds=seconds + 2 * device)
            token = _token(at, device, key)
            access.append(_line(at, device, path, 200, "POST"))
            later = at + timedelta(seconds=1)
            request = f"r{device}-{seconds}"
            shown = {"query": {}, "header": {"http_authorization": f"Bearer {token}"}, "message": {}}[where]
            call = f"/api/items?access_token={token}" if where == "query" else "/api/items"
            denied = refused and seconds > 0
            access.append(_line(later, device, call, 401 if denied else 200, request_id=request, **shown))
            if denied:
                quoted = f" {token}" if where == "message" else ""
                text = f"request_id={request} Signature verification failed{quoted}"
                app.append(f"{later:%Y-%m-%d %H:%M:%S},500 - app.auth - ERROR - {text}")
    folder.mkdir(exist_ok=True)
    lines = sorted(access, key=lambda one: one["time"])
    (folder / "access.json.log").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "app.log").write_text("".join(f"{line}\n" for line in sorted(app)) or "")
    return folder


@pytest.fixture
def env(tmp_path):
    file = tmp_path / ".env"
    file.write_text(f"DB_DSN=sqlite:app.sqlite\nSECRET_KEY={KEY}\n")
    return file


SELDOM = [pytest.param(where, marks=pytest.mark.slow) for where in ("query", "message")]


@pytest.mark.parametrize("where", ["header", *SELDOM])
def test_the_cause_is_proven_by_who_signed(where, env, tmp_path):
    logs = _write(tmp_path / "logs", where, KEY)
    analysis = authforensics.analyze(logs, env_file=env)
    (incident,) = analysis.incidents
    first, *others = incident.root_causes
    assert (first.cause, first.confidence) == ("signing_key_mismatch", "high")
    assert (incident.first_seen, incident.requests_denied) == (START + timedelta(seconds=1801), 6 * DEVICES)
    (proof,) = [one for one in first.for_ if one.startswith("proven: ")]
    assert "signed by env:SECRET_KEY, and the verifier uses another key" in proof
    assert "ACCESS_SECRET and REFRESH_SECRET are not set in the environment" in proof
    assert "default_secret" in [one.cause for one in others]
    (signer,) = analysis.document.tokens.signed_by
    assert (signer.candidate, signer.kind) == ("env:SECRET_KEY", "configured")
    assert analysis.document.tokens.unknown == 0
    assert {leak.where for leak in analysis.document.tokens.leaks} == {where}
    assert {"refresh_secret_missing"} <= {one.code for one in analysis.document.tokens.environment}
    text = analysis.to_json() + analysis.to_html() + analysis.to_markdown()
    assert KEY not in text
    without = authforensics.analyze(logs).incidents[0].root_causes[0]
    assert not [one for one in without.for_ if "proven" in one]


@pytest.mark.parametrize("where", SELDOM)
def test_a_published_default_is_found_without_an_environment(where, tmp_path):
    logs = _write(tmp_path / "logs", where, "ACCESS_SECRET")
    document = authforensics.analyze(logs).document
    first = document.incidents[0].root_causes[0]
    assert (first.cause, first.confidence) == ("default_secret", "high")
    assert any("signed by the literal ACCESS_SECRET" in one for one in first.for_)
    (finding,) = [one for one in document.findings if one.detector == "token_exposed"]
    assert finding.severity == "medium"
    assert finding.id in document.incidents[0].findings
    assert document.incidents[0].severity == document.verdict.severity == "critical"


def test_a_published_default_is_critical_though_nothing_fails(tmp_path):
    logs = _write(tmp_path / "logs", "header", "ACCESS_SECRET", refused=False)
    document = authforensics.analyze(logs).document
    (incident,) = document.incidents
    assert (incident.severity, incident.devices, incident.requests_denied) == ("critical", DEVICES, 0)
    assert incident.root_causes[0].cause == "default_secret"
    assert document.verdict.severity == "critical"
    assert "everybody knows" in document.verdict.headline


def test_tokens_of_a_key_that_nobody_named_are_exposed_and_no_more(tmp_path):
    logs = _write(tmp_path / "logs", "header", "Zk3!" * 12, refused=False)
    document = authforensics.analyze(logs).document
    (finding,) = document.findings
    assert (finding.detector, finding.severity, finding.device_id, finding.devices) == (
        "token_exposed",
        "medium",
        None,
        0,
    )
    assert finding.evidence[0].text.count("[redacted token, 2 dots]") == 1
    assert not document.incidents
    assert (document.tokens.signed_by, document.tokens.unknown) == ((), document.tokens.tried)


def test_a_default_that_only_strangers_try_and_that_is_refused_is_no_cause(tmp_path):
    """Whoever knows a published secret signs tokens with it, of real users, too: that proves nothing of the issuer."""
    logs = _write(tmp_path / "logs", "header", KEY, refused=False)
    lines = []
    for number in range(60):
        at = START + timedelta(minutes=20, seconds=11 * number)
        token = _token(at, number, "ACCESS_SECRET")
        call = {"http_authorization": f"Bearer {token}", "device_id": f"stranger-{number % 20}"}
        path, status = ("/about", 200) if number % 3 == 0 else ("/api/items", 401)
        lines.append({**_line(at, 200, path, status), **call})
    (logs / "tried.json.log").write_text("".join(json.dumps(line) + "\n" for line in lines))
    document = authforensics.analyze(logs).document
    assert [one.candidate for one in document.tokens.signed_by] == ["the literal ACCESS_SECRET"]
    causes = [cause.cause for one in document.incidents for cause in one.root_causes]
    assert "default_secret" not in causes
    assert not [one for one in document.findings if one.severity in {"high", "critical"}]
