"""Why a call was refused: messages by pattern, and their join to requests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from authforensics.correlate import joining, reasons

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("path", "stem"),
    [
        ("/api/orders/17", "orders"),
        ("/api/orders/{id}.json", "orders"),
        ("/api/orders/17.json", "orders"),
        ("/api/orders/{id}/lines.json", "lines"),
        ("/api/orders.php?id=17", "orders"),
    ],
)
def test_a_path_is_known_by_its_last_name(path, stem):
    assert pl.select(reasons.stem(pl.lit(path))).item() == stem


def reason_of(text: str) -> str | None:
    return reasons.classify(pl.Series([text])).item()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("JWT decode failed: Signature verification failed dotCount=2", "signature_invalid"),
        ("token verification failed: invalid signature", "signature_invalid"),
        ("token signature is invalid: crypto/ecdsa: verification error", "signature_invalid"),
        (
            "JWT signature does not match locally computed signature. JWT validity cannot be asserted",
            "signature_invalid",
        ),
        ("IDX10511: Signature validation failed. Keys tried: 'System.Text.StringBuilder'.", "signature_invalid"),
        ("jwt_authn_access_denied{Jwt_verification_fails}".replace("_", " "), "signature_invalid"),
        ("JWT validation failed: Signature has expired", "token_expired"),
        ("token verification failed: jwt expired", "token_expired"),
        ("Expired token", "token_expired"),
        ("JWT expired 1250 milliseconds ago at 2026-03-01T10:00:00Z", "token_expired"),
        ("token has invalid claims: token is expired", "token_expired"),
        (
            'Bearer error="invalid_token", error_description="The token expired at \'11/14/2026 18:56:00\'"',
            "token_expired",
        ),
        ('"exp" claim timestamp check failed', "token_expired"),
        ("Jwt_is_expired", "token_expired"),
        ("The token is not yet valid (nbf)", "not_yet_valid"),
        ("jwt not active", "not_yet_valid"),
        ("Cannot handle token with iat prior to 2026-03-01T10:00:00+0000", "not_yet_valid"),
        ('Unable to find a signing key that matches: "k1"', "key_not_found"),
        ("Jwks doesn't have key to match kid or alg from Jwt", "key_not_found"),
        ("The specified alg value is not allowed", "algorithm_rejected"),
        ("jwt audience invalid. expected: shop", "audience_mismatch"),
        ("Invalid issuer", "issuer_mismatch"),
        ("Not enough segments", "malformed"),
        ("jwt malformed", "malformed"),
        ("Wrong number of segments", "malformed"),
        ("No authorization token was found", "missing_token"),
        ("Jwt_is_missing", "missing_token"),
        ("Token has been revoked", "revoked"),
        ("Maximum allowed refresh token reuse exceeded", "refresh_reused"),
        ("Invalid Refresh Token: Already Used", "refresh_reused"),
        ("Unhandled exception", None),
        ("Insufficient scope user=42", "other"),
        ("GET /api/items 200 in 3 ms", None),
        ("cache entry refreshed", None),
    ],
)
def test_a_message(text, reason):
    assert reason_of(text) == reason


@pytest.mark.parametrize(
    ("reason", "endpoint", "meaning"),
    [
        ("token_expired", "refresh", "refresh_expired"),
        ("revoked", "refresh", "refresh_revoked"),
        ("token_expired", "api", "token_expired"),
        ("signature_invalid", "refresh", "signature_invalid"),
        (None, "refresh", None),
        ("refresh_revoked", "login", "other"),
        ("revoked", "login", "other"),
        ("token_expired", "login", "token_expired"),
    ],
)
def test_the_endpoint_decides_what_expired(reason, endpoint, meaning):
    frame = pl.DataFrame(
        {"reason": [reason], "endpoint": [endpoint]}, schema={"reason": pl.String, "endpoint": pl.String}
    )
    assert frame.select(reasons.at_endpoint(pl.col("reason"), pl.col("endpoint"))).item() == meaning


def own(*rows: tuple[str | None, int, str]) -> list[tuple[int, str | None]]:
    """What is made of (reason text, status, route)."""
    frame = pl.DataFrame(rows, schema=["reason_text", "status", "route"], orient="row")
    return reasons.own(frame.with_columns(origin=pl.lit("json"))).select("status", "reason").rows()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("invalid-jwt: Could not verify JWT: JWTExpired", (401, "token_expired")),
        ("UNAUTHENTICATED", (401, None)),
        ("UNAUTHENTICATED: No token provided", (401, "missing_token")),
        ("FORBIDDEN: You do not have permission to see this", (403, "other")),
        ("access-denied", (403, None)),
        ("validation-failed: field 'x' not found in type: 'query_root'", (200, None)),
        (None, (200, None)),
    ],
)
def test_graphql_refuses_with_a_status_of_200(text, meant):
    assert own((text, 200, "/v1/graphql"), (text, 500, "/v1/graphql")) == [meant, (500, meant[1])]


def test_elsewhere_an_answer_that_was_given_is_no_refusal():
    assert own(("jwt expired", 200, "/api/a"), ("jwt expired", 401, "/api/a"), ("jwt expired", 200, "/graphqlx")) == [
        (200, None),
        (401, "token_expired"),
        (200, None),
    ]


def test_messages_of_success_have_no_reason():
    told = reasons.read_messages(
        messages((0, "token refreshed"), (0, "[auth] refresh_token ok uid=1"), (0, "login ok"))
    )
    assert told["reason"].to_list() == [None, None, None]


@pytest.mark.parametrize(
    ("text", "hint", "stem"),
    [
        ('AH01631: user joe: authorization failure for "/api/v1/messages": ', "api", "messages"),
        ("Uncaught exception (connection_type=http, path='/api/cart'): 401", "api", "cart"),
        ("[auth] check_session: JWT decode failed: Expired token", "api", "check_session"),
        ("[auth] refresh_token: JWT decode failed: Expired token", "refresh", "refresh_token"),
        ("Refresh token rejected: Signature has expired", "refresh", None),
        ("POST /api/orders/17 rejected: jwt expired", "api", "orders"),
        ("Authentication failed for username=x", "login", None),
        ("Invalid credentials", "login", None),
        ("Login failed: token expired", "login", None),
        ("Could not validate credentials: Signature verification failed.", "api", None),
        ("Authentication credentials were not provided.", "api", None),
        ("Session expired, please log in again", "api", None),
        ("The user must sign in again", "api", None),
        ("Token revoked: the password was changed", "api", None),
        ("jwt expired", "api", None),
    ],
)
def test_what_a_message_speaks_of(text, hint, stem):
    row = reasons.read_messages(messages((0, text))).to_dicts()[0]
    assert row["hint"] == hint
    if stem is not None:
        assert row["stem"] == stem


_TEXTS = dict.fromkeys(("request_id", "client_ip", "user_id", "device_id"), pl.String)


def messages(
    *rows: tuple[float, str],
    clock: float = 0.001,
    request_ids: tuple[str | None, ...] = (),
    clients: tuple[str | None, ...] = (),
) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "row": 1000 + index,
                "system": "s",
                "source": "app.log",
                "client_ip": clients[index] if clients else None,
                "user_id": None,
                "device_id": None,
                "timestamp": BEGIN + timedelta(seconds=at),
                "message": text,
                "route": None,
                "origin": None,
                "request_id": request_ids[index] if request_ids else None,
                "clock": clock,
            }
            for index, (at, text) in enumerate(rows)
        ],
        schema_overrides={"route": pl.String, "origin": pl.String, "row": pl.Int64, **_TEXTS},
    )


def refused(
    *rows: tuple[float, str, str],
    clock: float = 0.001,
    request_ids: tuple[str | None, ...] = (),
    sessions: tuple[bool, ...] = (),
    clients: tuple[str, ...] = (),
) -> pl.DataFrame:
    """(second, route, class)."""
    return pl.DataFrame(
        [
            {
                "row": index,
                "system": "s",
                "source": "access.log",
                "client_ip": clients[index] if clients else None,
                "user_id": None,
                "device_id": None,
                "timestamp": BEGIN + timedelta(seconds=at),
                "request_id": request_ids[index] if request_ids else None,
                "route": route,
                "endpoint_class": name,
                "status": 401,
                "clock": clock,
                "session_before": sessions[index] if sessions else True,
            }
            for index, (at, route, name) in enumerate(rows)
        ],
        schema_overrides={"row": pl.Int64, **_TEXTS},
    )


def ids(requests: pl.DataFrame) -> pl.DataFrame:
    return requests.select("system", "request_id").drop_nulls()


def joined(requests: pl.DataFrame, told: pl.DataFrame) -> dict[int, tuple[str, str]]:
    found = joining.join(requests, reasons.read_messages(told), ids(requests))
    return {row["row"]: (row["reason"], row["how"]) for row in found.to_dicts()}


def test_a_request_id_decides_before_time():
    requests = refused((0, "/a", "api"), (5, "/a", "api"), request_ids=("one", "two"))
    told = messages((5, "jwt expired"), (0, "invalid signature"), request_ids=("one", "two"))
    assert joined(requests, told) == {0: ("token_expired", "request_id"), 1: ("signature_invalid", "request_id")}


def test_a_script_name_ties_a_message_to_its_path():
    requests = refused((0, "/api/list.php", "api"), (0, "/api/save.php", "api"))
    told = messages((0, "save: invalid signature"), (0, "list: jwt expired"))
    assert joined(requests, told) == {0: ("token_expired", "path_time"), 1: ("signature_invalid", "path_time")}


def test_the_class_keeps_refresh_and_api_apart():
    requests = refused((0, "/a", "api"), (0.2, "/auth/refresh", "refresh"))
    told = messages((0.1, "Refresh token rejected: Signature has expired"), (0.1, "Signature has expired"))
    assert joined(requests, told) == {0: ("token_expired", "class_time"), 1: ("refresh_expired", "class_time")}


def test_by_time_alone_a_matter_of_permissions_explains_no_refused_token():
    requests = refused((0, "/a", "api"), (5, "/b", "api"), request_ids=(None, "one"))
    told = messages((0.01, "Insufficient scope"), (5, "Insufficient scope"), request_ids=(None, "one"))
    assert joined(requests, told) == {1: ("other", "request_id")}


def test_a_message_explains_one_request_only_and_none_far_away():
    requests = refused((0, "/a", "api"), (0.5, "/a", "api"), (60, "/a", "api"))
    assert joined(requests, messages((0.01, "jwt expired"))) == {0: ("token_expired", "class_time")}


def test_who_never_had_a_session_has_no_token_to_expire():
    requests = refused((0, "/a", "api"), (0, "/a", "api"), clock=1.0, sessions=(False, True))
    assert joined(requests, messages((0, "jwt expired"), clock=1.0)) == {1: ("token_expired", "class_time")}


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["missing bearer token"], {1: "missing_token"}),
        (["missing bearer token", "jwt expired"], {0: "token_expired", 1: "missing_token"}),
        (
            ["jwt expired", "missing bearer token", "missing bearer token"],
            {0: "token_expired", 1: "missing_token", 2: "missing_token"},
        ),
    ],
)
def test_who_never_had_a_session_is_likely_to_have_sent_no_token(texts, told):
    calls = ((0, "/a", "api"), (0, "/a", "api"), (0, "/a", "api"))
    requests = refused(*calls, clock=1.0, sessions=(True, False, True))
    found = joined(requests, messages(*((0, text) for text in texts), clock=1.0))
    assert {row: reason for row, (reason, _) in found.items()} == told


def test_seconds_only_are_paired_in_order():
    requests = refused(*((index // 3, "/a", "api") for index in range(9)), clock=1.0)
    told = messages(*((index // 3, "jwt expired") for index in range(9)), clock=1.0)
    assert len(joined(requests, told)) == 9


def test_within_a_second_the_order_of_the_lines_decides_not_the_name_of_the_device():
    requests = refused((0, "/a", "api"), (0, "/a", "api"), clock=1.0).sort("row", descending=True)
    told = messages((0, "invalid signature"), (0, "jwt expired"), clock=1.0)
    assert joined(requests, told) == {0: ("signature_invalid", "class_time"), 1: ("token_expired", "class_time")}


def test_a_message_with_the_id_of_one_request_explains_no_other():
    requests = refused((0, "/a", "api"), (0.5, "/a", "api"), request_ids=("one", "two"))
    told = messages((0, "invalid signature"), (0.4, "invalid signature"), request_ids=("one", "one"))
    assert joined(requests, told) == {0: ("signature_invalid", "request_id")}
    granted = refused((0, "/a", "api"), request_ids=("one",))
    alone = refused((0.5, "/a", "api"), request_ids=("two",))
    found = joining.join(alone, reasons.read_messages(told), ids(pl.concat([granted, alone])))
    assert found.is_empty()


def one_file(*lines: tuple[float, str] | tuple[float, str, str]) -> dict[int, str]:
    """The reasons of (second, route, class) in a file that has (second, message), too, by line."""
    requests = refused(*(line for line in lines if len(line) == 3), clock=1.0)
    told = messages(*(line for line in lines if len(line) == 2), clock=1.0)
    numbered = {size: [at for at, line in enumerate(lines) if len(line) == size] for size in (2, 3)}
    source = pl.lit("shop.log").alias("source")
    return {
        row: reason
        for row, (reason, _) in joined(
            requests.with_columns(source, row=pl.Series(numbered[3], dtype=pl.Int64)),
            told.with_columns(source, row=pl.Series(numbered[2], dtype=pl.Int64)),
        ).items()
    }


CALL, OTHER, REFRESH = ("/a", "api"), ("/b", "api"), ("/auth/refresh", "refresh")


def test_in_one_file_a_call_is_logged_below_its_reason():
    assert one_file(
        (0, *CALL),  # Nothing says why.
        (5, "jwt expired"),
        (5, *CALL),
        (5, "Token has been revoked"),
        (5, *REFRESH),
        (5, "invalid signature"),
        (6, *CALL),  # Of the next second already.
        (6, "jwt expired"),
        (6, *OTHER),
    ) == {2: "token_expired", 4: "revoked", 6: "signature_invalid", 8: "token_expired"}


def test_in_one_file_calls_at_the_same_time_are_logged_in_the_order_of_their_reasons():
    assert one_file(
        (0, "Token has been revoked"),  # Of a call that is not logged.
        (0, "jwt expired"),
        (0, "invalid signature"),
        (0, *CALL),
        (0, *CALL),
    ) == {3: "token_expired", 4: "signature_invalid"}


def test_in_one_file_the_path_that_a_message_names_decides_before_its_place():
    assert one_file((0, "GET /b: invalid signature"), (0, "jwt expired"), (0, *OTHER), (0, *CALL)) == {
        2: "signature_invalid",
        3: "token_expired",
    }


def test_a_file_that_logs_reasons_afterwards_is_read_by_time():
    lines = [line for at in (0, 10, 20) for line in ((at, *CALL), (at, "jwt expired"))]
    assert one_file(*lines, (30, *CALL), (30, "invalid signature"), (31, *CALL)) == {
        **dict.fromkeys((0, 2, 4), "token_expired"),
        6: "signature_invalid",
    }


def test_a_message_that_names_no_kind_of_endpoint_may_speak_of_a_refresh():
    requests = refused((0, "/auth/refresh", "refresh"), (0.5, "/a", "api"), (9, "/auth/refresh", "refresh"))
    told = messages((0.3, "Token has been revoked"), (0.4, "jwt expired"), (9, "Refresh failed: jwt expired"))
    assert joined(requests, told) == {
        0: ("revoked", "class_time"),
        1: ("token_expired", "class_time"),
        2: ("token_expired", "class_time"),
    }


def test_what_a_log_says_twice_of_one_call_says_nothing_of_another():
    requests = refused((0, "/a", "api"), (0.5, "/auth/refresh", "refresh"))
    told = messages((0.1, "JWTExpired: jwt expired"), (0.1, "code: jwt expired"), (0.1, "jwt expired"))
    assert joined(requests, told) == {0: ("token_expired", "class_time")}
    assert joined(requests, told.head(2)).keys() == {0, 1}
    # However its files are rotated.
    rotated = told.with_columns(source=pl.col("row").cast(pl.String))
    assert joined(requests, rotated).keys() == {0}


def test_only_token_endpoints_speak_of_grants():
    requests = refused((0, "/a", "api"), (0.5, "/oauth/token", "refresh"))
    assert joined(requests, messages((0, "grant.error invalid_grant"))) == {1: ("refresh_revoked", "class_time")}


def test_a_message_that_names_its_client_explains_a_refusal_of_that_client():
    requests = refused((0, "/a", "api"), (0, "/a", "api"), (9, "/a", "api"), clock=1.0, clients=("x", "y", "z"))
    told = messages((0, "jwt expired"), (0.9, "invalid signature"), (9, "Token revoked"), clients=("y", "x", "w"))
    assert joined(requests, told) == {0: ("signature_invalid", "class_time"), 1: ("token_expired", "class_time")}


def test_the_address_of_a_proxy_names_no_client():
    requests = refused((0, "/a", "api"), (5, "/a", "api"), (9, "/a", "api"), clients=("x", "y", "z"))
    told = messages((0, "jwt expired"), (5, "invalid signature"), (9, "jwt expired"), clients=("p", "p", "p"))
    assert len(joined(requests, told)) == 3
