"""A partition's sessions: the same as walking each device call by call, and the same however devices are spread."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from authforensics import states
from authforensics.correlate import endpoints, partition, population
from authforensics.correlate.identity import FALLBACK
from authforensics.schema import MESSAGES, REASON, REQUESTS, TIMESTAMP, EndpointClass, Sessions
from authforensics.states import AuthEvent, AuthState
from examples import examples

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
#: What each auth event looks like in a log.
CALLS = {
    AuthEvent.LOGIN_OK: ("POST", "/login", 200),
    AuthEvent.LOGIN_DENIED: ("POST", "/login", 401),
    AuthEvent.REFRESH_OK: ("POST", "/refresh", 200),
    AuthEvent.REFRESH_DENIED: ("POST", "/refresh", 401),
    AuthEvent.REFRESH_FAILED: ("POST", "/refresh", 503),
    AuthEvent.API_OK: ("GET", "/api", 200),
    AuthEvent.API_DENIED: ("POST", "/api", 401),
    AuthEvent.FORBIDDEN: ("GET", "/api", 403),
    AuthEvent.LOGOUT: ("POST", "/logout", 204),
    AuthEvent.IGNORED: ("GET", "/api", 503),
}
UNSAID = pl.DataFrame(schema=MESSAGES)
CONFIGURED = {
    "ANY ^/api$": EndpointClass.API,
    "ANY ^/refresh$": EndpointClass.REFRESH,
    "ANY ^/login$": EndpointClass.LOGIN,
    "ANY ^/logout$": EndpointClass.LOGOUT,
    "ANY ^/token$": EndpointClass.TOKEN,
    "ANY ^/authorize$": EndpointClass.AUTHORIZE,
}
Call = tuple[str, float, str, str, int]
#: An example takes a while: all tables are made of it.
few = examples(0.6)


def requests(calls: Iterable[Call], **more: list[object]) -> pl.DataFrame:
    """Identified REQUESTS of calls: device, second, method, route, status."""
    rows = [
        {
            "row": number,
            "system": device.partition("-")[0],
            "source": "access.log",
            "line_number": number + 1,
            "timestamp": BEGIN + timedelta(seconds=at),
            "timed": False,
            "clock": 0.001,
            "method": method,
            "route": route,
            "status": status,
            "device_id": device,
            "identity_key": "device_id",
            **{name: values[number] for name, values in more.items()},
        }
        for number, (device, at, method, route, status) in enumerate(calls)
    ]
    frame = pl.DataFrame(rows, schema={"row": pl.Int64, "identity_key": pl.String} | REQUESTS)
    return frame.with_columns(started_at=pl.col("timestamp"))


@dataclass(frozen=True)
class Analysed:
    parts: list[Sessions]
    refused: pl.DataFrame
    spans: pl.DataFrame
    steps: dict[str, int]

    def table(self, name: str, *keys: str) -> pl.DataFrame:
        whole = pl.concat([getattr(part, name) for part in self.parts])
        return whole.with_columns(pl.col(pl.Categorical).cast(pl.String)).sort(keys)

    @property
    def events(self) -> pl.DataFrame:
        return self.table("events", "row").drop("device")


def analysed(frame: pl.DataFrame, parts: int = 1, explained: pl.DataFrame | None = None) -> Analysed:
    """Everything that is done to partitions, devices being dealt out to them by their number."""
    dealt = [
        frame.filter(pl.col("device_id").cast(pl.String).str.extract(r"(\d+)$").cast(pl.Int64) % parts == number)
        for number in range(parts)
    ]
    arranged = [partition.arrange(part) for part in dealt if part.height]
    learned = endpoints.learned([endpoints.observe(part) for part in arranged])
    table = endpoints.classify(endpoints.seen(frame), learned, UNSAID, CONFIGURED)
    spans = frame.group_by("system").agg(begin=pl.col("timestamp").min(), end=pl.col("timestamp").max())
    steps = {str(system): population.step(begin, end) for system, begin, end in spans.rows()}
    classed = [partition.classed(part, table) for part in arranged]
    return Analysed(
        parts=[partition.sessions_of(part, explained, spans, steps) for part in classed],
        refused=pl.concat([partition.refused(part) for part in classed]),
        spans=spans,
        steps=steps,
    )


def lives() -> st.SearchStrategy[list[Call]]:
    """Some calls of a few devices, minutes apart, so that none is in flight beside another."""
    event = st.sampled_from(list(CALLS))
    device = st.sampled_from(["s-0", "s-1", "s-2", "t-3"])
    return st.lists(st.tuples(device, event), min_size=1, max_size=60).map(
        lambda rows: [(device, 100.791 * number, *CALLS[event]) for number, (device, event) in enumerate(rows)]
    )


def test_an_event_that_repeats_itself_leads_nowhere_new():
    for state in AuthState:
        for event in AuthEvent:
            once = states.step(state, event)
            assert states.step(once, event) is once, (state, event)


@few
@given(lives())
def test_scanning_is_walking_each_device_call_by_call(calls):
    names = {call: event for event, call in CALLS.items()}
    now: dict[str, dict[str, object]] = {}
    expected = []
    for device, at, *call in calls:
        event = names[tuple(call)]
        mine = now.setdefault(
            device, {"state": AuthState.UNKNOWN, "session": 0, "grant": 0, "episode": 0, "granted_by": None, "at": None}
        )
        before = mine["state"]
        mine["state"] = states.step(before, event)
        left = before is AuthState.LOGGED_OUT and mine["state"] is not AuthState.LOGGED_OUT
        mine["session"] += event is AuthEvent.LOGIN_OK or left
        if event in {AuthEvent.LOGIN_OK, AuthEvent.REFRESH_OK}:
            mine |= {"grant": mine["grant"] + 1, "granted_by": event.value, "at": at}
        age = None if mine["at"] is None else round(at - mine["at"], 6)
        expected.append(
            (
                event.value,
                *(mine["state"].value, mine["session"], mine["grant"], mine["episode"], mine["granted_by"], age),
            )
        )
        mine["episode"] += event in {AuthEvent.API_OK, AuthEvent.LOGOUT}
    events = analysed(requests(calls)).events
    columns = ["auth_event", "state", "session", "grant", "episode", "granted_by", "age"]
    assert events.select(columns).rows() == expected


@few
@given(lives(), st.integers(2, 4), st.randoms(use_true_random=False))
def test_neither_the_spread_of_devices_nor_the_order_of_requests_shows(calls, parts, random):
    frame = requests(calls)
    order = list(range(frame.height))
    random.shuffle(order)
    whole, spread = analysed(frame), analysed(frame[order], parts)
    for name, *keys in (
        ("events", "row"),
        ("sessions", "system", "device_id", "session"),
        ("grants", "system", "device_id", "grant"),
        ("episodes", "system", "device_id", "episode"),
        ("devices", "system", "device_id"),
        ("refused", "row"),
    ):
        if name == "refused":
            one, other = whole.refused.sort(keys), spread.refused.sort(keys)
        else:
            one, other = whole.table(name, *keys), spread.table(name, *keys)
        assert_frame_equal(one.drop("device", strict=False), other.drop("device", strict=False), check_exact=True)
    merged = [
        (
            population.merge_rates([part.rates for part in one.parts]),
            population.merge([part.changes for part in one.parts], one.spans, one.steps),
        )
        for one in (whole, spread)
    ]
    for one, other in zip(*merged, strict=True):
        assert_frame_equal(one, other)


@few
@given(lives())
def test_every_request_is_counted_once_in_every_table(calls):
    found = analysed(requests(calls))
    counts = found.table("counts")
    assert counts["count"].sum() == len(calls)
    sessions = found.table("sessions")
    for event, count in found.events.group_by("auth_event").len().rows():
        assert sessions[event].sum() == count
        assert counts.filter(pl.col("auth_event") == event)["count"].sum() == count
    assert found.table("devices")["requests"].sum() == len(calls)
    acting = found.events.filter(pl.col("auth_event") != "ignored")
    rates = population.merge_rates([part.rates for part in found.parts])
    assert rates["count"].sum() == acting.height
    grants, current = found.table("grants"), acting.filter(~pl.col("straggler"))
    assert grants["accepted"].sum() == (current["auth_event"] == "api_ok").sum()
    assert grants["refused"].sum() == (current["auth_event"] == "api_denied").sum()
    episodes = found.table("episodes")
    assert episodes["denied"].sum() == (current["auth_event"] == "api_denied").sum()
    assert episodes["refresh_denied"].sum() == (current["auth_event"] == "refresh_denied").sum()


@few
@given(lives())
def test_the_states_of_a_fleet_add_up_to_its_devices(calls):
    found = analysed(requests(calls))
    populations = population.merge([part.changes for part in found.parts], found.spans, found.steps)
    last = populations.filter(pl.col("at") == pl.col("at").max().over("system"), pl.col("devices") > 0)
    states_now = found.table("devices").group_by("system", "state").len(name="devices")
    assert_frame_equal(
        last.select(pl.col("system").cast(pl.String), "state", "devices"),
        states_now.cast({"devices": pl.Int64}),
        check_row_order=False,
    )


def test_devices_are_in_order_of_system_and_name_their_calls_of_time_and_line():
    calls = [("b-1", 5.0, "GET", "/a", 200), ("a-2", 9.0, "GET", "/b", 200), ("b-1", 1.0, "GET", "/c", 200)]
    calls += [("b-1", 5.0, "GET", "/d", 200), ("a-10", 0.0, "GET", "/e", 200)]
    arranged = partition.arrange(requests(calls)[[3, 0, 4, 2, 1]])
    assert arranged["route"].to_list() == ["/e", "/b", "/c", "/a", "/d"]
    assert arranged["device"].to_list() == [0, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("before", "name"),
    [
        ([], "login"),
        ([("GET", "/api", 200)], "refresh"),
        ([("POST", "/token", 200)], "refresh"),
        ([("POST", "/token", 400)], "login"),
        ([("GET", "/api", 200), ("GET", "/authorize", 302)], "login"),
        ([("GET", "/api", 200), ("POST", "/logout", 200)], "login"),
        ([("GET", "/other", 200)], "login"),
    ],
)
def test_a_token_call_is_what_the_device_did_before_makes_it(before, name):
    calls = [("s-0", float(at), *call) for at, call in enumerate([*before, ("POST", "/token", 200)])]
    neighbours = [("s-1", 50.0, "POST", "/token", 200), ("r-9", 0.0, "GET", "/api", 200)]
    events = analysed(requests([*calls, *neighbours])).events
    assert events.filter(pl.col("device_id") == "s-0")["endpoint_class"].to_list()[-1] == name
    assert events.filter(pl.col("device_id") == "s-1")["endpoint_class"].to_list() == ["login"]


@pytest.mark.parametrize(
    ("after", "seconds", "names"),
    [
        ([], 3.0, ["refresh", "login"]),
        ([], 0.9, ["refresh", "refresh"]),
        ([("POST", "/token", 400)], 3.0, ["refresh", "refresh", "login"]),
        ([("GET", "/api", 401)], 3.0, ["refresh", "login"]),
        ([("GET", "/api", 200)], 3.0, ["refresh", "refresh"]),
        ([("POST", "/token", 503)], 3.0, ["refresh", "refresh", "login"]),
    ],
    ids=["granted", "beside it", "refused twice", "with its old token", "its session goes on", "no answer"],
)
def test_what_is_granted_after_a_refused_refresh_is_a_login(after, seconds, names):
    calls = [("GET", "/api", 200), ("POST", "/token", 400), *after, ("POST", "/token", 200)]
    told = requests(("s-0", seconds * at, *call) for at, call in enumerate(calls))
    for begun in ("timestamp", None):
        events = analysed(told.with_columns(started_at=begun or pl.lit(None, TIMESTAMP))).events
        assert events.filter(pl.col("route") == "/token")["endpoint_class"].to_list() == names


def test_a_route_without_a_name_is_one_too():
    frame = requests([("s-0", 0.0, "GET", "/api", 200), ("s-0", 1.0, "GET", "/x", 401)])
    blank = pl.col("row") == 1
    frame = frame.with_columns(
        pl.when(~blank).then("method").alias("method"), pl.when(~blank).then("route").alias("route")
    )
    assert analysed(frame).events["endpoint_class"].to_list() == ["api", "api"]


def test_the_log_itself_explains_before_a_message_does_and_the_endpoint_says_what_it_means():
    calls = [
        ("s-0", 0.0, "GET", "/api", 401),
        ("s-0", 50.0, "POST", "/refresh", 401),
        ("s-0", 99.0, "GET", "/api", 401),
        ("s-0", 150.0, "GET", "/api", 403),
    ]
    frame = requests(calls, reason=["signature_invalid", None, None, None])
    explained = pl.DataFrame(
        {"row": [0, 1, 3], "reason": ["revoked", "token_expired", "token_expired"], "how": ["request_id"] * 3},
        schema_overrides={"reason": REASON},
    )
    events = analysed(frame, explained=explained).events
    assert events["reason"].to_list() == ["signature_invalid", "refresh_expired", None, "token_expired"]
    assert events["reason_how"].to_list() == ["log", "request_id", None, "request_id"]
    assert events["auth_event"].to_list() == ["api_denied", "refresh_denied", "api_denied", "api_denied"]


def test_what_a_message_may_explain():
    calls = [
        ("s-0", 0.0, "GET", "/api", 401),
        ("s-0", 1.0, "GET", "/api", 200),
        ("s-0", 2.0, "GET", "/api", 403),
        ("s-0", 3.0, "POST", "/refresh", 400),
        ("s-0", 4.0, "POST", "/login", 401),
        ("s-1", 5.0, "GET", "/api", 401),
    ]
    refused = analysed(requests(calls)).refused.sort("row")
    assert refused["row"].to_list() == [0, 2, 3, 5]
    assert refused["session_before"].to_list() == [False, True, True, False]
    assert refused["counted"].to_list() == [True, False, True, True]


def test_what_is_known_of_a_device_is_the_last_that_was_said_and_the_weakest_of_its_identities():
    calls = [("s-0", float(at), "GET", "/api", 200) for at in range(3)]
    calls += [("s-1", 9.0, "POST", "/login", 401), ("s-2", 9.0, "GET", "/api", 401)]
    frame = requests(
        calls,
        platform=["ios", "android", None, None, None],
        app_version=["1", None, None, None, "2"],
        identity_key=["device_id", "client_ip+user_agent", "device_id", "user_id", "session_id"],
    )
    rows = analysed(frame).table("devices", "device_id")
    rows = rows.drop("system", "state", "user_id", "client_ip", "user_agent").rows()
    assert rows == [
        ("s-0", "client_ip+user_agent", "android", "1", 3, 0, True),
        ("s-1", "user_id", None, None, 1, 0, False),
        ("s-2", "session_id", None, "2", 1, 1, True),
    ]


def test_refused_calls_are_healed_left_open_or_of_strangers():
    calls = [
        *(("s-0", 0.0, "GET", "/api", 401), ("s-0", 9.0, "GET", "/api", 401), ("s-0", 99.0, "GET", "/api", 200)),
        *(("s-1", 0.0, "GET", "/api", 200), ("s-1", 9.0, "GET", "/api", 401)),
        ("s-2", 0.0, "GET", "/api", 401),
    ]
    assert analysed(requests(calls)).table("closed").rows() == [("s", 2, 1)]


def test_a_partition_without_requests_has_tables_without_rows():
    calls = requests([("s-0", 0.0, "GET", "/api", 200), ("s-0", 5.0, "GET", "/api", 401)])
    table = endpoints.classify(
        endpoints.seen(calls), endpoints.observe(calls.clear().with_columns(device=0)), UNSAID, CONFIGURED
    )
    whole = analysed(calls)
    empty = partition.sessions_of(
        partition.classed(partition.arrange(calls.clear()), table), None, whole.spans, whole.steps
    )
    for name in ("events", "sessions", "grants", "episodes", "rates", "devices", "changes", "counts", "closed"):
        assert getattr(empty, name).is_empty()
        assert getattr(empty, name).schema == getattr(whole.parts[0], name).schema, name


def test_what_only_told_devices_apart_is_left_behind():
    calls = requests([("s-0", 0.0, "GET", "/api", 200)], client_ip=["192.0.2.1"], user_agent=["app/1"])
    assert "session_id" not in partition.arrange(calls).columns


def test_addresses_are_kept_where_they_are_not_the_name():
    calls = requests([("s-0", 0.0, "GET", "/api", 200)], client_ip=["192.0.2.1"], user_agent=["app/1"])
    assert partition.arrange(calls).select("client_ip", "user_agent").row(0) == ("192.0.2.1", "app/1")
    nameless = calls.with_columns(device_id=pl.lit(None, REQUESTS["device_id"]), identity_key=pl.lit(FALLBACK))
    arranged = partition.arrange(nameless)
    assert arranged.select("client_ip", "user_agent").row(0) == (None, None)
    assert arranged["device_id"].to_list() == ["192.0.2.1|app/1"]
