"""Which routes are one but for their ids, told when all are known."""

from __future__ import annotations

import random
import string
from collections.abc import Iterable

import polars as pl
import pytest

from authforensics.correlate.reasons import with_templates
from authforensics.correlate.templates import templated, templates
from authforensics.schema import TEXT, EndpointClass

WORDS = [f"{one}{other}" for one in string.ascii_lowercase for other in string.ascii_lowercase]
Route = tuple[str, int, int]


def called(
    routes: Iterable[str | Route], system: str = "s", method: str = "GET", *, there: bool = True
) -> pl.DataFrame:
    """Routes with how often they were called, by default once, and how often refused, by default never.

    Counts have the types that `endpoints.seen` gives them. Those that are not `there` were always answered 404.
    """
    rows = [(route, 1, 0) if isinstance(route, str) else route for route in routes]
    return pl.DataFrame(
        {
            "system": pl.Series([system] * len(rows), dtype=TEXT),
            "method": pl.Series([method] * len(rows), dtype=TEXT),
            "route": pl.Series([route for route, _, _ in rows], dtype=TEXT),
            "requests": [requests for _, requests, _ in rows],
            "refused": [refused for _, _, refused in rows],
            "found": [requests if there else 0 for _, requests, _ in rows],
        },
        schema_overrides={"requests": pl.UInt32, "refused": pl.UInt32, "found": pl.UInt32},
    )


def of(*frames: pl.DataFrame, configured: dict[str, EndpointClass] | None = None) -> dict[str, str]:
    found = templates(pl.concat(frames), configured or {})
    return dict(found.select(pl.col("route", "template").cast(pl.String)).rows())


def ids(count: int, length: int = 8, letters: str = string.ascii_lowercase + string.digits) -> list[str]:
    chance = random.Random(length)
    return ["".join(chance.choices(letters, k=length)) for _ in range(count)]


def test_short_ids_are_one_template_with_what_stands_behind_them():
    routes = [f"/api/orders/{one}{end}" for one in ids(40) for end in ("", "/lines", "/lines?action=list")]
    ends = {"", "/lines", "/lines?action=list"}
    assert of(called(routes)) == {route: f"/api/orders/{{id}}{route[20:]}" for route in routes}
    assert {route[20:] for route in routes} == ends


@pytest.mark.parametrize(
    ("count", "collapsed"), [(9, False), (10, True)], ids=["few may be operations", "that many are none"]
)
def test_it_takes_ten_of_them(count, collapsed):
    routes = [f"/api/orders/a{number}b" for number in range(count)]
    assert of(called(routes)) == (dict.fromkeys(routes, "/api/orders/{id}") if collapsed else {})


def test_ids_within_ids_are_found_though_each_stands_alone():
    routes = [f"/teams/{one}/members/{other}" for one, other in zip(ids(30), ids(30, 9), strict=True)]
    assert set(of(called(routes)).values()) == {"/teams/{id}/members/{id}"}


def test_those_of_letters_alone_go_with_those_that_have_digits():
    routes = [f"/t/{one}" for one in ids(60, 4, string.ascii_letters + string.digits)]
    assert sum(route[3:].isalpha() for route in routes) > 10
    assert of(called(routes)) == dict.fromkeys(routes, "/t/{id}")


def test_what_reading_collapsed_is_one_of_them():
    routes = ["/t/{id}", "/t/[redacted]", *(f"/t/{one}9" for one in ids(9))]
    assert of(called(routes)) == dict.fromkeys(routes[1:], "/t/{id}")


def test_names_are_ids_where_there_are_very_many_of_them():
    many = [f"/users/{word}" for word in WORDS[:100]]
    assert of(called(many)) == dict.fromkeys(many, "/users/{id}")
    assert of(called(many[:99])) == {}


def test_at_the_root_words_are_none_for_anybody_may_call_anything_there():
    assert of(called(f"/{word}" for word in WORDS)) == {}


def test_resources_stay_beside_names_if_they_are_called_often():
    names = [(f"/users/{word}", 3, 1) for word in WORDS[:200]]
    found = of(called([*names, ("/users/search", 60, 20)]))
    assert found == {route: "/users/{id}" for route, _, _ in names}


def test_what_is_never_refused_where_others_are_is_public_and_stays():
    names = [(f"/users/{word}", 10, 5) for word in WORDS[:200]]
    found = of(called([*names, ("/users/settings", 20, 0)]))
    assert "/users/settings" not in found
    assert len(found) == 200


def test_one_that_is_well_is_a_user_as_others_if_its_calls_are_theirs():
    ends = ("/orders", "/profile")
    routes = [(f"/users/{word}{end}", 20, 10) for word in WORDS[:200] for end in ends]
    well = [(f"/users/healthy{end}", 20, 0) for end in ends]
    assert len(of(called([*routes, *well]))) == 402


def test_what_a_scanner_tries_makes_no_ids_of_an_api():
    api = [(f"/api/{word}", 40, 0) for word in WORDS[:61]] + [("/api/reports", 40, 20)]
    tried = called((f"/api/{word}" for word in WORDS[100:250]), there=False)
    shells = called((f"/shell{number}.php" for number in range(20)), there=False)
    assert of(called(api), tried, shells, called(["/b2b/orders", "/b2c/orders"])) == {}


def test_what_is_called_very_often_is_none_for_its_digits():
    often = [("/b2b/orders", 50_000, 300), ("/b2c/orders", 90_000, 0)]
    rarely = [f"/{one}1/orders" for one in WORDS[:10]]
    assert of(called([*often, *rarely])) == dict.fromkeys(rarely, "/{id}/orders")


def test_operations_that_are_called_very_often_are_no_names_however_many():
    rpc = [(f"/rpc/Get{word.title()}", 2_000 + 10 * at, at % 7) for at, word in enumerate(WORDS[:120])]
    assert of(called(rpc)) == {}
    assert of(called([*rpc, *(f"/rpc/List{word.title()}" for word in WORDS[:80])])) == {}


def test_users_who_call_very_often_are_names_by_what_they_have_in_common():
    users = [(f"/users/{word}/orders", 5_000, 300) for word in WORDS[:120]]
    assert set(of(called(users)).values()) == {"/users/{id}/orders"}


def test_products_of_many_calls_are_no_less():
    users = [(f"/api/{word}7", 257_000, 25_700) for word in WORDS[:199]]
    found = of(called([*users, ("/api/waa", 257_000, 0)]))
    assert found == {route: "/api/{id}" for route, _, _ in users}


def test_versions_and_names_with_versions_are_no_ids():
    services = [f"/acme.{word}.v1.Service/List" for word in WORDS[:30]]
    versions = [f"/v{number}/orders" for number in range(1, 30)]
    assert of(called([*services, *versions])) == {}


def test_what_a_pattern_or_the_configuration_names_stays():
    routes = [f"/auth/{one}" for one in ids(20)]
    named = called(["/auth/login", "/auth/refresh"], method="POST")
    found = of(called(routes), named, configured={f"GET ^{routes[0]}$": EndpointClass.API})
    assert found == dict.fromkeys(routes[1:], "/auth/{id}")


def test_preflights_go_with_the_calls_they_are_for():
    routes = [f"/t/{one}" for one in ids(20)]
    assert of(called(routes), called(routes, method="OPTIONS")) == dict.fromkeys(routes, "/t/{id}")


def test_each_system_has_its_own():
    here, there = called([f"/t/{one}" for one in ids(20)], "here"), called(["/t/ab12", "/t/cd34"], "there")
    found = templates(pl.concat([here, there]), {})
    assert set(found["system"].cast(pl.String)) == {"here"}
    both = pl.DataFrame(
        {"system": ["there", "here", "here"], "route": ["/t/ab12", ids(20)[0], f"/t/{ids(20)[0]}"], "n": [1, 2, 3]}
    )
    told = templated(both.with_columns(pl.col("system", "route").cast(TEXT)), found)
    assert told["route"].cast(pl.String).to_list() == ["/t/ab12", ids(20)[0], "/t/{id}"]
    assert told["n"].to_list() == [1, 2, 3]


def test_odd_paths_are_left_alone():
    routes = ["*", "", "/", "//", "/t/", "t/ab12", *("/deep" * 20 + f"/{one}" for one in ids(20))]
    assert of(called([*routes, *(f"/t/{one}/" for one in ids(20))])) == {f"/t/{one}/": "/t/{id}/" for one in ids(20)}


def test_no_route_at_all():
    empty = called([])
    assert of(empty) == {}
    assert templated(empty, templates(empty, {})).is_empty()


def test_messages_that_name_an_id_speak_of_the_route_that_it_is_of():
    orders, bills = [f"/orders/{one}" for one in ids(20)], [f"/bills/{one}" for one in ids(20, 9)]
    both = [f"/{name}/{number}x" for name in ("orders", "bills") for number in range(10)]
    known = templates(called([*orders, *bills, *both]), {})
    said = [ids(20)[3], ids(20, 9)[0], "profile", "3x", None]
    messages = pl.DataFrame({"system": pl.Series(["s"] * 5, dtype=TEXT), "stem": pl.Series(said, dtype=TEXT)})
    told = with_templates(messages, known)
    assert told["stem"].cast(pl.String).to_list() == ["orders", "bills", "profile", "3x", None]
    assert told.schema == messages.schema
    assert with_templates(messages, known.clear()) is messages
