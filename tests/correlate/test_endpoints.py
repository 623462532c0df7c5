"""What endpoints are for: by pattern, as configured, and learned from how they answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from authforensics.collect.requests import without_ids, without_numbers
from authforensics.correlate import endpoints, partition
from authforensics.schema import MESSAGES, EndpointClass


def classified(method: str, path: str, action: str | None = None) -> tuple[str | None, str | None]:
    route = path if action is None else f"{path}?{action}"
    routes = pl.DataFrame({"method": [method], "route": [route]})
    row = endpoints.by_pattern(routes, {}).to_dicts()[0]
    return row["endpoint_class"], row["how"]


@pytest.mark.parametrize(
    ("method", "path", "action", "name"),
    [
        ("POST", "/api/refresh_token.php", None, "refresh"),
        ("POST", "/api/auth/refresh-token", None, "refresh"),
        ("POST", "/v3/sessions/refresh", None, "refresh"),
        ("POST", "/auth/token/refresh/", None, "refresh"),
        ("POST", "/api/v2/refreshToken", None, "refresh"),
        ("GET", "/auth/refresh_token", None, "refresh"),
        ("POST", "/auth/renew", None, "refresh"),
        ("POST", "/auth/session/refresh", None, "refresh"),
        ("POST", "/api/collections/users/auth-refresh", None, "refresh"),
        ("POST", "/index.php", "action=refresh_token", "refresh"),
        ("GET", "/index.php", "action=refresh_token", "refresh"),
        ("POST", "/auth/v1/token", "grant_type=refresh_token", "refresh"),
        ("POST", "/auth/v1/token", "grant_type=password", "login"),
        ("POST", "/oauth/token", None, "token"),
        ("POST", "/realms/shop/protocol/openid-connect/token", None, "token"),
        ("POST", "/connect/token", None, "token"),
        ("POST", "/common/oauth2/v2.0/token", None, "token"),
        ("POST", "/o/token/", None, "token"),
        ("POST", "/application/o/token/", None, "token"),
        ("POST", "/oidc/token", None, "token"),
        ("POST", "/api/openid/token", None, "token"),
        ("POST", "/idp/v1/token", None, "token"),
        ("POST", "/login/oauth/access_token", None, "token"),
        ("POST", "/sso/oauth2/access_token", None, "token"),
        ("POST", "/idp/token.oauth2", None, "token"),
        ("POST", "/dex/token", None, "token"),
        # A registry's token is of one pull: none that is refreshed.
        ("GET", "/token", "service=registry.example.com", None),
        ("GET", "/o/authorize/", None, "authorize"),
        ("GET", "/oidc/auth", None, "authorize"),
        ("GET", "/oidc/auth/{id}", None, "authorize"),
        ("GET", "/oidc/interaction/{id}", None, "authorize"),
        ("GET", "/api/oidc/authorization", None, "authorize"),
        ("GET", "/oidc/session/end", None, "logout"),
        ("POST", "/v3/auth/tokens", None, "login"),
        ("GET", "/identity/v3/auth/tokens", None, "introspect"),
        ("DELETE", "/v3/auth/tokens", None, "logout"),
        ("GET", "/api/auth/token", None, "refresh"),
        ("GET", "/api/auth/get-session", None, "session_check"),
        ("POST", "/api/login.php", None, "login"),
        ("POST", "/users/sign_in", None, "login"),
        ("POST", "/v3/sessions", None, "login"),
        ("POST", "/api/token/", None, "login"),
        ("POST", "/auth/jwt/create/", None, "login"),
        ("POST", "/v1/accounts:signInWithPassword", None, "login"),
        ("POST", "/login/access-token", None, "login"),
        ("DELETE", "/v3/sessions", None, "logout"),
        ("POST", "/api/auth/logout", None, "logout"),
        ("GET", "/api/check_session.php", None, "session_check"),
        ("GET", "/userinfo", None, "userinfo"),
        ("POST", "/oauth2/introspect", None, "introspect"),
        ("POST", "/oauth/revoke", None, "revoke"),
        ("GET", "/.well-known/jwks.json", None, "jwks"),
        ("GET", "/oauth2/authorize", None, "authorize"),
        ("GET", "/healthz", None, "probe"),
        ("GET", "/assets/app.js", None, "static"),
        ("OPTIONS", "/api/items", None, "preflight"),
        ("GET", "/v2/", None, "challenge"),
        ("POST", "/auth/register", None, "register"),
        # A refresh of something else is none; nor is a page, nor what only looks like one.
        ("GET", "/feeds/refresh", None, None),
        ("GET", "/dashboard/refresh", None, None),
        ("GET", "/api/items", None, None),
        ("GET", "/login", None, None),
        ("GET", "/api/refreshments", None, None),
        ("GET", "/o/token/", None, None),
        ("POST", "/foo/token", None, None),
        ("GET", "/token", None, None),
        ("GET", "/oidc/auth/{id}/photo", None, None),
        ("POST", "/devices/auth/tokens/{id}", None, None),
        ("POST", "/foo/o-token", None, None),
        ("POST", "/devices/{id}/token", None, None),
    ],
)
def test_a_pattern(method, path, action, name):
    assert classified(method, path, action) == (name, "pattern" if name else None)


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/api/trips/4498", "/api/trips/{id}"),
        ("/api/1/2/3", "/api/{id}/{id}/{id}"),
        ("/u/0b1c9f62-6c6f-4a1e-9d1e-0d4bd3a3a8f1/x", "/u/{id}/x"),
        ("/f/9f86d081884c7d659a2feaa0c55ad015", "/f/{id}"),
        ("/m/someone@example.org", "/m/{id}"),
        ("/a;jsessionid=1234", "/a"),
        ("/v3/library", "/v3/library"),
        ("//a//b", "/a/b"),
    ],
)
def test_ids_are_collapsed(path, route):
    assert without_ids(without_numbers(pl.Series([path]))).to_list() == [route]


Call = tuple[str, float, str, str, int]


def classes(
    *calls: Call,
    configured: dict[str, EndpointClass] | None = None,
    parts: int = 1,
    said: tuple[tuple[str, str], ...] = (),
) -> pl.DataFrame:
    """The table of endpoints of calls (device, second, method, route, status), devices spread over partitions.

    `said`: the reason and the end of the route that messages name.
    """
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    requests = pl.DataFrame(
        [
            {
                "row": row,
                "system": "s",
                "device_id": device,
                "timestamp": begin + timedelta(seconds=at),
                "method": method,
                "route": route,
                "status": status,
            }
            for row, (device, at, method, route, status) in enumerate(calls)
        ]
    )
    arranged = [
        partition.arrange(part.with_columns(identity_key=pl.lit("device_id")))
        for number in range(parts)
        if (part := requests.filter(pl.col("device_id").str.slice(1).cast(pl.Int64) % parts == number)).height
    ]
    learned = endpoints.learned([endpoints.observe(part) for part in arranged])
    told = [{"system": "s", "reason": reason, "stem": stem} for reason, stem in said]
    messages = pl.DataFrame(told, schema=MESSAGES)
    return endpoints.classify(endpoints.seen(requests), learned, messages, configured or {})


def test_a_route_that_refuses_and_grants_is_protected_and_one_that_never_refuses_is_public():
    table = classes(("d0", 0, "GET", "/x", 200), ("d0", 1, "GET", "/x", 401), ("d0", 2, "GET", "/y", 200))
    found = {row["route"]: (row["endpoint_class"], row["how"]) for row in table.to_dicts()}
    assert found == {"/x": ("api", "learned"), "/y": ("public", "learned")}
    counted = {row["route"]: (row["requests"], row["refused"]) for row in table.to_dicts()}
    assert counted == {"/x": (2, 1), "/y": (1, 0)}


def test_a_route_that_forbids_is_protected_where_messages_say_what_is_wrong_with_its_tokens():
    calls: list[Call] = [("d0", 0, "GET", f"/{name}", status) for name in "xyzwu" for status in (200, 403, 403, 403)]
    calls = calls[:-2]
    calls.append(("d0", 0, "GET", "/v", 200))
    said = (
        *(("token_expired", "x"), ("revoked", "x"), ("token_expired", "x")),
        # Too few; of no token; of a route that forbids nothing, or once only.
        *(("token_expired", "y"), ("token_expired", "y")),
        *[("other", "z")] * 5,
        *[("missing_token", "w")] * 5,
        *[("token_expired", "v")] * 5,
        *[("token_expired", "u")] * 5,
    )
    table = classes(*calls, said=said)
    found = {row["route"]: row["endpoint_class"] for row in table.to_dicts()}
    assert found.pop("/x") == "api"
    assert set(found.values()) == {"public"}
    counted = dict(table.select(pl.col("route").cast(pl.String), "forbidden").rows())
    assert counted == {"/x": 3, "/y": 3, "/z": 3, "/w": 3, "/u": 1, "/v": 0}


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_what_behaves_as_a_refresh_is_learned_from_all_partitions_together(parts):
    calls: list[Call] = []
    for index in range(6):
        device = f"d{index % 3}"
        at = 1000 * index
        calls += [
            (device, at, "GET", "/x", 401),
            (device, at + 1, "POST", "/prolong", 200),
            (device, at + 2, "GET", "/x", 200),
            (device, at + 100, "POST", "/save", 200),
        ]
    found = {row["route"]: row["endpoint_class"] for row in classes(*calls, parts=parts).to_dicts()}
    assert found == {"/x": "api", "/prolong": "refresh", "/save": "public"}


def test_the_calls_of_another_device_are_no_pattern():
    calls: list[Call] = []
    for index in range(0, 18, 3):
        calls += [
            (f"d{index}", 0, "GET", "/x", 401),
            (f"d{index + 1}", 1, "POST", "/save", 200),
            (f"d{index + 2}", 2, "GET", "/x", 200),
        ]
    found = {row["route"]: row["endpoint_class"] for row in classes(*calls).to_dicts()}
    assert found == {"/x": "api", "/save": "public"}


def test_what_was_found_is_what_had_another_answer_than_that_nothing_is_there():
    statuses = [200, 401, 500, None, 404, 405]
    requests = pl.DataFrame({"system": "s", "method": "GET", "route": "/a", "status": statuses})
    assert endpoints.seen(requests).select("requests", "refused", "found").rows() == [(6, 1, 4)]


def test_configuration_wins():
    table = classes(
        ("d0", 0, "POST", "/api/login", 200),
        ("d0", 0, "GET", "/z", 200),
        configured={"POST /api/login$": EndpointClass.API, "ANY ^/z": EndpointClass.SESSION_CHECK},
    )
    found = {row["route"]: (row["endpoint_class"], row["how"]) for row in table.to_dicts()}
    assert found == {"/api/login": ("api", "config"), "/z": ("session_check", "config")}
