"""HAR recordings: what each browser and proxy writes becomes the calls of one device, without its tokens."""

from __future__ import annotations

import base64
import gzip
import json
import zipfile

import pytest

from authforensics.collect.har import site
from collecting import collect
from recorded import CHROME, entry, har, write

API, APP = "https://api.shop.example/v1", {"Origin": "https://shop.example"}
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl"
OPAQUE = "0f9a1b2c3d4e5f60718293a4b5c6d7e8"


def read(tmp_path, document, **how):
    return collect([write(tmp_path / "session.har", document, **how)])


def rows(collected, *names):
    return collected.events.select(names).rows()


def only(tmp_path, **more):
    """The one event of a recording of one refused call, and its line."""
    one = entry(0, "GET", f"{API}/me", more.pop("status", 401), **more)
    collected = read(tmp_path, har([one]))
    return collected.events.row(0, named=True), shown(collected)[0]


def shown(collected):
    (file,) = collected.files.values()
    return [json.loads(line) for line in gzip.decompress(file.path.read_bytes()).decode().splitlines()]


def test_an_export_of_chrome(tmp_path):
    page = {
        "startedDateTime": "2026-03-01T10:00:00.000Z",
        "id": "page_1",
        "title": "https://shop.example/",
        "pageTimings": {},
    }
    asks = {"Access-Control-Request-Headers": "authorization", **APP}
    entries = [
        entry(0, "GET", "https://shop.example/", 200, _resourceType="document", _priority="VeryHigh", pageref="page_1"),
        entry(1, "OPTIONS", f"{API}/me", 204, _resourceType="preflight", sends=asks),
        entry(1.1, "GET", f"{API}/me", 401, sends=APP, took=41.55),
        entry(2, "GET", f"{API}/me", 200, sends=APP, _fromCache="disk", took=1),
        entry(3, "GET", "wss://api.shop.example/live", 101, _resourceType="websocket", _webSocketMessages=[]),
        entry(4, "GET", f"{API}/me", 0, sends=APP),
        entry(5, "GET", f"{API}/old", 302, sends=APP, gets={"Location": f"{API}/me"}),
    ]
    entries[5]["response"]["_error"] = "net::ERR_ABORTED"
    collected = read(tmp_path, har(entries, pages=[page]))
    (source,) = collected.sources
    assert (source.format, source.timezone, source.lines, source.events) == ("har", "+00:00", 7, 7)
    assert rows(collected, "line_number", "method", "path", "status") == [
        (1, "GET", "/", 200),
        (2, "OPTIONS", "/v1/me", 204),
        (3, "GET", "/v1/me", 401),
        (4, "GET", "/v1/me", None),  # the client's own cache: nobody looked at a token
        (5, "GET", "/live", 101),
        (6, "GET", "/v1/me", 0),
        (7, "GET", "/v1/old", 302),
    ]
    third = collected.events.row(2, named=True)
    assert (third["started_at"].isoformat(), third["timestamp"].isoformat(), third["duration_ms"]) == (
        "2026-03-01T10:00:01.100000+00:00",
        "2026-03-01T10:00:01.141550+00:00",
        41.55,
    )
    assert (third["user_agent"], third["host"], third["reason_text"]) == (CHROME, "api.shop.example", None)
    assert shown(collected)[5]["error"] == "net::ERR_ABORTED"


VENDORS = {
    "Firefox": (
        {"browser": {"name": "Firefox", "version": "128"}},
        {"startedDateTime": "2026-03-01T11:00:00.250+01:00"},
        "+01:00",
    ),
    "WebKit Web Inspector": ({}, {"_fetchType": "Network Load", "_priority": "high"}, "+00:00"),
    "Charles Proxy": ({}, {"startedDateTime": "2026-03-01T05:00:00.250-05:00", "comment": ""}, "-05:00"),
    "Proxyman": ({"pages": []}, {"comment": "Proxyman", "_id": "12"}, "+00:00"),
    "mitmproxy": ({"pages": []}, {"startedDateTime": "2026-03-01T10:00:00.250000+00:00", "time": 80}, "+00:00"),
    "Fiddler": (
        {"comment": "exported"},
        {"startedDateTime": "2026-03-01T10:00:00.2500000Z", "connection": "ClientPort:1"},
        "+00:00",
    ),
}


@pytest.mark.parametrize("packed", ["plain", "one line", "gzip", "zip", "mark"])
@pytest.mark.parametrize("name", VENDORS)
def test_every_product_and_packing_gives_the_same_call(name, packed, tmp_path):
    about, fields, zone = VENDORS[name]
    document = har([entry(0.25, "GET", f"{API}/me", 401) | fields] * 2, name, **about)
    text = json.dumps(document, indent=None if packed == "one line" else 2)
    path = tmp_path / "s.har"
    if packed == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("phone/a.har", text)
    else:
        data = text.encode("utf-8-sig" if packed == "mark" else "utf-8")
        path.write_bytes(gzip.compress(data) if packed == "gzip" else data)
    collected = collect([path])
    (source,) = collected.sources
    assert (source.format, source.timezone, source.events, source.rejects) == ("har", zone, 2, 0)
    (row,) = set(rows(collected, "started_at", "timestamp", "status", "path"))
    assert [str(value) for value in row] == [
        "2026-03-01 10:00:00.250000+00:00",
        "2026-03-01 10:00:00.330000+00:00",
        "401",
        "/v1/me",
    ]


@pytest.mark.parametrize("fields", [{"_fetchType": "Disk Cache"}, {"cache": {"afterRequest": None}}])
def test_what_safari_and_firefox_take_from_their_caches_grants_nothing(fields, tmp_path):
    assert only(tmp_path, status=200, **fields)[0]["status"] is None
    assert only(tmp_path, status=401, **fields)[0]["status"] == 401


def test_a_time_that_is_not_known_is_none(tmp_path):
    row, _ = only(tmp_path, took=-1)
    assert (row["duration_ms"], row["timestamp"]) == (None, row["started_at"])


def test_entries_without_the_document_around_them(tmp_path):
    entries = [entry(n, "GET", f"{API}/me", 401) for n in range(3)]
    for document in (json.dumps(entries), "\n".join(map(json.dumps, entries)), json.dumps(entries[0], indent=1)):
        (tmp_path / "entries.json").write_text(document)
        (source,) = collect([tmp_path]).sources
        assert (source.format, source.rejects) == ("har", 0)


def test_all_is_one_device_whatever_its_hosts_and_agents(tmp_path):
    agents = ["Shop/3.4 CFNetwork/1490 Darwin/23", "okhttp/4.12.0", None]
    entries = [entry(n, "GET", f"https://h{n}.shop.example/", 200) for n in range(3)]
    for one, agent in zip(entries, agents, strict=True):
        one["request"]["headers"] = [{"name": "user-agent", "value": agent}] if agent else []
    assert set(rows(read(tmp_path, har(entries)), "device_id")) == {("har:2026-03-01T10:00:00.000Z",)}


def test_a_device_that_names_itself_keeps_its_name(tmp_path):
    named = entry(1, "GET", f"{API}/me", 200, sends={"X-Device-Id": "ios-12", "X-App-Version": "3.4.1"})
    collected = read(tmp_path, har([entry(0, "GET", f"{API}/me", 401), named]))
    assert rows(collected, "device_id", "app_version") == [("har:ios-12", None), ("har:ios-12", "3.4.1")]


def test_the_request_id_of_the_answer_counts(tmp_path):
    row, _ = only(tmp_path, sends={"x-request-id": "mine"}, gets={"X-Request-Id": "theirs"})
    assert row["request_id"] == "theirs"


SAYS = {
    "oauth": ({"error": "invalid_grant", "error_description": "Token expired"}, "invalid_grant: Token expired"),
    "nested": ({"error": {"code": 401, "message": "jwt expired"}}, "jwt expired"),
    "cognito": ({"__type": "NotAuthorizedException", "message": "Revoked"}, "NotAuthorizedException: Revoked"),
    "problem": (
        {"title": "Unauthorized", "detail": "signature mismatch", "status": 401},
        "signature mismatch: Unauthorized",
    ),
    "graphql": (
        {"errors": [{"message": "jwt expired", "extensions": {"code": "UNAUTHENTICATED"}}]},
        "UNAUTHENTICATED: jwt expired",
    ),
    "text": ("jwt malformed", "jwt malformed"),
    "page": ("<html><body>Unauthorized</body></html>", None),
    "nothing": (None, None),
    "list": ([], None),
}


@pytest.mark.parametrize("name", SAYS)
def test_the_answer_says_why(name, tmp_path):
    answer, reason = SAYS[name]
    assert only(tmp_path, answer=answer)[0]["reason_text"] == reason


def test_graphql_refuses_with_200(tmp_path):
    row, _ = only(tmp_path, status=200, answer=SAYS["graphql"][0])
    assert (row["status"], row["reason_text"]) == (200, "UNAUTHENTICATED: jwt expired")


def test_an_answer_that_grants_says_nothing(tmp_path):
    assert only(tmp_path, status=200, answer={"message": "token expired"})[0]["reason_text"] is None


def test_an_answer_in_base64(tmp_path):
    one = entry(0, "GET", f"{API}/me", 401)
    one["response"]["content"] = {"encoding": "base64", "text": base64.b64encode(b'{"error":"jwt expired"}').decode()}
    bad = entry(1, "GET", f"{API}/me", 401)
    bad["response"]["content"] = {"encoding": "base64", "text": "%%%"}
    assert rows(read(tmp_path, har([one, bad])), "reason_text") == [("jwt expired",), (None,)]


BARE = {"WWW-Authenticate": 'Bearer realm="api"'}
NAMED = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


@pytest.mark.parametrize(
    ("sends", "gets", "before", "reason"),
    [
        ({}, NAMED, {}, 'Bearer error="invalid_token"'),
        ({"Authorization": f"Bearer {TOKEN}"}, BARE, {}, None),  # a token was sent: it is not that one is missing
        ({}, BARE, {}, None),  # the browser left credentials out of the export: one may have been sent
        ({}, BARE, {"Authorization": f"Bearer {TOKEN}"}, 'Bearer realm="api"'),
    ],
)
def test_a_challenge_without_an_error_is_believed_where_no_token_was_sent(sends, gets, before, reason, tmp_path):
    entries = [
        entry(0, "GET", f"{API}/x", 200, sends=before),
        entry(1, "GET", f"{API}/me", 401, sends=sends, gets=gets),
    ]
    assert rows(read(tmp_path, har(entries)), "reason_text")[1] == (reason,)


GRANTS = {
    "form": ({"grant_type": "refresh_token", "refresh_token": OPAQUE}, "grant_type=refresh_token"),
    "login": ({"grant_type": "password", "username": "u", "password": "hunter2hunter2"}, "grant_type=password"),
    "json": ([{"grant_type": "authorization_code", "code": OPAQUE}], "grant_type=authorization_code"),
    "cognito": ([{"AuthFlow": "REFRESH_TOKEN_AUTH", "AuthParameters": {}}], "grant_type=refresh_token"),
    "cognito login": ([{"AuthFlow": "USER_SRP_AUTH"}], "grant_type=password"),
    "no grant": ([{"refreshToken": OPAQUE}], "grant_type=refresh_token"),
    "empty": ([{"refreshToken": ""}], None),
    "operation": ([{"operationName": "RefreshSession", "query": "mutation"}], "operationName=RefreshSession"),
    "several": ([[{"operationName": "Me"}, {"operationName": "Cart"}]], "operationName=Me"),
    "hostile": ({"grant_type": "x&status=200#\n"}, None),
}


@pytest.mark.parametrize("name", GRANTS)
def test_the_body_tells_a_refresh_from_a_login(name, tmp_path):
    body, action = GRANTS[name]
    collected = read(tmp_path, har([entry(0, "POST", f"{API}/session", 200, body=body)]))
    assert rows(collected, "path", "action") == [("/v1/session", action)]


def test_a_form_that_has_its_text_only(tmp_path):
    one = entry(0, "POST", f"{API}/token", 200)
    one["request"]["postData"] = {
        "mimeType": "",
        "text": f"client_id=a&grant_type=refresh_token&refresh_token={OPAQUE}",
    }
    assert rows(read(tmp_path, har([one])), "action") == [("grant_type=refresh_token",)]


@pytest.mark.parametrize("path", ["logout", "oauth/revoke", "sign-out", "token/introspect"])
def test_a_refresh_token_that_is_ended_is_not_used(path, tmp_path):
    collected = read(tmp_path, har([entry(0, "POST", f"{API}/{path}", 200, body=[{"refresh_token": OPAQUE}])]))
    assert rows(collected, "action") == [(None,)]


def test_tokens_can_be_told_apart_and_never_leave(tmp_path):
    new = TOKEN.replace("c2ln", "ZGlm")
    sends = {"Authorization": f"Bearer {TOKEN}", "Cookie": f"sid={OPAQUE}"}
    refresh = {"grant_type": "refresh_token", "refresh_token": OPAQUE, "client_secret": "swordfish-9"}
    entries = [
        entry(0, "GET", f"{API}/me", 401, sends=sends),
        entry(
            1, "POST", f"{API}/token", 200, body=refresh, answer={"access_token": new, "refresh_token": OPAQUE + "1"}
        ),
        entry(2, "GET", f"{API}/me", 401, sends=sends),
        entry(3, "GET", f"{API}/me", 200, sends=sends | {"Authorization": f"Bearer {new}"}),
    ]
    collected = read(tmp_path, har(entries))
    first, refreshed, old, current = shown(collected)
    assert collected.events["token"].n_unique() == 3
    assert first["sent"] == old["sent"] != current["sent"] == f"Bearer {refreshed['given']}"
    # What is written for the time of the run has them, so that their claims are read as those of any line.
    assert first.pop("authorization") == old.pop("authorization") != current.pop("authorization")
    text = json.dumps([first, refreshed, old, current]) + str(rows(collected, *collected.events.columns))
    for secret in (TOKEN, new, OPAQUE, "swordfish-9"):
        assert secret not in text


@pytest.mark.parametrize(
    ("header", "shows"),
    [
        ("Bearer undefined", "Bearer undefined"),
        ("Bearer ", "Bearer (empty)"),
        ("Bearer short", "Bearer #"),
        ("Basic dXNlcjpodW50ZXIyaHVudGVyMg==", "Basic"),
        ('Digest username="u", response="6629fae49393a05397450978507c4ef1"', "Digest"),
    ],
)
def test_what_could_be_guessed_has_no_fingerprint(header, shows, tmp_path):
    assert only(tmp_path, sends={"Authorization": header})[1]["sent"] == shows


def test_other_sites_say_nothing_about_the_session(tmp_path):
    entries = [
        *(entry(n, "GET", f"https://www.shop.example/a/{n}", 200, sends=APP) for n in range(3)),
        entry(4, "POST", "https://id.issuer.example/oauth/token", 400, body={"grant_type": "refresh_token"}, sends=APP),
        entry(5, "GET", "https://api.cloud.example/me", 401, sends={"Authorization": f"Bearer {TOKEN}", **APP}),
        entry(6, "POST", "https://events.tracker.example/login", 401, sends=APP),
        entry(7, "GET", "https://maps.example.com/v1/me", 403, gets={"WWW-Authenticate": "Basic"}, sends=APP),
    ]
    collected = read(tmp_path, har(entries))
    assert rows(collected, "host", "status")[3:] == [
        ("id.issuer.example", 400),
        ("api.cloud.example", 401),
        ("events.tracker.example", None),
        ("maps.example.com", None),
    ]
    assert rows(collected, "path")[5:] == [(None,), (None,)]


def test_where_nothing_tells_whose_session_it_is_all_calls_count(tmp_path):
    entries = [entry(n, "GET", f"https://{name}.example/me", 401) for n, name in enumerate(("one", "two"))]
    assert rows(read(tmp_path, har(entries)), "status") == [(401,), (401,)]


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("api.shop.example", "shop.example"),
        ("a.b.shop.co.uk", "shop.co.uk"),
        ("localhost", "localhost"),
        ("192.0.2.10", "192.0.2.10"),
        ("2001:db8::1", "2001:db8::1"),
        ("Shop.Example.", "shop.example"),
        (None, ""),
    ],
)
def test_the_site_of_a_host(host, name):
    assert site(host) == name
