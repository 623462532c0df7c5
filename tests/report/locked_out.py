"""The incident made by hand: its findings, what they show, and what may have caused it."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from drawn import BROKEN, END, FIXED, HALF, ILL, SYSTEM, WELL, line

from authforensics.findings import Confidence, Evidence, Finding, Incident, Phase, RootCause, Scope, Severity


def _evidence(index: int) -> tuple[Evidence, ...]:
    device = ILL[index]
    at = HALF + timedelta(seconds=37 * index)
    steps = (
        (at, "refresh_ok", "POST", "/api/refresh_token", 200),
        (at + timedelta(milliseconds=412), "api_denied", "GET", "/api/check_session", 401),
        (at + timedelta(seconds=1), "api_denied", "GET", "/api/list_events", 401),
    )
    lines = [
        Evidence(
            source="access.log",
            line_number=2000 + 10 * index + n,
            timestamp=when,
            auth_event=event,
            role="primary" if n else "context",
            text=line(when, device, method, route, status),
        )
        for n, (when, event, method, route, status) in enumerate(steps)
    ]
    message = Evidence(
        source="app-error.log",
        line_number=40 + index,
        timestamp=at + timedelta(milliseconds=410),
        auth_event="api_denied",
        role="context",
        text="[2025-12-25 09:30:00] production.ERROR: JWT decode failed: Signature verification failed",
    )
    return (*lines, message)


def findings() -> tuple[Finding, ...]:
    made = partial(
        Finding,
        system=SYSTEM,
        severity=Severity.CRITICAL,
        confidence=Confidence.HIGH,
        ongoing=False,
        reason="signature_invalid",
    )
    loops = [
        made(
            id=f"refresh_loop-{n:03d}",
            detector="refresh_loop",
            device_id=device,
            devices=1,
            first_seen=HALF + timedelta(seconds=37 * n),
            last_seen=FIXED + timedelta(seconds=5 * n),
            count=60 - n,
            summary="20 refreshes succeeded and none of the new tokens was ever accepted; "
            f"{60 - n} calls denied, {n} of them writes.",
            measures={"cycles": 20, "writes_lost": n, "median_gap_s": 0.412},
            evidence=_evidence(n),
        )
        for n, device in enumerate(ILL)
    ]
    burst = made(
        id="signature_failure_burst-001",
        detector="signature_failure_burst",
        device_id=None,
        devices=44,
        first_seen=HALF,
        last_seen=FIXED,
        count=12391,
        summary="12,391 denials say the signature is invalid, on 44 devices; none in the three hours before.",
        measures={"rate_ratio": 812.5, "onset_seconds": 0.2},
        evidence=_evidence(0)[1:],
    )
    return (burst, *loops)


def _causes() -> tuple[RootCause, ...]:
    return (
        RootCause(
            cause="signing_key_mismatch",
            title="The key that signs access tokens is not the key that verifies them",
            confidence=Confidence.HIGH,
            score=0.93,
            **{
                "for": (
                    (
                        "12,391 of 12,391 denials after 09:30:00 say signature_invalid "
                        "(app-error.log, joined by request id)."
                    ),
                    (
                        "Refresh succeeds (2,204 of 2,204) and the very next call with the new token is denied, "
                        "on 44 of 44 devices."
                    ),
                    "Tokens from fresh logins fail too, so old tokens are not the problem.",
                    "All upstreams, all app versions, both platforms: not one instance, not one client.",
                )
            },
            against=("16 of 60 devices never refreshed in the window and go on well with tokens issued before it.",),
            missing=(
                (
                    "The key id of issued tokens: add `kid` to the token header, "
                    "or log it: `log_format … kid=$jwt_header_kid`."
                ),
            ),
            check='On a web host: `php -r \'var_dump(getenv("ACCESS_SECRET"), getenv("SECRET_KEY"));\'`. '
            "Expect both set, and equal.",
            remediation="Define `ACCESS_SECRET` and `REFRESH_SECRET` with the value of `SECRET_KEY` "
            "and reload PHP-FPM.\n"
            "Accept the old key for one refresh lifetime, so that tokens already issued survive.\n"
            "Done when `check_session` and `list_events` answer 200 on iOS and on Android.",
        ),
        RootCause(
            cause="default_secret",
            title="A published default secret signs the tokens",
            confidence=Confidence.MEDIUM,
            score=0.41,
            **{"for": ("The onset is a deploy that renamed the secrets.",)},
            against=("No token in the logs could be tested.",),
            missing=("One token in a file for `--env-file`.",),
            check="Look for a literal fallback beside `getenv`.",
            remediation="Refuse to start without the secret.",
        ),
        RootCause(
            cause="client_keeps_old_token",
            title="The app goes on sending the token it had before the refresh",
            confidence=Confidence.LOW,
            score=0.12,
            **{"for": ("Both platforms loop in the same way.",)},
            against=("Fresh logins are denied too.", "The reason is the signature, not expiry."),
            missing=(),
            check="Compare the token fingerprints before and after a refresh.",
            remediation="Store the token before retrying.",
        ),
    )


def locked_out() -> Incident:
    return Incident(
        id="incident-001",
        system=SYSTEM,
        title="Refresh succeeds, but every new token is refused",
        summary="44 of 60 devices look alive but are locked out: they refresh, get a token, and are denied with it, "
        "over and over; "
        "2,935 writes (mostly locations) were thrown away.",
        detectors=("refresh_loop", "signature_failure_burst"),
        severity=Severity.CRITICAL,
        first_seen=BROKEN,
        last_seen=WELL,
        ongoing=False,
        devices=44,
        device_ids=ILL,
        devices_seen=60,
        devices_recovered=41,
        devices_ill=1,
        requests_denied=12391,
        writes_lost=2935,
        device_seconds=187_200.0,
        findings=tuple(finding.id for finding in findings()),
        scope=Scope(endpoint=("/api/check_session", "/api/list_events", "/api/locations"), key_id=("2025-12",)),
        phases=(
            Phase(name="refresh_denied", first_seen=BROKEN, last_seen=HALF),
            Phase(name="refresh_ok_api_denied", first_seen=HALF, last_seen=FIXED),
            Phase(name="recovering", first_seen=FIXED, last_seen=WELL),
            Phase(name="recovered", first_seen=WELL, last_seen=END),
        ),
        root_causes=_causes(),
    )
