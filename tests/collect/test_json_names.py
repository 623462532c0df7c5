"""What keys mean: their names, the objects they are in, the units that only their values tell."""

from __future__ import annotations

import json

import polars as pl
import pytest

from authforensics.collect.json_repair import repaired
from authforensics.collect.synonyms import matching, times_in
from authforensics.collect.units import duration_in, unit_of
from collecting import collect

SECONDS, MILLI, MICRO, NANO = 1e3, 1.0, 1e-3, 1e-6


@pytest.mark.parametrize(
    ("values", "usual", "unit"),
    [
        (["0.004", "0.250", "12.001"], SECONDS, SECONDS),
        (["0.000929675", "1.5"], MILLI, SECONDS),
        (["0.412", "3.142", "250.7"], MILLI, MILLI),
        (["0.123456", "0.4157"], MILLI, SECONDS),
        (["0.123456"] * 17 + ["4.2"] * 2, MILLI, MILLI),
        (["0.123456"] * 18 + ["4.2"] * 2, MILLI, SECONDS),
        (["5", "15000", "12"], MILLI, MILLI),
        (["205", "12", "0"], SECONDS, MILLI),
        (["1", "0", "2"], SECONDS, SECONDS),
        (["5120", "8000", "31000"], MILLI, MICRO),
        (["4321987", "251987654"], MILLI, NANO),
        (["432198", "251987654"], SECONDS, NANO),
        (["0", "-", "", "12ms"], MILLI, MILLI),
        ([], SECONDS, SECONDS),
    ],
)
def test_the_values_tell_the_unit(values, usual, unit):
    assert unit_of(values, usual) == unit


def test_a_name_that_tells_the_unit_is_believed():
    assert duration_in(["duration_ms"], {"duration_ms": ["4321987"]}) == ("duration_ms", MILLI)
    assert duration_in(["Duration"], {"Duration": ["12", "13"]}) == ("Duration", NANO)
    assert duration_in(["start_time", "duration"], {"duration": ["60000000"]}) == ("duration", MILLI)


def test_keys_in_an_envelope_come_after_those_beside_it():
    found = matching(["properties.clientIP", "remote_addr", "attributes.http.request.method", "jsonPayload.status"])
    assert found["client_ip"] == ["remote_addr", "properties.clientIP"]
    assert found["method"] == ["attributes.http.request.method"]
    assert found["status"] == ["jsonPayload.status"]


@pytest.mark.parametrize(
    "key",
    [
        "sent_http_www_authenticate",
        "resp_headers.Www-Authenticate",
        "downstream_Www-Authenticate",
        "response.headers.www-authenticate",
        "ResponseHeaders.www-authenticate",
        "http.response.header.www-authenticate",
        "attributes.http.response.header.www-authenticate",
        "resp_header_www_authenticate",
    ],
)
def test_what_the_answer_itself_says_comes_first(key):
    assert matching(["response_code_details", key])["reason"] == [key, "response_code_details"]


def test_what_a_time_is_can_depend_on_other_keys():
    assert times_in(["ts"]) == {"ts": False}
    assert times_in(["id.orig_h", "ts"]) == {"ts": True}
    assert times_in(["httpRequest.requestMethod", "timestamp", "receiveTimestamp"]) == {
        "timestamp": True,
        "receiveTimestamp": False,
    }


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r'{"a":"\x22\x5Cb"}', r'{"a":"\\x22\\x5Cb"}'),
        ('{"a":-,"b": - }', '{"a":null,"b": null }'),
        ('{"a":,"b":1,}', '{"a":null,"b":1}'),
        ('{"a":0.100, 0.210,"b":[1,2,]}', '{"a":0.210,"b":[1,2]}'),
        ('{"a":0.1 : -,"b":2}', '{"a":null,"b":2}'),
        ('{"a":-1.5},', '{"a":-1.5}'),
    ],
)
def test_what_was_meant_as_json_is_repaired(written, meant):
    assert repaired(pl.Series("line", [written])).to_list() == [meant]


@pytest.mark.parametrize(
    ("line", "lasted"),
    [
        ("time:2025-12-25T13:00:09Z\thost:203.0.113.9\treq:GET /a HTTP/1.1\tstatus:200\tlatency:{}", (0.012, 0.034)),
        ("time:2025-12-25T13:00:09Z\thost:203.0.113.9\treq:GET /a HTTP/1.1\tstatus:200\tlatency:{}", (12000, 34000)),
        ("time=2025-12-25T13:00:09Z method=GET path=/a status=200 duration={}", (0.012, 0.034)),
        ("time=2025-12-25T13:00:09Z method=GET path=/a status=200 duration={}", (12000000, 34000000)),
        ("time=2025-12-25T13:00:09Z method=GET path=/a status=200 duration={}", (12, 34)),
    ],
)
def test_the_values_tell_the_unit_in_ltsv_and_logfmt_too(tmp_path, line, lasted):
    (tmp_path / "app.log").write_text("".join(line.format(value) + "\n" for value in lasted * 5))
    assert collect([tmp_path]).events["duration_ms"].unique().sort().to_list() == pytest.approx([12.0, 34.0])


IN_OBJECTS = {
    "Azure API Management": {"properties": {"method": "GET", "url": "https://x.example/a", "responseCode": 401}},
    "Axiom": {"request": {"method": "GET", "path": "/a", "statusCode": 401}},
    "Ory": {"msg": "done", "http_request": {"method": "GET", "path": "/a"}, "http_response": {"status": 401}},
    "rails_semantic_logger": {"name": "Api", "payload": {"method": "GET", "path": "/a", "status": 401}},
    "express-winston": {"message": "m", "meta": {"req": {"method": "GET", "url": "/a"}, "res": {"statusCode": 401}}},
    "WildFly": {"remoteHost": "203.0.113.7", "requestLine": "GET /a HTTP/1.1", "responseCode": 401},
    "ASP.NET Core": {"Message": "m", "State": {"Method": "GET", "Path": "/a", "StatusCode": 401}},
    "Vercel": {"message": "", "proxy": {"method": "GET", "path": "/a", "statusCode": 401}},
    "tower-http": {"fields": {"message": "m", "status": 401}, "span": {"method": "GET", "uri": "/a"}},
    "httplog": {"msg": "m", "httpRequest": {"method": "GET", "path": "/a"}, "httpResponse": {"status": 401}},
}


@pytest.mark.parametrize("product", IN_OBJECTS)
def test_calls_are_found_in_the_objects_of_products(product, tmp_path):
    line = json.dumps({"time": "2026-03-01T10:00:00Z", **IN_OBJECTS[product]})
    (tmp_path / "app.log").write_text((line + "\n") * 3)
    told = collect([tmp_path]).events.select("kind", "method", "path", "status").rows()
    assert told == [("request", "GET", "/a", 401)] * 3


def test_a_key_that_is_always_read_hides_none_that_is_written_otherwise():
    keys = ["exception", "status", "Exception", "payload.status"]
    assert matching(keys) == {"status": ["status", "payload.status"], "error": ["exception", "Exception"]}


CALL = {"client_ip": "203.0.113.7", "method": "GET", "status": 401}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({"time": "2026-03-01T10:00:00Z", "path": "/a", "target_ip": "10.0.0.1"}, {"path": "/a", "upstream": None}),
        (
            {"time": "2026-03-01T10:00:00Z", "requestdatetime": "2026-03-01T10:00:00Z", "request_uri": "/a"},
            {"path": "/a"},
        ),
        ({"timestamp": "2026-03-01T10:00:00Z", "timegenerated": "2026-03-01T11:00:00.5Z", "path": "/a"}, {"hour": 10}),
        ({"time": "2026-03-01T10:00:00Z", "url": "/a", "totalTime": 0.1}, {"duration_ms": 100.0}),
    ],
)
def test_names_of_some_products_mean_nothing_else_in_others(line, told, tmp_path):
    (tmp_path / "app.log").write_text((json.dumps({**line, **CALL}) + "\n") * 3)
    event = collect([tmp_path / "app.log"]).events.with_columns(hour=pl.col("timestamp").dt.hour()).row(0, named=True)
    assert {key: event[key] for key in told} == told


@pytest.mark.parametrize(
    "codes", [{"resultCode": "0", "code": 401}, {"code": "E1", "resultCode": 401}, {"code": 401, "resultCode": "0"}]
)
def test_of_two_codes_that_which_has_statuses_is_one(codes, tmp_path):
    line = {"time": "2026-03-01T10:00:00Z", "path": "/a", "method": "GET", **codes}
    (tmp_path / "app.log").write_text((json.dumps(line) + "\n") * 3)
    (tmp_path / "app.csv").write_text(",".join(line) + "\n" + (",".join(map(str, line.values())) + "\n") * 3)
    assert collect([tmp_path]).events["status"].to_list() == [401] * 6


@pytest.mark.parametrize(
    ("key", "field"),
    [
        *(("http.request.remoteaddr", "client_ip"), ("http.request.uri", "target"), ("req_useragent", "user_agent")),
        *(("http.response.httpstatus", "status"), ("resp.bytes_sent", "bytes"), ("http.response.written", "bytes")),
        # A request has a size, too, and both may have times, bodies and ids that aren't those of the line.
        *(("http.request.bytes", None), ("request.time", None), ("http.response.body", None), ("response.id", None)),
        *(("resource.path", None), ("response.uri", None), ("request.httpstatus", None)),
    ],
)
def test_what_stands_in_an_object_of_the_request_or_the_answer_is_that_of_it(key, field):
    assert matching([key]) == ({} if field is None else {field: [key]})
    assert times_in([key]) == {}


@pytest.mark.parametrize("key", ["*", "^.*$", "^x$", "[]", "", "a.b"])
def test_keys_that_are_patterns_to_polars_do_no_harm(key, tmp_path):
    call = {"time": "2025-12-25T13:00:09Z", "request_uri": "/api/me", "status": 401}
    event = {"eventType": "user.session.start", "published": "2025-12-25T13:00:09Z", "outcome": {"result": "FAILURE"}}
    (tmp_path / "calls.log").write_text(json.dumps({**call, key: "x", "in": {key: {"user_id": "u"}}}) + "\n")
    (tmp_path / "okta.log").write_text(json.dumps({key: event}) + "\n")
    told = collect([tmp_path])
    assert {"path": "/api/me", "status": 401} in told.events.select("path", "status").to_dicts()
    # They are read by their keys, or left alone.
    sources = {source.source: source for source in told.sources}
    assert sources["calls.log"].events == 1
    assert (sources["okta.log"].format, sources["okta.log"].events) in (("okta", 1), (None, 0))
    assert sources["okta.log"].note or sources["okta.log"].events


def test_the_text_of_a_log_is_a_message_where_nothing_else_is(tmp_path):
    log = tmp_path / "app.json.log"
    log.write_text(
        '{"log":"Access token has expired","level":"INFO","time":1772359320.04,"request":"GET-7","method":"GET"}\n'
        '{"log":"bye","level":"INFO","time":1772359321.04,"request":"main"}\n'
        '{"log":{"level":"INFO"},"message":"refused","log.logger":"auth","time":1772359322.04}\n'
    )
    events = collect([log]).events
    assert events["message"].to_list() == ["Access token has expired", "bye", "refused"]
    assert events["request_id"].to_list() == [None] * 3


@pytest.mark.parametrize(
    ("request_", "request_id"),
    [
        ("req-2a5520ff-9c5e-4f0e", "req-2a5520ff-9c5e-4f0e"),
        # These begin anew with each start of a server.
        ("GET-7", None),
        ("/api/orders/12345678", None),
    ],
)
def test_what_tells_requests_apart_may_be_called_request(request_, request_id, tmp_path):
    log = tmp_path / "app.json.log"
    log.write_text(f'{{"time":"2026-03-01T10:00:00Z","message":"Token refused","request":"{request_}"}}\n')
    assert collect([log]).events["request_id"].to_list() == [request_id]
