"""Where all requests carry the address of a proxy nobody knows how many devices there are; one client is one."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from authforensics.diagnose import Crowd, Tally, crowds, diagnose, infer, tally, verdict
from authforensics.schema import TEXT, History
from script import play

MESSAGES = pl.DataFrame(schema={"timestamp": pl.Datetime("us", "UTC"), "reason": pl.String})
ENDPOINTS = pl.DataFrame(
    schema={"endpoint_class": pl.String, "requests": pl.UInt32, "refused": pl.UInt32, "forbidden": pl.UInt32}
)
#: Each client has an address of its own.
OWN = "own"


def clock(seconds: int) -> str:
    return f"{10 + seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def cycles(number: int, begin: int = 0) -> str:
    """What a client does whose tokens live a minute: it refreshes when one is refused."""
    lines = [] if begin else ["10:00:00 fleet login_ok"]
    for at in range(60 * begin, 60 * (begin + number), 60):
        lines.append(f"{clock(at + 2)} fleet api_ok every=6 times=9")
        lines.append(f"{clock(at + 58)} fleet api_denied")
        lines.append(f"{clock(at + 59)} fleet refresh_ok")
    return "\n".join(lines)


#: From 10:10 on every new token is refused.
BROKEN = "\n".join(
    f"{clock(at)} fleet api_denied\n{clock(at + 1)} fleet refresh_ok\n{clock(at + 2)} fleet api_denied"
    for at in range(600, 900, 12)
)
#: A client that refreshes before each call, one that logs in for each, and one that loops.
CHURN = "10:00:00 fleet login_ok\n10:00:01 fleet refresh_ok every=10 times=60\n10:00:02 fleet api_ok every=10 times=60"
SCRIPTED = "10:00:00 fleet login_ok every=10 times=60\n10:00:02 fleet api_ok every=10 times=60"
LOOP = (
    "10:00:00 fleet login_ok\n10:00:01 fleet api_ok\n"
    "10:05:00 fleet api_denied every=4 times=60\n10:05:02 fleet refresh_ok every=4 times=60"
)
#: One that logs in again whenever it is started, and is refused for its old token at times.
STARTED = "\n".join(f"{clock(60 * n)} fleet login_ok\n{cycles(3, n + 1)}" for n in range(0, 40, 5))


def behind(address: str | None, script: str, devices: int) -> pl.DataFrame:
    """What a script's devices do, seen behind a proxy."""
    told = play(script, devices=devices, stagger=1.7)
    own = pl.format("10.0.0.{}", pl.col("device_id").cast(pl.String).str.tail(3).str.to_integer())
    seen = own if address == OWN else pl.lit(address)
    return told.with_columns(
        device_id=pl.lit(None, TEXT),
        user_id=pl.lit(None, TEXT),
        client_ip=seen.cast(TEXT),
        user_agent=pl.lit("okhttp/4.12.0").cast(TEXT),
    )


def judged(history: History, found: list) -> tuple[str, str]:
    seen = crowds(history)
    lifetimes = {"case": infer(history.grants, history.devices)}
    incidents = diagnose(history, found, lifetimes, crowded=seen.keys())
    told = verdict(incidents, tally(history, ENDPOINTS), systems=1, told=MESSAGES, crowds=seen)
    return str(told.severity), told.headline


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.5", "::1", None, "198.51.100.7"])
def test_a_fleet_behind_one_address_is_no_device(past: Callable, address: str | None):
    history, found = past(behind(address, cycles(15), 30))
    assert list(crowds(history)) == ["case"]
    severity, headline = judged(history, found)
    assert severity == "unknown"
    assert headline.startswith("Devices can't be told apart, nor who is shut out: nearly all requests ")
    assert ("have no address" if address is None else f"come from {address}, as behind a proxy") in headline
    assert headline.endswith(" calls were refused for their token.")


def test_when_calls_are_refused_is_told_without_devices(past: Callable):
    history, found = past(behind("127.0.0.1", f"{cycles(10)}\n{BROKEN}", 20))
    severity, headline = judged(history, found)
    assert severity == "unknown"
    assert "% of those from 2026-03-01 10:10:00 to 10:16:00 UTC, and " in headline
    assert "Perhaps" not in headline


def test_what_reasons_tell_holds_for_a_fleet_that_is_not_known(past: Callable):
    script = f"{cycles(10)}\n{BROKEN}".replace("fleet api_denied", "fleet api_denied reason=audience_mismatch")
    history, found = past(behind("127.0.0.1", script, 20))
    assert "Perhaps: tokens are for another audience" in judged(history, found)[1]


@pytest.mark.parametrize("script", [cycles(15), CHURN, SCRIPTED, LOOP, STARTED, f"{cycles(10)}\n{BROKEN}"])
@pytest.mark.parametrize("address", ["127.0.0.1", "198.51.100.7"])
def test_one_client_is_one_device_wherever_it_is(past: Callable, script: str, address: str):
    history, _ = past(behind(address, script, 1))
    assert crowds(history) == {}


def test_clients_with_addresses_of_their_own_are_devices(past: Callable):
    history, _ = past(behind(OWN, cycles(15), 20))
    assert crowds(history) == {}
    history, _ = past(play(cycles(15), devices=20, stagger=1.7))
    assert crowds(history) == {}


def test_what_is_known_of_devices_comes_first(past: Callable):
    fleet = play(f"{cycles(10)}\n{BROKEN}", devices=20, stagger=1.7)
    others = pl.format("other-{}", "device_id").cast(TEXT)
    later = fleet.with_columns(others.alias("device_id"), timestamp=pl.col("timestamp").dt.offset_by("1d"))
    named = [part.with_columns(system=pl.lit(name).cast(TEXT)) for name, part in (("app", fleet), ("nginx", later))]
    both = pl.concat(named)
    history, found = past(both.with_columns(source=pl.col("system")))
    assert [one.system for one in diagnose(history, found, {}, crowded=["app"])] == ["nginx", "app"]


def test_an_incident_behind_one_address_does_not_count_devices(past: Callable):
    counts = dict.fromkeys(set(Tally.__dataclass_fields__) - {"row"}, 0)
    history, found = past(play(f"{cycles(10)}\n{BROKEN}", devices=20, stagger=1.7))
    incidents = diagnose(history, found, {"case": infer(history.grants, history.devices)}, crowded=["case"])
    told = verdict(incidents, Tally(**counts), systems=1, told=MESSAGES, crowds={"case": Crowd(("10.0.0.5",), 900, 90)})
    assert told.severity == "critical"
    assert " requests refused, of an unknown number of devices, " in told.headline
    assert "Devices can't be told apart, nor who is shut out: nearly all requests come from 10.0.0.5" in told.headline
