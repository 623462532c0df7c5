"""Servers whose protocol begins with a 401, and those that refuse tokens with 403."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import authforensics

BEGIN = datetime(2026, 3, 1, 10, tzinfo=UTC)
NODES = range(8)


def line(node: int, at: float, request: str, status: int) -> str:
    when = BEGIN + timedelta(seconds=at)
    agent = f"containerd/1.7.{node}"
    return f'10.1.0.{node} - - [{when:%d/%b/%Y:%H:%M:%S} +0000] "{request} HTTP/1.1" {status} 90 "-" "{agent}"'


def said(at: float, message: str, path: str) -> str:
    when = BEGIN + timedelta(seconds=at)
    return json.dumps({"time": f"{when:%Y-%m-%dT%H:%M:%S.%fZ}", "level": "error", "message": message, "path": path})


def written(folder: Path, access: list[tuple[float, str]], app: list[tuple[float, str]]) -> Path:
    (folder / "access.log").write_text("".join(f"{text}\n" for _, text in sorted(access)))
    if app:
        (folder / "app.log").write_text("".join(f"{text}\n" for _, text in sorted(app)))
    return folder


def pulls(last_good: int, minutes: int) -> tuple[list[tuple[float, str]], list[tuple[float, str]]]:
    """A registry whose nodes pull once a minute; after some minutes it takes no token any more, and says why."""
    access, app = [], []
    for minute in range(minutes):
        for node in NODES:
            at = 60 * minute + 5 * node
            path = f"/v2/shop/web{node}/manifests/main"
            access += [(at, line(node, at, f"HEAD {path}", 401))]
            access += [(at + 1, line(node, at + 1, "GET /token?service=registry.shop&scope=x", 200))]
            good = minute < last_good
            access += [(at + 2, line(node, at + 2, f"HEAD {path}", 200 if good else 401))]
            if not good:
                app.append((at + 2.5, said(at + 2.5, "error authorizing context: signature verification failed", path)))
    return access, app


def test_a_registry_that_refuses_its_tokens_is_no_protocol(tmp_path):
    analysis = authforensics.analyze(written(tmp_path, *pulls(10, 20)))
    (incident,) = analysis.incidents
    assert incident.devices == len(NODES)
    assert incident.first_seen >= BEGIN + timedelta(minutes=10)
    assert incident.root_causes[0].cause != "undetermined"
    assert analysis.findings.filter(analysis.findings["detector"] == "signature_failure_burst").height


def test_its_ordinary_challenges_are_no_refusals_and_no_all_clear(tmp_path):
    access, _ = pulls(20, 20)
    verdict = authforensics.analyze(written(tmp_path, access, [])).document.verdict
    assert verdict.severity == "none"
    count = sum(" 401 " in text for _, text in access)
    assert "no call is known to be refused for its token" in verdict.headline
    assert f"{count:,} calls answered 401 as container registries and git ask for credentials" in verdict.headline


def test_tokens_refused_with_403_are_found_where_messages_say_so(tmp_path):
    access, app = [], []
    for minute in range(30):
        for node in NODES:
            at, path = 60 * minute + 5 * node, f"/hub/api/users/u{node}"
            good = minute < 15
            access.append((at, line(node, at, f"GET {path}", 200 if good else 403)))
            if not good:
                app.append((at + 0.2, said(at + 0.2, "Token has expired", path)))
    found = authforensics.analyze(written(tmp_path, access, app))
    assert [one.devices for one in found.incidents] == [len(NODES)]
    alone = tmp_path / "alone"
    alone.mkdir()
    verdict = authforensics.analyze(written(alone, access, [])).document.verdict
    assert (verdict.severity, verdict.headline[:34]) == ("unknown", "No call of the API is answered 401")
