"""What a device must be seen for, by what it did and by what the log tells of it."""

from __future__ import annotations

from authforensics.schema import Reason
from authforensics.simulate.labels import labels
from authforensics.simulate.record import Actor, Exchange, Kind

PHONE = Actor("phone-1", "u1", "android", "1.0", "192.0.2.1", "app/1.0", "phones")


def exchange(kind, at, status=200, **known):
    common = {"method": "GET", "path": "/api/a", "size": 1, "request_id": "r", "address": "192.0.2.1"}
    more = {"agent": "app/1.0", "version": "1.0", "user": "u1", "instance": None, "started": at, "ended": at + 0.1}
    return Exchange(actor=PHONE, kind=kind, status=status, **{**common, **more, **known})


def must(exchanges, *, told, shared=False, named=True):
    return [name for name, plain in labels(exchanges, shared=shared, told=told, named=named).items() if plain]


def refused(status=401, reason=Reason.TOKEN_EXPIRED):
    return [exchange(Kind.API, 60.0 * minute, status, reason=reason, grant=1) for minute in range(1, 15)]


def test_an_old_refresh_token_sent_long_after_shows_only_in_its_reason():
    given = exchange(Kind.REFRESH, 0.0, grant=1, issued=2)
    again = exchange(Kind.REFRESH, 900.0, 401, grant=1, reason=Reason.REFRESH_REUSED)
    assert must([given, again], told=True) == ["lost_refresh_response"]
    assert must([given, again], told=False) == []
    assert labels([given, again], shared=False, told=False) == {"lost_refresh_response": False}


def test_who_used_a_token_before_shows_without_device_ids_only_if_it_happens_again():
    given = exchange(Kind.REFRESH, 0.0, grant=1, issued=2)
    once = [given, exchange(Kind.REFRESH, 900.0, 401, grant=1, reason=Reason.REFRESH_REUSED)]
    assert must(once, told=True, named=False) == []
    assert labels(once[1:], shared=False) == {}
    assert labels(once[1:], shared=False, named=False) == {"lost_refresh_response": False}
    later = exchange(Kind.REFRESH, 1800.0, grant=3, issued=4)
    twice = [*once, later, exchange(Kind.REFRESH, 2700.0, 401, grant=3, reason=Reason.REFRESH_REUSED)]
    assert must(twice, told=True, named=False) == ["lost_refresh_response"]


def test_a_session_that_two_clients_share_is_one_only_by_a_device_id():
    mine = [exchange(Kind.API, 10.0 * number, grant=1) for number in range(20)]
    theirs = [exchange(Kind.API, 10.0 * number + 5, grant=1, agent="app/2.0") for number in range(20)]
    assert must([*mine, *theirs], told=True, shared=True) == ["session_shared"]
    assert must([*mine, *theirs], told=True, shared=True, named=False) == []
    assert labels([*mine, *theirs], shared=True, named=False)["session_shared"] is False


def test_an_answer_that_got_lost_shows_in_any_log_if_the_client_comes_back_soon():
    given = exchange(Kind.REFRESH, 0.0, grant=1, issued=2, received=False)
    again = exchange(Kind.REFRESH, 60.0, 401, grant=1, reason=Reason.REFRESH_REUSED)
    assert must([given, again], told=False) == ["lost_refresh_response"]
    late = exchange(Kind.REFRESH, 2000.0, 401, grant=1, reason=Reason.REFRESH_REUSED)
    assert must([given, late], told=True) == ["lost_refresh_response"]
    assert must([given, late], told=False) == []


def test_a_403_is_about_the_token_only_where_the_log_says_so():
    login = exchange(Kind.LOGIN, 0.0, issued=1)
    assert must([login, *refused()], told=False) == ["retry_without_refresh"]
    assert must([login, *refused(403)], told=True) == ["retry_without_refresh"]
    assert must([login, *refused(403)], told=False) == []


def test_calls_refused_from_the_first_on_may_be_those_of_a_visitor():
    assert must(refused(), told=True) == ["retry_without_refresh"]
    assert must(refused(), told=False) == []
