"""The exact test against exact arithmetic, and incidents confined to one value of a dimension."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authforensics import diagnose
from authforensics.diagnose.scope import confined, fisher, whereabouts
from script import play

CELL = st.integers(0, 40)


@given(CELL, CELL, CELL, CELL)
def test_it_is_fishers(a, b, c, d):
    row, column, total = a + b, a + c, a + b + c + d
    ways = {
        k: comb(row, k) * comb(total - row, column - k)
        for k in range(max(0, row + column - total), min(row, column) + 1)
    }
    exact = Fraction(sum(count for count in ways.values() if count <= ways[a]), comb(total, column))
    assert fisher(a, b, c, d) == pytest.approx(float(exact), rel=1e-6, abs=1e-12)


@pytest.fixture
def scope_of(past):
    def of(good: str, bad: str):
        history, found = past(play(_script(good, bad), devices=12, stagger=5))
        (incident,) = diagnose.diagnose(history, found, {})
        return incident.scope

    return of


def _script(good: str, bad: str) -> str:
    return f"""
    10:00:00 fleet-w api_ok      took=0.1 {good}
    10:00:00 fleet-i api_ok      took=0.1 {bad}
    10:30:00 fleet-i api_denied  took=0.1 {bad} reason=signature_invalid
    10:30:10 fleet-w api_ok      took=0.1 {good}
    10:30:30 fleet-i api_denied  took=0.1 {bad} reason=signature_invalid
    10:30:40 fleet-w api_ok      took=0.1 {good}
    """


def test_what_only_scanners_call_is_nothing_to_be_confined_to(past):
    script = "\n".join(
        f"10:{minute}:{second:02} fleet {event} took=0.1 path={path}"
        for minute, event in [("00", "api_ok"), ("30", "api_denied"), ("31", "api_denied")]
        for second, path in enumerate(("/api/feed", "/api/orders"))
    )
    scanned = "\n".join(
        f"10:{minute}:{second:02} scanner api_denied took=0.1 path=/{name}"
        for minute in (30, 31)
        for second, name in enumerate(("env", "admin", "backup", "wp-login"), start=10)
    )
    history, found = past(play(f"{script.replace('fleet', 'fleet-x')}\n{scanned}", devices=12, stagger=1))
    incidents = diagnose.diagnose(history, found, {})
    assert incidents
    assert all(one.scope.endpoint == () for one in incidents)


def test_one_version(scope_of):
    scope = scope_of("version=1.0 upstream=u1", "version=2.0 upstream=u1")
    assert (scope.app_version, scope.upstream) == (("2.0",), ())


def test_one_upstream(scope_of):
    scope = scope_of("version=1.0 upstream=u1", "version=1.0 upstream=u2")
    assert (scope.app_version, scope.upstream) == ((), ("u2",))


def test_no_dimension_told_apart(scope_of):
    scope = scope_of("version=1.0", "version=1.0")
    assert (scope.app_version, scope.platform, scope.upstream) == ((), (), ())


def test_client_and_network_of_devices_with_and_without_a_name():
    fleet = pl.DataFrame(
        [
            ("phone-1", "device_id", "198.51.100.7", "ShopApp/3.1 (iPhone; iOS 18)"),
            ("2001:db8:aae7::7602|Mozilla/5.0 (X11)", "client_ip+user_agent", None, None),
            ("phone-2", "device_id", None, None),
        ],
        schema=["device_id", "identity_key", "client_ip", "user_agent"],
        orient="row",
    )
    assert whereabouts(fleet.lazy()).collect().rows() == [
        ("phone-1", "ShopApp", "198.51.100.0/24"),
        ("2001:db8:aae7::7602|Mozilla/5.0 (X11)", "Mozilla", "2001:db8:aae7::/48"),
        ("phone-2", None, None),
    ]


@pytest.mark.parametrize(("others", "found"), [(("b", 40), ("a",)), (("b", 3), ())])
def test_a_value_is_tested_against_as_many_as_there_are(others, found):
    name, total = others
    table = pl.DataFrame([("a", 4, 4), (name, 0, total), *((f"v{n}", 0, 1) for n in range(2))], orient="row")
    table.columns = ["value", "hit", "total"]
    assert confined(table) == found


def test_two_of_three_instances_together():
    calls = pl.DataFrame([("u1", 40, 100), ("u2", 0, 100), ("u3", 38, 100)], ["value", "hit", "total"], orient="row")
    assert confined(calls) == ("u1", "u3")


def test_all_of_them_is_no_part():
    calls = pl.DataFrame([("u1", 40, 100), ("u2", 35, 100), ("u3", 38, 100)], ["value", "hit", "total"], orient="row")
    assert confined(calls) == ()
