"""A document as large as documents get: 100,000 devices of which 3,000 are affected, with every limit reached."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

from authforensics.document import (
    Band,
    Device,
    Document,
    Endpoint,
    Identity,
    Join,
    Lifetime,
    Lifetimes,
    Mark,
    Population,
    Rate,
    Run,
    Rung,
    Source,
    System,
    Timeline,
    Verdict,
)
from authforensics.findings import Confidence, Evidence, Finding, Incident, Phase, RootCause, Scope, Severity

SYSTEM = "fleet"
FLEET, AFFECTED, LISTED, DRAWN = 100_000, 3_000, 1_000, 60
BANDS, MARKS = 160, 4_000 // DRAWN
START = datetime(2025, 12, 25, tzinfo=UTC)
END = START + timedelta(days=1)
BROKEN, FIXED = START + timedelta(hours=9, seconds=3), START + timedelta(hours=19, seconds=41)
ROUTES = tuple(
    f"/api/v{version}/{noun}/{{id}}" for version in range(5) for noun in ("runs", "events", "places", "teams")
)
SHOWN = {
    "api_ok": ("GET", 200),
    "api_denied": ("POST", 401),
    "refresh_ok": ("POST", 200),
    "refresh_denied": ("POST", 401),
}


def _ids(count: int) -> tuple[str, ...]:
    """Ids as apps make them, which share nothing."""
    chance = Random(1)
    digits = (f"{chance.getrandbits(128):032x}" for _ in range(count))
    return tuple("-".join((one[:8], one[8:12], one[12:16], one[16:20], one[20:])) for one in digits)


IDS = _ids(AFFECTED)


def _line(chance: Random, at: datetime, device: str, event: str) -> tuple[str, str, int, str]:
    """Method, route, status and a log line of some 360 characters."""
    method, status = SHOWN[event]
    route = "/api/refresh_token" if event.startswith("refresh") else chance.choice(ROUTES)
    address = ".".join(str(chance.randrange(1, 255)) for _ in range(4))
    path = route.replace("{id}", str(chance.randrange(10**9)))
    text = (
        f'{address} - - [{at:%d/%b/%Y:%H:%M:%S +0000}] "{method} {path}?device={device}&page={chance.randrange(100)} '
        f'HTTP/1.1" {status} {chance.randrange(10**5)} "https://app.example.com/{chance.randrange(10**6)}" '
        f'"Mozilla/5.0 (iPhone; CPU iPhone OS 18_{chance.randrange(9)} like Mac OS X) AppleWebKit/605.1.15 '
        f'(KHTML, like Gecko) RunApp/3.{chance.randrange(40)}.1" rt=0.{chance.randrange(1000):03d} '
        f"uct=0.001 urt=0.{chance.randrange(1000):03d} up=10.0.{chance.randrange(255)}.7:9000 "
        f"req={chance.getrandbits(128):032x}"
    )
    return method, route, status, text


def _timeline(index: int, device: str) -> Timeline:
    """A device in a loop: refreshed and rejected in turns, all day."""
    chance = Random(index)
    step = (END - START) / BANDS
    times = [START + n * step + timedelta(milliseconds=chance.randrange(9000)) for n in range(BANDS + 1)]
    events = ("refresh_ok", "api_denied", "api_ok", "refresh_denied")
    marks = []
    for number in range(MARKS):
        at = START + timedelta(milliseconds=chance.randrange(86_400_000))
        event = events[number % 4]
        method, route, status, text = _line(chance, at, device, event)
        marks.append(
            Mark(
                timestamp=at, auth_event=event, reason="signature_invalid" if "denied" in event else None,
                method=method, route=route, status=status, source="web-07/access.log.3.gz",
                line_number=chance.randrange(1, 10**8), text=text,
            )
        )  # fmt: skip
    return Timeline(
        system=SYSTEM,
        device_id=device,
        bands=tuple(
            Band(state="rejected" if n % 2 else "refreshed", first_seen=times[n], last_seen=times[n + 1])
            for n in range(BANDS)
        ),
        marks=tuple(sorted(marks, key=lambda mark: mark.timestamp)),
        omitted=12_000 + index,
    )


def _finding(detector: str, index: int, device: str) -> Finding:
    chance = Random(f"{detector}{index}")
    evidence = []
    for number in range(6):
        at = BROKEN + timedelta(milliseconds=chance.randrange(36_000_000))
        event = "refresh_ok" if number % 2 else "api_denied"
        evidence.append(
            Evidence(
                source="web-07/access.log.3.gz", line_number=chance.randrange(1, 10**8), timestamp=at, auth_event=event,
                role="primary" if number % 2 else "context", text=_line(chance, at, device, event)[3],
            )
        )  # fmt: skip
    return Finding(
        id=f"{detector}-{chance.getrandbits(40):010x}",
        system=SYSTEM,
        detector=detector,
        severity=Severity.CRITICAL,
        confidence=Confidence.HIGH,
        device_id=device,
        devices=1,
        first_seen=BROKEN + timedelta(seconds=index),
        last_seen=FIXED,
        ongoing=False,
        count=20 + index % 40,
        reason="signature_invalid",
        summary="20 refreshes succeeded and none of the new tokens was ever accepted; 412 calls denied.",
        measures={"cycles": 20, "writes_lost": index % 50, "median_gap_s": 0.412},
        evidence=tuple(evidence),
    )


def _incident(number: int, findings: tuple[Finding, ...]) -> Incident:
    return Incident(
        id=f"incident-{number}",
        system=SYSTEM,
        title="Refresh succeeds, but every new token is refused",
        summary=f"{AFFECTED} of {FLEET} devices refresh, get a token, and are denied with it, over and over.",
        detectors=tuple({one.detector for one in findings}),
        severity=Severity.CRITICAL,
        first_seen=BROKEN,
        last_seen=FIXED,
        ongoing=False,
        devices=AFFECTED,
        device_ids=IDS,
        devices_seen=FLEET,
        devices_recovered=AFFECTED,
        devices_ill=0,
        requests_denied=1_212_391,
        writes_lost=9_935,
        device_seconds=187_200_000.0,
        findings=tuple(one.id for one in findings),
        scope=Scope(endpoint=ROUTES),
        phases=(
            Phase(name="refresh_ok_api_denied", first_seen=BROKEN, last_seen=FIXED),
            Phase(name="recovered", first_seen=FIXED, last_seen=END),
        ),
        root_causes=tuple(
            RootCause.model_validate(
                {
                    "cause": cause,
                    "title": "The key that signs access tokens is not the key that verifies them",
                    "confidence": "medium",
                    "score": 0.6,
                    "for": ["Every refresh succeeds and the very next call with the new token is denied."] * 4,
                    "against": ["Some devices go on well."],
                    "missing": ["The key id of issued tokens."],
                    "check": "Compare both secrets.",
                    "remediation": "Make both secrets equal.",
                }
            )
            for cause in ("signing_key_mismatch", "default_secret", "client_keeps_old_token")
        ),
    )


def _rates() -> tuple[Rate, ...]:
    kinds = [("api_ok", None), ("api_denied", "token_expired"), ("api_denied", None), ("login_denied", None)]
    kinds += [("api_denied", "signature_invalid"), ("refresh_denied", "signature_invalid"), ("refresh_ok", None)]
    return tuple(
        Rate(
            system=SYSTEM, minute=START + timedelta(minutes=minute), auth_event=event, reason=reason, count=70 + minute
        )
        for minute in range(1440)
        for event, reason in kinds
    )


def _populations() -> tuple[Population, ...]:
    states = ("authenticated", "rejected", "refreshed", "zombie", "challenged", "refresh_denied", "unknown")
    return tuple(
        Population(
            system=SYSTEM,
            at=START + (END - START) / 120 * step,
            states={state: 1000 * (rank + 1) + 7 * step for rank, state in enumerate(states)},
        )
        for step in range(120)
    )


def document() -> Document:
    """Two incidents of 3,000 devices each, and two findings for each device."""
    loops, zombies = (
        tuple(_finding(detector, index, device) for index, device in enumerate(IDS))
        for detector in ("refresh_loop", "zombie_client")
    )
    return Document(
        run=Run(version="0.1.0", started_at=END, seconds=41.2, options={}),
        verdict=Verdict(severity=Severity.CRITICAL, headline=f"Since 09:00 UTC {AFFECTED} devices were locked out."),
        systems=(
            System(
                system=SYSTEM, sources=("web-07/access.log.3.gz",), requests=20_000_000, messages=0, first_seen=START,
                last_seen=END,
                identity=Identity(ladder=(Rung(key="device_id", share=1.0, confidence="high"),), devices=FLEET),
                lifetimes=Lifetimes(
                    access=Lifetime(seconds=900.0, low=880.0, high=905.0, samples=120, how="inferred")
                ),
                join=Join(messages=0, denials=1_212_391, explained=0, how={}), out_of_order=0.004,
            ),
        ),
        sources=tuple(
            Source(
                system=SYSTEM, source=f"web-{host:02d}/access.log.{day}.gz", format="combined", wrapper="gzip",
                confidence=0.99, timezone="+00:00", lines=200_000, records=200_000, events=200_000, first_seen=START,
                last_seen=END,
            )
            for host in range(30) for day in range(30)
        ),
        endpoints=tuple(
            Endpoint(
                system=SYSTEM, route=f"/api/v1/noun{number}/{{id}}", endpoint_class="api", how="learned",
                requests=200_000, denied=12_000,
            )
            for number in range(100)
        ),
        rates=_rates(),
        populations=_populations(),
        findings=(*loops, *zombies),
        incidents=(_incident(1, loops), _incident(2, zombies)),
        devices=tuple(
            Device(
                system=SYSTEM, device_id=device, platform="ios", app_version="3.4.1", events=300, state="rejected",
                findings=(loop.id, zombie.id),
            )
            for device, loop, zombie in zip(IDS[:LISTED], loops, zombies, strict=False)
        ),
        devices_omitted=AFFECTED - LISTED,
        timelines=tuple(_timeline(index, device) for index, device in enumerate(IDS[:DRAWN])),
        timelines_omitted=AFFECTED - DRAWN,
    )  # fmt: skip
