"""Documents made by hand, for the tests of every output: an incident, a healthy log, an unread one, a hostile one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from authforensics.document import (
    Band,
    Device,
    Document,
    Endpoint,
    EnvironmentRemark,
    Identity,
    Join,
    Leak,
    Lifetime,
    Lifetimes,
    Mark,
    Population,
    Rate,
    RejectSample,
    Run,
    Rung,
    Signer,
    Source,
    System,
    Timeline,
    Tokens,
    Verdict,
)
from authforensics.findings import Confidence, Evidence, Finding, Incident, Phase, RootCause, Scope, Severity

SYSTEM = "run-api"
DAY = datetime(2025, 12, 25, tzinfo=UTC)
START, END = DAY + timedelta(hours=6), DAY + timedelta(hours=15)
BROKEN, HALF, FIXED, WELL = (DAY + timedelta(hours=hours) for hours in (9.05, 9.5, 12.7, 13.0))
DEVICES = tuple(f"{'ios' if n % 2 else 'android'}-{n:04d}" for n in range(60))
ILL = (
    *DEVICES[:42],
    "2001:db8:aae7::7602|Mozilla/5.0 (iPhone; CPU iPhone OS 18_2 like Mac OS X) AppleWebKit/605.1.15 RunApp/3.4.1",
    "203.0.113.77|okhttp/4.12.0",
)

HOSTILE = (
    "=cmd|' /C calc'!A0 <script>alert(1)</script>\"><img src=x onerror=alert(2)></script><!-- "
    "\x1b[31mred\x1b]0;owned\x07 \u202egnp.exe\u202c \u2028 ``` `tick` | pipe | "
    "[red]markup[/red] [x](javascript:alert(3)) "
    "</td></tr> **bold** %{x} &lt;b&gt; {{ 7*7 }} {% raw %} \\u003c ]]>"
)


def _run() -> Run:
    return Run(version="0.1.0", started_at=DAY + timedelta(days=1), seconds=3.2, options={})


def _line(at: datetime, device: str, method: str, route: str, status: int) -> str:
    stamp = at.strftime("%d/%b/%Y:%H:%M:%S +0000")
    return (
        f'198.51.100.7 - - [{stamp}] "{method} {route}?device={device} HTTP/1.1" {status} 112 "-" '
        f'"RunApp/3.4.1 (iPhone; iOS 18.2)" rt=0.012 req=7d1f0c'
    )


def _mark(at: datetime, device: str, event: str, number: int, reason: str | None = None) -> Mark:
    method, route, status = {
        "api_ok": ("GET", "/api/check_session", 200),
        "api_denied": ("POST", "/api/locations", 401),
        "refresh_ok": ("POST", "/api/refresh_token", 200),
        "refresh_denied": ("POST", "/api/refresh_token", 401),
        "login_ok": ("POST", "/api/login", 200),
    }[event]
    return Mark(
        timestamp=at,
        auth_event=event,
        reason=reason,
        method=method,
        route=route,
        status=status,
        source="access.log",
        line_number=number,
        text=_line(at, device, method, route, status),
    )


def _timeline(device: str, index: int) -> Timeline:
    shift = timedelta(seconds=37 * index)
    marks, bands, number = [], [], 1000 + 200 * index
    first = BROKEN + shift / 4
    script = [(START + shift + timedelta(minutes=15 * n), "api_ok", None) for n in range(12)]
    script += [
        (first, "api_denied", "token_expired"),
        (first + timedelta(seconds=1), "refresh_denied", "signature_invalid"),
    ]
    for n in range(20):
        at = HALF + shift + timedelta(minutes=9 * n)
        script += [
            (at, "refresh_ok", None),
            (at + timedelta(milliseconds=412), "api_denied", "signature_invalid"),
            (at + timedelta(seconds=90), "api_denied", "signature_invalid"),
        ]
    script += [(FIXED + shift / 8, "login_ok", None), (FIXED + shift / 8 + timedelta(seconds=1), "api_ok", None)]
    script += [(WELL + shift + timedelta(minutes=15 * n), "api_ok", None) for n in range(5)]
    for at, event, reason in script:
        marks.append(_mark(at, device, event, number, reason))
        number += 3
    bands.append(Band(state="authenticated", first_seen=START + shift, last_seen=first))
    bands.append(Band(state="refresh_denied", first_seen=first, last_seen=HALF + shift))
    for n in range(20):
        at = HALF + shift + timedelta(minutes=9 * n)
        end = at + timedelta(minutes=9) if n < 19 else FIXED + shift / 8
        bands.append(Band(state="refreshed", first_seen=at, last_seen=at + timedelta(milliseconds=412)))
        bands.append(Band(state="rejected", first_seen=at + timedelta(milliseconds=412), last_seen=end))
    bands.append(Band(state="authenticated", first_seen=FIXED + shift / 8, last_seen=END))
    return Timeline(
        system=SYSTEM, device_id=device, bands=tuple(bands), marks=tuple(marks), omitted=0 if index else 1432
    )


def _populations(ill: int) -> tuple[Population, ...]:
    rows, at = [], START
    while at <= END:
        states = {"authenticated": 60 - ill // 8, "challenged": 1, "unknown": 2}
        if ill and BROKEN <= at < HALF:
            gone = min(ill, round(ill * (at - BROKEN) / (HALF - BROKEN)) + 2)
            states = {"authenticated": 62 - gone, "refresh_denied": gone * 2 // 3, "zombie": gone - gone * 2 // 3}
        elif ill and HALF <= at < FIXED:
            states = {"authenticated": 62 - ill, "rejected": ill - 6, "zombie": 4, "refreshed": 2}
        elif ill and FIXED <= at < WELL:
            still = max(0, round(ill * (WELL - at) / (WELL - FIXED)))
            states = {"authenticated": 62 - still, "rejected": still}
        rows.append(Population(system=SYSTEM, at=at, states=states))
        at += timedelta(minutes=5)
    return tuple(rows)


def _rates(ill: bool) -> tuple[Rate, ...]:
    rows, at, n = [], START, 0
    while at <= END:
        n += 1
        counts = {("api_ok", None): 80, ("api_denied", "token_expired"): 3 + n % 4, ("login_denied", None): n % 13 == 0}
        if ill and BROKEN <= at < HALF:
            counts |= {("refresh_denied", "signature_invalid"): 11 + n % 7, ("api_denied", None): 5 + n % 3}
        if ill and HALF <= at < FIXED:
            counts |= {("api_denied", "signature_invalid"): 62 + (n * 7) % 19}
        rows += [
            Rate(system=SYSTEM, minute=at, auth_event=event, reason=reason, count=count)
            for (event, reason), count in counts.items()
            if count
        ]
        at += timedelta(minutes=1)
    return tuple(rows)


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
            text=_line(when, device, method, route, status),
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


def _findings() -> tuple[Finding, ...]:
    loops = [
        Finding(
            id=f"refresh_loop-{n:03d}",
            system=SYSTEM,
            detector="refresh_loop",
            severity=Severity.CRITICAL,
            confidence=Confidence.HIGH,
            device_id=device,
            devices=1,
            first_seen=HALF + timedelta(seconds=37 * n),
            last_seen=FIXED + timedelta(seconds=5 * n),
            ongoing=False,
            count=60 - n,
            reason="signature_invalid",
            summary="20 refreshes succeeded and none of the new tokens was ever accepted; "
            f"{60 - n} calls denied, {n} of them writes.",
            measures={"cycles": 20, "writes_lost": n, "median_gap_s": 0.412},
            evidence=_evidence(n),
        )
        for n, device in enumerate(ILL)
    ]
    burst = Finding(
        id="signature_failure_burst-001",
        system=SYSTEM,
        detector="signature_failure_burst",
        severity=Severity.CRITICAL,
        confidence=Confidence.HIGH,
        device_id=None,
        devices=44,
        first_seen=HALF,
        last_seen=FIXED,
        ongoing=False,
        count=12391,
        reason="signature_invalid",
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


def _incident() -> Incident:
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
        findings=tuple(finding.id for finding in _findings()),
        scope=Scope(endpoint=("/api/check_session", "/api/list_events", "/api/locations"), key_id=("2025-12",)),
        phases=(
            Phase(name="refresh_denied", first_seen=BROKEN, last_seen=HALF),
            Phase(name="refresh_ok_api_denied", first_seen=HALF, last_seen=FIXED),
            Phase(name="recovering", first_seen=FIXED, last_seen=WELL),
            Phase(name="recovered", first_seen=WELL, last_seen=END),
        ),
        root_causes=_causes(),
    )


def _system(notes: tuple[str, ...] = ()) -> System:
    return System(
        system=SYSTEM,
        sources=("access.log.1.gz", "access.log", "app-error.log"),
        requests=43210,
        messages=12391,
        first_seen=START,
        last_seen=END,
        identity=Identity(
            ladder=(
                Rung(key="device_id", share=0.97, confidence="high"),
                Rung(key="client_ip|user_agent", share=0.03, confidence="low"),
            ),
            devices=60,
        ),
        lifetimes=Lifetimes(
            access=Lifetime(seconds=900.0, low=880.0, high=905.0, samples=120, how="inferred"),
            refresh=Lifetime(seconds=2_592_000.0, low=2_500_000.0, high=2_700_000.0, samples=14, how="claims"),
            note="Both as expected: a refresh token outlives 2,880 access tokens.",
        ),
        join=Join(messages=12391, denials=12800, explained=12391, how={"request_id": 12350, "path and time": 41}),
        out_of_order=0.004,
        notes=notes,
    )


def _sources() -> tuple[Source, ...]:
    return (
        Source(
            system=SYSTEM, source="access.log.1.gz", format="combined", wrapper="gzip", confidence=0.99,
            timezone="+09:00", lines=21000, records=21000, events=20990, blank=10, first_seen=START, last_seen=HALF,
        ),
        Source(
            system=SYSTEM, source="access.log", format="combined", confidence=0.99, timezone="+09:00",
            lines=22240, records=22220, events=22220, rejects=3, blank=17, first_seen=HALF, last_seen=END,
            reject_samples=(
                RejectSample(line_number=17, reason="time not understood, expected [dd/Mon/yyyy:…]", text="garbage"),
            ),
        ),
        Source(
            system=SYSTEM, source="app-error.log", format="monolog", confidence=0.91, timezone="UTC (assumed)",
            lines=37173, records=12391, events=12391, continuations=24782, first_seen=HALF, last_seen=FIXED,
        ),
        Source(system=SYSTEM, source="core.1234", format=None, note="binary file"),
    )  # fmt: skip


def _endpoints() -> tuple[Endpoint, ...]:
    rows = (
        ("/api/refresh_token", "refresh", "pattern", 4210, 811),
        ("/api/login", "login", "pattern", 91, 2),
        ("/api/check_session", "session_check", "pattern", 14210, 6211),
        ("/api/list_events", "api", "learned", 9111, 3100),
        ("/api/locations", "api", "learned", 15588, 2935),
        ("/health", "public", "config", 540, 0),
    )
    return tuple(
        Endpoint.model_validate(
            {"system": SYSTEM, "route": route, "endpoint_class": kind, "how": how, "requests": all_, "denied": bad}
        )
        for route, kind, how, all_, bad in rows
    )


def incident(timelines: int = 12) -> Document:
    """Issuer and verifier use different secrets: 44 of 60 devices, four phases, one device not well again."""
    findings = _findings()
    devices = tuple(
        Device(
            system=SYSTEM,
            device_id=device,
            platform=device.split("-")[0] if "-" in device[:9] else None,
            app_version="3.4.1",
            events=300 - n,
            state="rejected" if n == 43 else "authenticated",
            findings=(f"refresh_loop-{n:03d}",),
        )
        for n, device in enumerate(ILL)
    )
    return Document(
        run=_run(),
        verdict=Verdict(
            severity=Severity.CRITICAL,
            headline="Since 09:03 UTC 44 of 60 devices were locked out: tokens are signed with one key and "
            "verified with another. "
            "Set ACCESS_SECRET to the value of SECRET_KEY.",
        ),
        systems=(_system(("The application log has no zone; UTC was assumed.",)),),
        sources=_sources(),
        endpoints=_endpoints(),
        rates=_rates(ill=True),
        populations=_populations(44),
        findings=findings,
        incidents=(_incident(),),
        tokens=Tokens(
            seen=12,
            tried=4,
            leaks=(
                Leak(
                    system=SYSTEM,
                    source="access.log",
                    line_number=812,
                    where="query",
                    field="access_token",
                    tokens=12,
                    lines=40,
                ),
            ),
            signed_by=(Signer(system=SYSTEM, candidate="env:SECRET_KEY", tokens=4, kind="configured"),),
            environment=(EnvironmentRemark(code="fallback", level="error", text="ACCESS_SECRET is not set here."),),
        ),
        devices=devices,
        timelines=tuple(
            _timeline(device, n) for n, device in [*enumerate(ILL[: timelines - 2]), (42, ILL[42]), (43, ILL[43])]
        ),
        timelines_omitted=max(0, 44 - timelines),
    )


def healthy() -> Document:
    """A log with nothing wrong in it."""
    return Document(
        run=_run(),
        verdict=Verdict(
            severity=Severity.NONE,
            headline="No incident: 60 devices, 43,210 requests, and every refresh is followed by success.",
        ),
        systems=(_system(),),
        sources=_sources()[:1],
        endpoints=_endpoints(),
        rates=_rates(ill=False),
        populations=_populations(0),
        findings=(),
        incidents=(),
        devices=(),
    )


def empty() -> Document:
    """Nothing that could be judged."""
    return Document(
        run=_run(),
        verdict=Verdict(
            severity="unknown", headline="No request with an authentication outcome was found: nothing can be said."
        ),
        systems=(),
        sources=(Source(system="logs", source="notes.txt", format=None, note="no known log format"),),
        endpoints=(),
        rates=(),
        findings=(),
        incidents=(),
        devices=(),
    )


def bare() -> Document:
    """A system of which neither states nor rates are known."""
    return healthy().model_copy(update={"rates": (), "populations": ()})


def several() -> Document:
    """Two systems, one of them ill and not over."""
    sick = incident()
    other = "billing"
    return sick.model_copy(
        update={
            "systems": (*sick.systems, sick.systems[0].model_copy(update={"system": other, "lifetimes": Lifetimes()})),
            "rates": sick.rates + tuple(rate.model_copy(update={"system": other}) for rate in _rates(ill=False)),
            "populations": sick.populations
            + tuple(row.model_copy(update={"system": other}) for row in _populations(0)),
            "incidents": (
                sick.incidents[0],
                sick.incidents[0].model_copy(
                    update={
                        "id": "incident-002",
                        "title": "Three devices retry a refused refresh instead of logging in",
                        "severity": Severity.MEDIUM,
                        "ongoing": True,
                        "devices": 3,
                        "device_ids": ILL[3:6],
                        "devices_recovered": 0,
                        "devices_ill": 3,
                        "phases": (),
                        "root_causes": sick.incidents[0].root_causes[2:],
                    }
                ),
            ),
            "timelines": (*sick.timelines, sick.timelines[0].model_copy(update={"system": other})),
        }
    )


def hostile(text: str = HOSTILE) -> Document:
    """The incident with every free text replaced by, or carrying, an attack."""

    def poison(value: object, key: str) -> object:
        if isinstance(value, dict):
            kept = {"auth_event": value["auth_event"]} if "minute" in value else {}
            return {name: poison(inner, name) for name, inner in value.items()} | kept
        if isinstance(value, list):
            return [poison(inner, key) for inner in value]
        if not isinstance(value, str) or key in _CHOICES or value.startswith("2025-12"):
            return value
        return f"{text} {value}"

    data = poison(incident(timelines=3).model_dump(mode="json", by_alias=True), "")
    return Document.model_validate(data)


#: Fields of a fixed set of values, and the ids that link records.
_CHOICES = {
    "schema",
    "severity",
    "confidence",
    "role",
    "how",
    "where",
    "level",
    "kind",
    "name",
    "state",
    "states",
    "system",
    "id",
    "findings",
}
_CHOICES |= {"started_at", "first_seen", "last_seen", "timestamp", "minute", "at"}
