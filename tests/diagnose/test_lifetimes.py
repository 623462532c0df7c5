"""Lifetimes inferred from what became of tokens, of fleets made by a few rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

import polars as pl
import pytest

from authforensics.diagnose import lifetimes as module
from authforensics.diagnose.lifetimes import applying, infer
from authforensics.document import Lifetime, Lifetimes
from authforensics.schema import DEVICES, GRANTS

START = datetime(2025, 10, 7, 6, tzinfo=UTC)
HOUR = 3600.0
NEVER = float("inf")


@dataclass(frozen=True)
class Rules:
    """What tokens live, by when they are given (seconds since the log starts) and to which platform."""

    access: Callable[[float, str], float] = lambda at, platform: 900.0
    #: Since the last refresh, and since the login.
    idle: Callable[[float, str], float] = lambda at, platform: NEVER
    absolute: float = NEVER
    #: Clients refresh so long before; 0: when they are refused.
    proactive: float = 0.0
    #: Share of the tokens that are refused early, without a reason.
    early: float = 0.0
    reasons: bool = True
    hours: float = 8.0


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=round(seconds, 3))


def life(rules: Rules, platform: str, chance: Random) -> Iterator[dict]:
    """The tokens of one device: it calls now and then, refreshes on demand, and logs in where that is refused."""
    now, login = chance.uniform(0, HOUR), None
    granted_by = "login_ok"
    while now < rules.hours * HOUR:
        login = now if granted_by == "login_ok" else login
        given, accepted, refused, denied = now, None, None, None
        limit = rules.access(given, platform) - rules.proactive
        early = chance.random() < rules.early
        while True:
            age = now - given
            if age > limit or (early and age > 60):
                refused = None if rules.proactive else age
                break
            accepted = age
            now += chance.expovariate(1 / 40) + (chance.expovariate(1 / 1500) if chance.random() < 0.05 else 0.1)
        over = now - given > rules.idle(given, platform) or now - login > rules.absolute
        denied, now = (now - given, now + 10) if over else (None, now + 0.2)
        granted_by = "login_ok" if over else "refresh_ok"
        reason = "token_expired" if rules.reasons and not early else None
        yield {
            "granted_by": "login_ok" if login == given else "refresh_ok",
            "granted_at": at(given),
            "login_at": at(login),
            "accepted": 1,
            "last_accepted_age": accepted,
            "refused": int(refused is not None),
            "first_refused_age": refused,
            "refused_reason": reason if refused is not None else None,
            "rejected": False,
            "refresh_denied_age": denied,
            "refresh_denied_reason": "refresh_expired" if over and rules.reasons else None,
            "next_granted_at": at(now),
            "next_granted_by": granted_by,
        }


def fleet(rules: Rules, devices: int = 60, seed: int = 1) -> tuple[pl.LazyFrame, pl.DataFrame]:
    """GRANTS and DEVICES."""
    names = [f"d{number}" for number in range(devices)]
    platforms = ["ios" if number % 3 else "web" for number in range(devices)]
    rows = [
        {"system": "shop", "device_id": name, "grant": grant, **token}
        for number, (name, platform) in enumerate(zip(names, platforms, strict=True))
        for grant, token in enumerate(life(rules, platform, Random(1000 * seed + number)), 1)
    ]
    empty = {name: None for name in GRANTS if name not in rows[0]}
    grants = pl.DataFrame([row | empty for row in rows], schema=GRANTS)
    known = {"system": ["shop"] * devices, "device_id": names, "platform": platforms, "app_version": ["3.4"] * devices}
    nothing = [pl.lit(None, dtype).alias(name) for name, dtype in DEVICES.items() if name not in known]
    return grants.lazy(), pl.DataFrame(known).with_columns(nothing).select(DEVICES.keys()).cast(dict(DEVICES))


def inside(one: Lifetime | None, true: float, width: float = 60.0) -> bool:
    return one is not None and one.low <= true <= one.high and one.high - one.low <= width


@pytest.mark.parametrize("reasons", [True, False])
@pytest.mark.parametrize("early", [0.0, 0.3])
def test_the_access_lifetime_is_found_among_early_refusals(reasons, early):
    found = infer(*fleet(Rules(reasons=reasons, early=early)))
    assert inside(found.access, 900)
    assert found.access.seconds == 900
    assert (found.access_others, found.refresh, found.note) == ((), None, None)
    assert found.refresh_at_least > 900


def test_a_leeway_is_told_as_part_of_it():
    found = infer(*fleet(Rules(access=lambda at, platform: 660.0)))
    assert inside(found.access, 660)
    assert found.note == "11 min may be a lifetime of 10 min and a leeway of 1 min"


def test_clients_that_refresh_early_show_only_a_lower_bound():
    found = infer(*fleet(Rules(proactive=120.0)))
    assert found.access is None
    assert 700 < found.access_at_least <= 780


def test_a_change_by_a_deploy_is_dated():
    found = infer(*fleet(Rules(access=lambda at, platform: 1800.0 if at < 4 * HOUR else 600.0)))
    assert inside(found.access, 600)
    (before,) = found.access_others
    assert inside(before, 1800)
    assert found.access.until is None
    assert before.since is None
    assert found.access.since == before.until
    assert abs((before.until - at(4 * HOUR)).total_seconds()) < 300
    assert found.note.startswith("the lifetime of access tokens changed at 2025-10-07 1")


def test_each_kind_of_client_has_its_own():
    found = infer(*fleet(Rules(access=lambda at, platform: 300.0 if platform == "web" else 1200.0)))
    assert {one.platform: one.seconds for one in (found.access, *found.access_others)} == {
        ("web",): 300.0,
        ("ios",): 1200.0,
    }


def test_what_was_changed_and_changed_back_is_found():
    def idle(at: float, platform: str) -> float:
        return 900.0 if 3 * HOUR <= at < 5 * HOUR else NEVER

    found = infer(*fleet(Rules(idle=idle)))
    assert found.refresh is not None
    assert found.refresh.high < 910
    assert found.refresh.seconds == 900
    assert abs((found.refresh.since - at(3 * HOUR)).total_seconds()) < 300
    assert abs((found.refresh.until - at(5 * HOUR)).total_seconds()) < 600
    assert infer(*fleet(Rules(idle=idle, reasons=False))).refresh is None, "nothing says that they had expired"


@pytest.mark.parametrize("reasons", [True, False])
def test_an_idle_limit_is_counted_from_the_last_refresh(reasons):
    found = infer(*fleet(Rules(idle=lambda at, platform: 2400.0, reasons=reasons)))
    assert inside(found.refresh, 2400, 300)
    assert found.refresh.counts_from == "refresh"


@pytest.mark.parametrize("reasons", [True, False])
def test_an_absolute_limit_is_counted_from_the_login(reasons):
    found = infer(*fleet(Rules(absolute=7200.0, reasons=reasons)))
    assert inside(found.refresh, 7200, 300)
    assert found.refresh.counts_from == "login"
    assert found.refresh_others == ()


def test_both_limits_are_told_apart():
    found = infer(*fleet(Rules(idle=lambda at, platform: 2400.0, absolute=9000.0, hours=12)))
    both = {one.counts_from: one for one in (found.refresh, *found.refresh_others)}
    assert inside(both["refresh"], 2400, 300)
    assert inside(both["login"], 9000, 300)


def test_a_limit_of_some_clients_that_nothing_tells_apart_is_told_as_such():
    grants, devices = fleet(Rules(idle=lambda at, platform: 2400.0 if platform == "web" else NEVER))
    found = infer(grants, devices.with_columns(platform=pl.lit(None, DEVICES["platform"])))
    assert found.refresh.partial
    assert inside(found.refresh, 2400, 600)
    apart = infer(grants, devices)
    assert apart.refresh.platform == ("web",) or apart.refresh.partial


def test_an_accepted_call_of_the_second_in_which_the_next_token_came_says_nothing():
    grants, devices = fleet(Rules(reasons=False))
    tied = pl.col("refused") > 0
    late = grants.with_columns(last_accepted_age=pl.when(tied).then("first_refused_age").otherwise("last_accepted_age"))
    mixed = pl.concat([grants.filter(pl.col("grant") % 4 > 0), late.filter(pl.col("grant") % 4 == 0)])
    assert inside(infer(mixed, devices).access, 900)


def test_no_order_shows():
    grants, devices = fleet(Rules(access=lambda at, platform: 1800.0 if at < 4 * HOUR else 600.0))
    shuffled = grants.collect().sample(fraction=1, shuffle=True, seed=5).lazy()
    assert infer(shuffled, devices.reverse()) == infer(grants, devices)


def test_of_very_many_tokens_some_devices_stand_for_all(monkeypatch):
    monkeypatch.setattr(module, "_MOST", 700)
    found = infer(*fleet(Rules()))
    assert inside(found.access, 900)
    assert found.access.samples < 900


def test_nothing_known_is_nothing_told():
    grants, devices = fleet(Rules())
    assert infer(grants.clear(), devices.clear()) == Lifetimes()


def test_an_incident_is_judged_by_the_lifetime_that_its_refusals_fall_under():
    def one(seconds: float, **whom) -> Lifetime:
        return Lifetime(seconds=seconds, low=seconds - 2, high=seconds + 2, samples=9, how="inferred", **whom)

    several = Lifetimes(access=one(600, since=at(HOUR)), access_others=(one(1800, until=at(HOUR)),))
    denials = pl.DataFrame({"device_id": ["a"] * 3, "granted_at": [at(60), at(90), at(2 * HOUR)]})
    devices = pl.DataFrame({"device_id": ["a"], "platform": ["ios"], "app_version": ["1"]})
    assert applying(several, denials, devices).access.seconds == 1800
    assert applying(several, denials.tail(1), devices).access.seconds == 600
    kinds = Lifetimes(access=one(300, platform=("web",)), access_others=(one(1200, platform=("ios",)),))
    assert applying(kinds, denials, devices).access.seconds == 1200
