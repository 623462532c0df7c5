"""Documents made by hand, for the tests of every output: an incident, a healthy log, an unread one, a hostile one."""

from __future__ import annotations

from datetime import timedelta

from drawn import DAY, END, FIXED, HALF, ILL, START, SYSTEM, populations, rates, timeline
from locked_out import findings, locked_out

from authforensics.document import (
    Device,
    Document,
    Endpoint,
    EnvironmentRemark,
    Identity,
    Join,
    Leak,
    Lifetime,
    Lifetimes,
    RejectSample,
    Run,
    Rung,
    Signer,
    Source,
    System,
    Tokens,
    Verdict,
)
from authforensics.findings import Severity

HOSTILE = (
    "=cmd|' /C calc'!A0 <script>alert(1)</script>\"><img src=x onerror=alert(2)></script><!-- "
    "\x1b[31mred\x1b]0;owned\x07 \u202egnp.exe\u202c \u2028 ``` `tick` | pipe | "
    "[red]markup[/red] [x](javascript:alert(3)) "
    "</td></tr> **bold** %{x} &lt;b&gt; {{ 7*7 }} {% raw %} \\u003c ]]>"
)


def _run() -> Run:
    return Run(version="0.1.0", started_at=DAY + timedelta(days=1), seconds=3.2, options={})


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
        rates=rates(ill=True),
        populations=populations(44),
        findings=findings(),
        incidents=(locked_out(),),
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
            timeline(device, n) for n, device in [*enumerate(ILL[: timelines - 2]), (42, ILL[42]), (43, ILL[43])]
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
        rates=rates(ill=False),
        populations=populations(0),
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
            "rates": sick.rates + tuple(rate.model_copy(update={"system": other}) for rate in rates(ill=False)),
            "populations": sick.populations + tuple(row.model_copy(update={"system": other}) for row in populations(0)),
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
