"""Since when a log shows an effect: not while it looks like something ordinary there."""

from __future__ import annotations

from dataclasses import replace

from authforensics.schema import Reason
from authforensics.simulate.record import Actor, Exchange, Kind
from authforensics.simulate.shown import first_shown

PHONE = Actor("phone-1", "ann", "ios", "1.0", "192.0.2.1", "App/1.0", "phones", device_id="d1")
CAUSE = "client_ignores_denial"
ALL = {"device_id", "reason"}


def exchange(kind: Kind, ended: float, status: int = 200, **more: object) -> Exchange:
    one = Exchange(
        PHONE, kind, "GET", "/api/a", ended, ended, status, 0, "r", "192.0.2.1", "App/1.0", "1.0", "ann", None, grant=1
    )
    return replace(one, **more)


EXPIRED = [exchange(Kind.API, at, 401, reason=Reason.TOKEN_EXPIRED, fault=CAUSE) for at in (1.0, 2.0)]
REFRESH = exchange(Kind.REFRESH, 1.5, 401, reason=Reason.REFRESH_EXPIRED)


def at(exchanges: list[Exchange], *, shared: bool = False, tells: set[str] = ALL) -> float | None:
    found = first_shown(exchanges, CAUSE, shared=shared, tells=tells)
    return None if found is None else found.ended


def test_refused_calls_without_a_reason_are_those_of_a_visitor_until_there_is_a_sign_of_a_session():
    assert at(EXPIRED) == 1.0
    assert at(EXPIRED, tells={"device_id"}) is None
    assert at([EXPIRED[0], REFRESH, EXPIRED[1]], tells={"device_id"}) == 2.0


def test_so_are_calls_without_a_token_whatever_the_log_tells():
    without = [replace(one, reason=Reason.MISSING_TOKEN) for one in EXPIRED]
    assert at(without) is None
    assert at([without[0], REFRESH, without[1]]) == 2.0


def test_what_a_session_does_after_its_logout_is_that_of_any_session_without_it():
    for status, reason in ((200, None), (401, Reason.TOKEN_EXPIRED)):
        outlived = [exchange(Kind.API, t, status, reason=reason, logged_out=0.5, fault=CAUSE) for t in (1.0, 2.0)]
        assert at(outlived) is None
        assert at([outlived[0], exchange(Kind.LOGOUT, 1.5), outlived[1]]) == 2.0
    revoked = exchange(Kind.API, 1.0, 401, reason=Reason.REVOKED, logged_out=0.5, fault=CAUSE)
    assert at([revoked]) == 1.0


def test_a_copy_of_a_session_is_another_device_without_ids_until_its_token_is_refused_for_its_use():
    used = exchange(Kind.API, 0.5, fault=CAUSE)
    reused = exchange(Kind.REFRESH, 3.0, 401, reason=Reason.REFRESH_REUSED, fault=CAUSE)
    copied = [used, *EXPIRED, reused]
    assert at(copied, shared=True) == 0.5
    assert at(copied, shared=True, tells={"reason"}) == 3.0
    assert at(copied, shared=True, tells=set()) is None
    assert at(copied, tells={"reason"}) == 0.5
