"""Fixtures that tests of several folders share."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import settings

import started  # noqa: F401 - before anything else loads polars
from authforensics.document import (
    Device,
    Document,
    Endpoint,
    Identity,
    Join,
    Lifetime,
    Lifetimes,
    Rate,
    RejectSample,
    Run,
    Rung,
    Source,
    System,
    Verdict,
)
from authforensics.findings import Confidence, Evidence, Finding, Incident, Phase, RootCause, Scope, Severity

# How long an example takes says more about the machine than about the code.
# The same ones each time, so that a change is judged by what it changed; `make fuzz` looks further.
settings.register_profile("same", deadline=None, max_examples=20, derandomize=True)
settings.register_profile("fuzz", deadline=None, max_examples=500, print_blob=True)
settings.load_profile("same")

ROOT = Path(__file__).parent.parent


def moment(clock: str) -> datetime:
    """A time on the day all small examples happen on."""
    return datetime.fromisoformat(f"2025-12-25T{clock}").replace(tzinfo=UTC)


@pytest.fixture
def evidence() -> Evidence:
    return Evidence(
        source="access.log",
        line_number=7,
        timestamp=moment("04:25:01.250000"),
        auth_event="api_denied",
        text='"GET /api/check_session.php HTTP/1.1" 401',
    )


@pytest.fixture
def finding(evidence: Evidence) -> Finding:
    return Finding(
        id="f1",
        system="shop",
        detector="refresh_loop",
        severity=Severity.HIGH,
        confidence=Confidence.HIGH,
        device_id="ios-0012",
        devices=1,
        first_seen=moment("04:25:00"),
        last_seen=moment("05:35:00"),
        ongoing=False,
        count=40,
        reason="signature_invalid",
        summary="40 times a refresh answered 200 and the next call 401",
        measures={"cycles": 20},
        evidence=(evidence,),
    )


@pytest.fixture
def incident(finding: Finding) -> Incident:
    cause = RootCause(
        cause="signing_key_mismatch",
        title="Issuer and verifier use different secrets",
        confidence=Confidence.HIGH,
        score=0.93,
        for_=("40 of 40 denials say signature_invalid",),
        against=(),
        missing=("the verifier's key id",),
        check="compare both secrets",
        remediation="give both the same secret",
    )
    return Incident(
        id="i1",
        system="shop",
        title="Fresh tokens are refused",
        summary="Every new token is refused.",
        detectors=(finding.detector,),
        severity=Severity.CRITICAL,
        first_seen=finding.first_seen,
        last_seen=finding.last_seen,
        ongoing=False,
        devices=1,
        device_ids=("ios-0012",),
        devices_seen=4,
        devices_recovered=1,
        devices_ill=0,
        requests_denied=40,
        writes_lost=12,
        device_seconds=4200.0,
        findings=(finding.id,),
        scope=Scope(platform=("ios",)),
        phases=(Phase(name="refresh_ok_api_denied", first_seen=finding.first_seen, last_seen=finding.last_seen),),
        root_causes=(cause,),
    )


@pytest.fixture
def document(finding: Finding, incident: Incident) -> Document:
    """A small document with one of everything that matters."""
    seen = {"first_seen": moment("04:00:00"), "last_seen": moment("06:00:00")}
    return Document(
        run=Run(version="0.1.0", started_at=moment("07:00:00"), seconds=0.5, options={"tz": None}),
        verdict=Verdict(severity=Severity.CRITICAL, headline="Fresh tokens are refused since 04:25 UTC"),
        systems=(
            System(
                system="shop",
                sources=("access.log",),
                requests=100,
                messages=10,
                identity=Identity(ladder=(Rung(key="device_id", share=1.0, confidence="high"),), devices=4),
                lifetimes=Lifetimes(access=Lifetime(seconds=900, low=880, high=905, samples=12, how="inferred")),
                join=Join(messages=10, denials=40, explained=38, how={"request_id": 38}),
                out_of_order=0.0,
                **seen,
            ),
        ),
        sources=(
            Source(
                system="shop",
                source="access.log",
                format="combined",
                confidence=0.99,
                timezone="+00:00",
                lines=101,
                records=100,
                events=100,
                rejects=1,
                reject_samples=(RejectSample(line_number=17, reason="no time", text="?"),),
                **seen,
            ),
        ),
        endpoints=(
            Endpoint(system="shop", route="/api", endpoint_class="api", how="pattern", requests=100, denied=40),
        ),
        rates=(
            Rate(
                system="shop",
                minute=moment("04:25:00"),
                auth_event="api_denied",
                reason="signature_invalid",
                count=40,
            ),
        ),
        findings=(finding,),
        incidents=(incident,),
        devices=(
            Device(
                system="shop",
                device_id="ios-0012",
                platform="ios",
                app_version="1.8.0",
                events=80,
                state="authenticated",
                findings=("f1",),
            ),
        ),
    )
