"""What figures show of the incident made by hand: its day, its devices, their timelines, states and rates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from authforensics.document import (
    Band,
    Mark,
    Population,
    Rate,
    Timeline,
)

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


def line(at: datetime, device: str, method: str, route: str, status: int) -> str:
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
        text=line(at, device, method, route, status),
    )


def timeline(device: str, index: int) -> Timeline:
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


def populations(ill: int) -> tuple[Population, ...]:
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


def rates(ill: bool) -> tuple[Rate, ...]:
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
