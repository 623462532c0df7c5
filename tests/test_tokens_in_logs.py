"""What the tokens that a log shows add to the diagnosis: who, for how long, by which key, the old one or the new."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

import authforensics as af
from tokens.made import signed

START = datetime(2025, 12, 25, 4, 0, tzinfo=UTC)
OLD, NEW = "old-key-8f1c0b7d3e5a9246f0b1c2d3", "new-key-8f1c0b7d3e5a9246f0b1c2d3"


class Log:
    """Requests as an application writes them that logs all headers."""

    def __init__(self) -> None:
        self.lines: list[tuple[datetime, dict[str, object]]] = []

    def call(self, at: float, path: str, status: int, token: str | None, **more: object) -> None:
        time = START + timedelta(seconds=at)
        line = {"time": time.isoformat(), "remote_addr": "10.0.0.1", "method": "POST", "path": path, "status": status}
        if token is not None:
            line["http_authorization"] = f"Bearer {token}"
        self.lines.append((time, line | more))

    def write(self, path: Path) -> Path:
        ordered = sorted(self.lines, key=lambda one: one[0])
        path.write_text("".join(json.dumps(line) + "\n" for _, line in ordered))
        return path


def token(number: int, at: float, key: str = OLD, life: int = 600, **header: str) -> str:
    issued = int(START.timestamp() + at)
    return signed({"sub": f"user-{number}", "sid": f"s{number}", "iat": issued, "exp": issued + life}, key, **header)


def keeping_the_old_token(*, sends_new: bool) -> Iterator[tuple[float, str, int, str | None]]:
    for number in range(12):
        begin = number * 7.0
        first = token(number, begin)
        yield begin, "/auth/login", 200, None
        yield from ((begin + 2 + 60 * step, "/api/orders", 200, first) for step in range(10))
        for again in range(6):
            at = begin + 605 + 20 * again
            yield at, "/api/orders", 401, first
            yield at + 1, "/auth/refresh", 200, None
            yield at + 3, "/api/orders", 401, token(number, at + 1) if sends_new else first


def analyzed(tmp_path: Path, calls: Iterator[tuple[float, str, int, str | None]]) -> af.Analysis:
    log = Log()
    for number, (at, path, status, sent) in enumerate(calls):
        # One address and agent for all: only tokens, or this id where there is none, tell who it is.
        log.call(at, path, status, sent, **({} if sent else {"session_id": f"s{number // 29}"}))
    return af.analyze([log.write(tmp_path / "app.log")])


@pytest.fixture(scope="module", params=[False, True], ids=["the old one is sent", "the new one is sent"])
def old_or_new(request, tmp_path_factory):
    calls = keeping_the_old_token(sends_new=request.param)
    return request.param, analyzed(tmp_path_factory.mktemp("logs"), calls)


def test_devices_are_told_apart_by_the_sessions_of_their_tokens(old_or_new):
    system = old_or_new[1].document.systems[0]
    assert system.identity.devices == 12
    assert system.identity.ladder[0].key == "session_id"
    assert all(device.device_id.startswith("session:") for device in old_or_new[1].document.devices)


def test_the_lifetime_is_the_one_they_claim(old_or_new):
    access = old_or_new[1].document.systems[0].lifetimes.access
    assert (access.seconds, access.low, access.high, access.how) == (600, 600, 600, "claims")


def test_the_old_token_is_told_from_the_new_one(old_or_new):
    sends_new, analysis = old_or_new
    causes = {one.cause: one for one in analysis.incidents[0].root_causes}
    first = analysis.incidents[0].root_causes[0]
    if sends_new:
        assert first.cause != "client_keeps_old_token"
    else:
        assert (first.cause, first.confidence) == ("client_keeps_old_token", "high")
        assert any("issued before it" in one for one in causes["client_keeps_old_token"].for_)


def test_a_refusal_without_a_word_is_explained_by_the_token_itself(old_or_new):
    sends_new, analysis = old_or_new
    denied = analysis.events.filter(pl.col("auth_event") == "api_denied")
    reasons = denied["reason"].cast(pl.String).value_counts().rows()
    assert dict(reasons) == ({"token_expired": 72, None: 72} if sends_new else {"token_expired": 144})


def test_tokens_have_names_that_say_nothing_of_them(old_or_new):
    sends_new, analysis = old_or_new
    shown = analysis.events.filter(pl.col("token_id").is_not_null())
    assert shown["token_id"].n_unique() == (12 + 72 if sends_new else 12)
    assert shown["token_id"].str.contains(r"^token:[0-9a-f]{12}$").all()
    assert analysis.document.tokens.seen == shown["token_id"].n_unique()


@pytest.mark.parametrize("new", [False, True])
def test_a_refusal_right_after_a_refresh_is_of_the_token_that_the_line_has(new, tmp_path):
    """Nothing tells how long requests took: without a token it may be a call that was on its way."""
    log = Log()
    for number in range(3):
        begin = 10.0 * number
        old = token(number, begin)
        log.call(begin, "/auth/login", 200, None, session_id=f"s{number}")
        log.call(begin + 5, "/api/orders", 200, old)
        log.call(begin + 300, "/auth/refresh", 200, None, session_id=f"s{number}")
        log.call(begin + 301, "/api/orders", 401, token(number, begin + 300) if new else old)
    told = af.analyze([log.write(tmp_path / "app.log")]).events
    assert told.filter(pl.col("status") == 401)["straggler"].to_list() == [not new] * 3


@pytest.mark.parametrize("key", [None, b"a key of sixteen bytes"])
def test_with_a_key_sessions_and_tokens_have_the_same_names_in_every_run(key, tmp_path):
    def names(log: str, *numbers: int) -> tuple[set[str], set[str]]:
        made = Log()
        for number in numbers:
            made.call(number, "/auth/login", 200, None, session_id=f"s{number}")
            made.call(number + 5, "/api/orders", 200, token(number, 0))
        events = af.analyze([made.write(tmp_path / log)], fingerprint_key=key).events
        return set(events["device_id"].cast(pl.String)), set(events["token_id"].drop_nulls())

    for first, second in zip(names("a.log", 1, 2), names("b.log", 2, 3), strict=True):
        assert (len(first), len(second), len(first & second)) == (2, 2, 0 if key is None else 1)


def test_an_incident_of_one_key_says_so(tmp_path):
    log = Log()
    for number in range(24):
        begin, key = number * 5.0, "k-2" if number % 3 == 0 else "k-1"
        for step in range(20):
            at = begin + 30 * step
            sent = token(number, begin, life=3600, kid=key)
            log.call(at, "/api/orders", 401 if key == "k-2" and step > 5 else 200, sent)
    analysis = af.analyze([log.write(tmp_path / "app.log")])
    assert analysis.incidents[0].scope.key_id == ("k-2",)
