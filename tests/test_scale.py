"""A large log: the devices planted in a loop are found, all others are not, and every line is accounted for."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from authforensics.findings import Severity
from authforensics.pipeline import analyze

pytestmark = pytest.mark.slow

DEVICES = 5000
LINES = 400_000
#: One device in 33 is in a loop from the middle of the log on.
PLANTED = 33
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


def write(path: Path, seed: int) -> set[str]:
    """A day of traffic with ordinary expiry; returns the identities of the planted devices that have looped."""
    dice = random.Random(seed)
    agents = [
        f"Ferry/2.{minor}.1 (com.example.ferry; build:{minor}; iOS 17.{minor}) Alamofire/5.9.1" for minor in range(6)
    ]
    looped: dict[int, int] = {}
    due = dict.fromkeys(range(DEVICES), 0)
    with path.open("w") as log:
        for number in range(LINES):
            at = BEGIN + timedelta(seconds=86400 * number / LINES)
            device = dice.randrange(DEVICES)
            address, agent = f"10.0.{device >> 8}.{device & 255}", agents[device % len(agents)]

            def say(
                method: str,
                target: str,
                status: int,
                later: float = 0.0,
                at: datetime = at,
                who: str = address,
                agent: str = agent,
            ) -> None:
                stamp = (at + timedelta(seconds=later)).strftime("%d/%b/%Y:%H:%M:%S +0000")
                log.write(f'{who} - - [{stamp}] "{method} {target} HTTP/1.1" {status} 17 "-" "{agent}" 0.010\n')

            if device % PLANTED == 0 and number > LINES / 2:
                looped[device] = looped.get(device, 0) + 1
                say("POST", "/auth/refresh", 200)
                say("GET", f"/api/items/{dice.randrange(10**6)}", 401, later=1.0)
            elif due[device] >= 10:
                due[device] = 0
                say("GET", "/api/items/1", 401)
                say("POST", "/auth/refresh", 200, later=1.0)
                say("GET", "/api/items/1", 200, later=2.0)
            else:
                due[device] += 1
                say(*dice.choice([("GET", "/api/items/7", 200), ("POST", "/api/items", 201)]))
    return {
        f"10.0.{device >> 8}.{device & 255}|{agents[device % len(agents)]}"
        for device, times in looped.items()
        if times > 1
    }


@pytest.mark.parametrize("seed", [1, 2])
def test_planted_loops_are_found_among_healthy_traffic(tmp_path, seed):
    planted = write(tmp_path / "access.log", seed)
    analysis = analyze(tmp_path)
    (source,) = analysis.document.sources
    assert source.lines == source.accounted == source.events > LINES
    looping = {one.device_id for one in analysis.document.findings if one.detector == "refresh_loop"}
    assert len(planted) > 100
    assert len(looping & planted) >= 0.97 * len(planted)
    assert looping <= planted
    (incident,) = analysis.incidents
    assert incident.severity is Severity.CRITICAL
    assert incident.ongoing
    assert set(incident.device_ids) >= planted
