"""Who a line belongs to, and which folders are one system."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from authforensics.correlate import Options, condense, correlate, endpoints
from authforensics.correlate.systems import join_folders, with_messages
from authforensics.errors import UnknownName
from authforensics.schema import COLLECTED, TEXT
from script import ENDPOINTS, play


def events(**columns: list) -> pl.DataFrame:
    base = play("\n".join(["10:00:00 a api_ok"] * len(next(iter(columns.values())))))
    return base.with_columns(pl.Series(name, values, dtype=COLLECTED[name]) for name, values in columns.items())


def identified(frame: pl.DataFrame, key: str | None = None) -> list[tuple[str, str]]:
    done = correlate(frame, Options(device_key=key)).sessions.events.sort("row")
    return list(zip(done["device_id"].to_list(), done["identity_key"].to_list(), strict=True))


def test_lines_without_an_id_are_stitched_where_one_device_is_behind_the_address():
    frame = events(device_id=["a", "a", None, "b"], client_ip=["1", "1", "1", "2"], user_agent=["x"] * 4)
    assert identified(frame) == [("a", "device_id"), ("a", "device_id"), ("a", "device_id"), ("b", "device_id")]


def test_behind_a_nat_nothing_is_stitched():
    frame = events(device_id=["a", "b", None, "b"], client_ip=["1"] * 4, user_agent=["x"] * 4)
    assert identified(frame)[2] == ("1|x", "client_ip+user_agent")


def test_a_key_that_few_lines_carry_is_not_used():
    frame = events(device_id=["a", None, None, None], client_ip=["1", "1", "2", "2"], user_agent=["x"] * 4)
    assert {key for _, key in identified(frame)} == {"client_ip+user_agent"}


def test_the_caller_may_choose():
    frame = events(device_id=["a", "b"], user_id=["u", "u"], client_ip=["1", "2"], user_agent=["x", "y"])
    assert identified(frame, "user_id") == [("u", "user_id"), ("u", "user_id")]
    assert identified(frame, "client_ip+user_agent")[0] == ("1|x", "client_ip+user_agent")


def test_session_ids_are_known_by_their_fingerprint_only():
    frame = events(device_id=[None, None], session_id=["s3cr3t-cookie-value"] * 2, client_ip=["1", "2"])
    (name, key), (other, _) = identified(frame)
    assert (name, key) == (other, "session_id")
    assert name.startswith("session:")
    assert "s3cr3t" not in name


def systems_of(frame: pl.DataFrame, configured: dict[str, list[str]] | None = None) -> dict[str, str]:
    names = frame["system"].unique().cast(pl.String).to_list()
    requests = condense.requests(frame)
    called = condense.all_seen([endpoints.seen(requests)], {})
    return join_folders(names, requests.lazy(), condense.messages(frame), called, configured or {})


def folders(**ids: list[str]) -> pl.DataFrame:
    frames = [
        events(request_id=values, device_id=[None] * len(values)).with_columns(system=pl.lit(name).cast(TEXT))
        for name, values in ids.items()
    ]
    return pl.concat(frames)


def test_folders_that_share_request_ids_are_one_system():
    shared = [f"r{index}" for index in range(8)]
    assert systems_of(folders(app=shared, nginx=[*shared, "x"], other=["q1", "q2"])) == {
        "app": "app",
        "nginx": "app",
        "other": "other",
    }


def test_a_few_common_ids_prove_nothing():
    assert systems_of(folders(one=["1", "2", "3"], two=["1", "2", "3"])) == {"one": "one", "two": "two"}


def test_the_configuration_joins_folders():
    assert systems_of(folders(one=["1"], two=["2"]), {"shop": ["one", "tw*"]}) == {"one": "shop", "two": "shop"}


def test_users_numbered_from_one_do_not_make_two_services_one():
    users = [str(number) for number in range(1, 11)]
    both = [
        events(user_id=users, device_id=[None] * 10).with_columns(system=pl.lit(name).cast(TEXT))
        for name in ("blog", "shop")
    ]
    assert systems_of(pl.concat(both)) == {"blog": "blog", "shop": "shop"}
    messages = both[1].with_columns(kind=pl.lit("message", dtype=both[1].schema["kind"]))
    assert systems_of(pl.concat([both[0], messages])) == {"blog": "blog", "shop": "blog"}


def served(system: str, clients: range, routes: list[str]) -> pl.DataFrame:
    calls = [(f"10.0.0.{client}", route) for client in clients for route in routes]
    frame = events(client_ip=[ip for ip, _ in calls], user_agent=["x"] * len(calls), device_id=[None] * len(calls))
    return frame.with_columns(
        system=pl.lit(system).cast(TEXT), route=pl.Series([route for _, route in calls]).cast(TEXT)
    )


@pytest.mark.parametrize(
    ("clients", "routes", "one"),
    [
        (range(40), ["/a", "/b", "/c", "/d"], True),
        # A server that was added late, and one of which calls at one route are missing.
        (range(15, 40), ["/a", "/b", "/c", "/d"], True),
        (range(40), ["/a", "/b", "/c", "/d", "/e"], True),
        # Other clients; too few of them; another service of the same clients; one that has hardly a route in common.
        (range(38, 80), ["/a", "/b", "/c", "/d"], False),
        (range(19), ["/a", "/b", "/c", "/d"], False),
        (range(40), ["/e", "/f", "/g"], False),
        (range(40), ["/a", "/b", "/e", "/f"], False),
        (range(40), ["/a"], False),
    ],
)
def test_servers_that_share_clients_and_routes_are_one_system(clients, routes, one):
    both = pl.concat([served("node1", range(40), ["/a", "/b", "/c", "/d"]), served("node2", clients, routes)])
    assert systems_of(both) == {"node1": "node1", "node2": "node1" if one else "node2"}


def test_what_is_called_everywhere_makes_no_two_services_one():
    same = ["/healthz", "/app.css"]
    both = pl.concat([served("blog", range(40), [*same, "/posts"]), served("shop", range(40), [*same, "/orders"])])
    assert systems_of(both) == {"blog": "blog", "shop": "shop"}


def test_an_unknown_key_is_named():
    with pytest.raises(UnknownName, match="did you mean 'device_id'"):
        identified(events(device_id=["a"]), "device")


def test_after_a_logout_wrong_passwords_and_stragglers_begin_no_session():
    script = """
    10:00:00.0 a login_ok      took=0.1
    10:00:01.0 a api_ok        took=0.1
    10:10:00.0 a logout        took=0.1
    10:10:00.2 a api_denied    took=0.9
    10:10:00.3 a api_denied    took=0.9
    10:20:00.0 a login_denied  took=0.1
    10:20:10.0 a login_denied  took=0.1
    10:20:20.0 a login_ok      took=0.1
    10:20:21.0 a api_ok        took=0.1
    """
    assert correlate(play(script), Options(endpoints=ENDPOINTS)).sessions.sessions.height == 2


def at(minute: int) -> datetime:
    return datetime(2026, 3, 1, 10, tzinfo=UTC) + timedelta(minutes=minute)


SPANS = {"nginx": (at(0), at(60)), "api1": (at(-5), at(30)), "api2": (at(20), at(70)), "late": (at(90), at(99))}
ALONE = {name: name for name in SPANS}


def test_messages_in_folders_of_their_own_are_of_the_one_system_with_requests_then():
    served = {"nginx": SPANS["nginx"]}
    found = with_messages(ALONE, SPANS, served, (), ())
    assert found == {"nginx": "nginx", "api1": "nginx", "api2": "nginx", "late": "late"}
    # Times without a zone may be those of any.
    assert with_messages(ALONE, SPANS, served, {"late"}, ())["late"] == "nginx"
    # What the configuration names is left as it is.
    assert with_messages(ALONE, SPANS, served, (), {"nginx"}) == ALONE
    assert with_messages(ALONE, SPANS, served, (), {"api1"})["api1"] == "api1"


def test_messages_that_may_be_of_several_systems_are_of_none():
    spans = {**SPANS, "shop": (at(10), at(25))}
    alone = {name: name for name in spans}
    found = with_messages(alone, spans, {name: spans[name] for name in ("nginx", "shop")}, (), ())
    assert found == {**alone, "late": "late"}
    # At its end there is one only.
    spans["api2"] = (at(26), at(70))
    assert with_messages(alone, spans, {name: spans[name] for name in ("nginx", "shop")}, (), ())["api2"] == "nginx"


def test_what_an_application_says_in_a_folder_of_its_own_explains_the_refusals_of_the_proxy():
    calls = play("10:00:00 a api_ok every=10 times=20\n10:05:00 a api_denied every=10 times=9")
    said = [
        {"kind": "message", "timestamp": time + timedelta(milliseconds=20), "message": "invalid token: jwt expired"}
        for time in calls.filter(pl.col("status") == 401)["timestamp"]
    ]
    rows = [{**dict.fromkeys(COLLECTED), **one, "system": "api", "source": "api/app.log"} for one in said]
    told = pl.DataFrame([{**row, "line_number": n} for n, row in enumerate(rows, 1)], schema=COLLECTED)
    proxy = calls.with_columns(system=pl.lit("nginx").cast(TEXT), source=pl.lit("nginx/access.log").cast(TEXT))
    found = correlate(pl.concat([proxy, told]))
    assert found.ground.folders == {"nginx": "nginx", "api": "nginx"}
    assert found.joins["nginx"].explained == found.joins["nginx"].denials == 9
