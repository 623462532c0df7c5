"""JSON documents are taken apart into records, each of which is a line."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authforensics.collect.discover import discover
from collecting import collect

LINE = '203.0.113.9 - - [01/Mar/2026:10:02:03 +0000] "GET /api HTTP/1.1" 401 12 "-" "app/1"'
ACCESS = {"time": "2026-03-01T10:02:03Z", "remote_addr": "203.0.113.9", "request_uri": "/api", "status": 401}
EVENT = {"id": "3" * 56, "timestamp": 1772359323123, "message": LINE}
BATCH = {"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logStream": "api/1", "logEvents": [EVENT] * 3}


def otlp(values: dict[str, object]) -> list[dict[str, object]]:
    """Attributes of OpenTelemetry, each with the type of its value."""
    kinds = {int: "intValue", str: "stringValue"}
    return [
        {"key": key, "value": {kinds[type(value)]: str(value) if isinstance(value, int) else value}}
        for key, value in values.items()
    ]


RECORD = {
    "timeUnixNano": "1772359323123456789",
    "severityNumber": 9,
    "body": {"stringValue": "request"},
    "attributes": otlp({"http.request.method": "GET", "url.path": "/api", "http.response.status_code": 401}),
    "traceId": "5b8efff798038103d269b633813fc60c",
}
SCOPE = {"scope": {"name": "shop"}, "logRecords": [RECORD, RECORD]}
RESOURCE = {"attributes": otlp({"service.name": "shop"})}
BATCHES = [{"resource": RESOURCE, "scopeLogs": [SCOPE]}, {"scopeLogs": [{"logRecords": [RECORD]}]}]

#: Of Application Insights.
TABLE = {
    "name": "PrimaryResult",
    "columns": [{"name": name, "type": "string"} for name in ("timestamp", "name", "url", "resultCode")],
    "rows": [["2026-03-01T10:02:03.123Z", "GET /api", "https://shop.example/api", "401"]] * 2,
}

#: Of Supabase, whose edge log has each object as a list of one.
EDGE = {
    "event_message": "GET | 401 | 203.0.113.7 | 7c0a | https://abc.supabase.co/rest/v1/me | Shop/3.4.1",
    "metadata": [
        {
            "request": [{"headers": [{"cf_connecting_ip": "203.0.113.7"}], "method": "GET", "path": "/rest/v1/me"}],
            "response": [{"origin_time": 8, "status_code": 401}],
        }
    ],
    "timestamp": 1772359323123456,
}

DOCUMENTS = {
    "Supabase, exported": (json.dumps([EDGE] * 3), "json", None),
    "Supabase's API": (json.dumps({"result": [EDGE] * 3, "error": None}), "json", None),
    "OpenTelemetry": (json.dumps({"resourceLogs": BATCHES}, indent=2), "json", None),
    "OpenTelemetry, a batch a line": (
        "".join(json.dumps({"resourceLogs": [batch]}) + "\n" for batch in BATCHES),
        "json",
        None,
    ),
    "array": (json.dumps([ACCESS] * 3), "json", None),
    "indented array": (json.dumps([ACCESS] * 3, indent=2), "json", None),
    "an array a line": ("\n".join([json.dumps([ACCESS]), json.dumps([ACCESS, ACCESS])]), "json", None),
    "indented objects": ("\n".join([json.dumps(ACCESS, indent=2)] * 3), "json", None),
    "objects without ends of lines": (json.dumps(ACCESS) * 3, "json", None),
    "subscription": (json.dumps(BATCH), "combined", "cloudwatch"),
    "subscriptions in a row": (json.dumps({**BATCH, "logEvents": [EVENT]}) * 3, "combined", "cloudwatch"),
    "filter-log-events": (
        json.dumps(
            {"events": [{**EVENT, "ingestionTime": 1, "logStreamName": "a"}] * 3, "searchedLogStreams": []}, indent=4
        ),
        "combined",
        "cloudwatch",
    ),
    "insights": (
        json.dumps(
            {
                "results": [
                    [{"field": "@timestamp", "value": "2026-03-01 10:02:03.123"}, {"field": "@message", "value": LINE}]
                ]
                * 3,
                "statistics": {},
                "status": "Complete",
            }
        ),
        "combined",
        "cloudwatch",
    ),
    "elasticsearch": (
        json.dumps({"took": 1, "hits": {"total": 3, "hits": [{"_index": "a", "_id": "1", "_source": ACCESS}] * 3}}),
        "json",
        "elasticsearch",
    ),
    "loki": (
        json.dumps(
            {
                "status": "success",
                "data": {
                    "resultType": "streams",
                    "result": [{"stream": {"pod": "a"}, "values": [["1772359323123456789", LINE]] * 3}],
                },
            }
        ),
        "combined",
        "loki",
    ),
    "Azure Monitor": (
        json.dumps({"tables": [TABLE, {**TABLE, "rows": TABLE["rows"][:1]}], "statistics": {}}, indent=2),
        "json",
        None,
    ),
    "datadog": (
        json.dumps(
            {
                "data": [
                    {"id": "A", "type": "log", "attributes": {"timestamp": "2026-03-01T10:02:03Z", "message": LINE}}
                ]
                * 3,
                "meta": {},
            }
        ),
        "combined",
        "datadog",
    ),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_records_are_lines(name, packed, tmp_path):
    text, form, wrapper = DOCUMENTS[name]
    path = tmp_path / "export.json"
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    collected = collect([path])
    (source,) = collected.sources
    assert (source.source, source.format, source.wrapper) == ("export.json", form, wrapper)
    assert (source.events, source.lines) == (3, 3)
    assert collected.events["status"].to_list() == [401] * 3


def test_lists_of_one_object_are_looked_through_where_a_product_writes_so(tmp_path):
    two = {**EDGE, "metadata": EDGE["metadata"] * 2}
    (tmp_path / "edge.json").write_text(json.dumps([EDGE, EDGE, EDGE, two]))
    events = collect([tmp_path / "edge.json"]).events
    told = events.select("kind", "method", "path", "status", "client_ip", "duration_ms").rows()
    assert told == [("request", "GET", "/rest/v1/me", 401, "203.0.113.7", 8.0)] * 3 + [("message", *[None] * 5)]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ACCESS) + "\n" + json.dumps({**ACCESS, "data": [{"a": 1}]}) + "\n",
        json.dumps({**ACCESS, "events": [{"a": 1}]}) + "\n",
        json.dumps({**ACCESS, "tables": [TABLE]}) + "\n",
        json.dumps({"tables": []}) + "\n",
        '{"log": {"version": "1.2", "entries": []}}',
        LINE + "\n",
        "[2026-03-01 10:02:03] production.ERROR: no\n",
        '{"time": \\x22, }\n{"a": 1}\n',
        "",
    ],
)
def test_lines_stay_as_they_are(text, tmp_path):
    path = tmp_path / "a.log"
    path.write_text(text)
    (found,) = discover([path])
    assert found.path == path


def test_a_row_of_a_table_that_has_other_values_than_columns_is_a_reject(tmp_path):
    path = tmp_path / "query.json"
    path.write_text(json.dumps({"tables": [{**TABLE, "rows": [*TABLE["rows"], ["2026-03-01T10:02:03.123Z", "x"], 7]}]}))
    told = collect([path])
    assert told.events.select("method", "path", "status").rows() == [("GET", "/api", 401)] * 2
    assert told.rejects["line_number"].to_list() == [3, 4]


def test_of_a_document_that_is_cut_off_the_beginning_is_kept(tmp_path):
    text = json.dumps([ACCESS] * 30)
    (tmp_path / "a.json").write_text(text[: len(text) // 2])
    collected = collect([tmp_path])
    assert sorted((source.source, source.events, source.broken) for source in collected.sources) == [
        ("a.json", 15, False),
        ("a.json (2)", 0, True),
    ]


@pytest.mark.parametrize("cut", [60, -3])
def test_of_batches_a_line_each_the_others_are_read_if_one_is_broken(cut, tmp_path):
    lines = [json.dumps({"resourceLogs": [batch]}) for batch in BATCHES]
    (tmp_path / "a.json").write_text("\n".join([lines[0], lines[0][:cut], *lines[1:]]) + "\n")
    collected = collect([tmp_path])
    (source,) = collected.sources
    assert (source.lines, source.events, source.rejects, source.broken) == (4, 3, 1, False)
    assert collected.events["line_number"].to_list() == [1, 2, 4]
    assert collected.rejects.select("line_number", "reason").rows() == [(3, "not a JSON object")]


def test_a_document_larger_than_what_is_held_is_read_bit_by_bit(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps([{**ACCESS, "n": number} for number in range(20_000)]))
    assert collect([tmp_path]).events.height == 20_000


@given(st.sampled_from(sorted(DOCUMENTS)), st.data())
def test_damaged_documents_raise_nothing(tmp_path_factory, name, data):
    text = DOCUMENTS[name][0]
    place = data.draw(st.integers(0, len(text)))
    put = data.draw(
        st.sampled_from(("", '"', "{", "[" * 2000, "]", "}", ",", "\\", "\x00", "1e999", "9" * 5000, "\ud800"))
    )
    path = tmp_path_factory.mktemp("damaged") / "a.json"
    path.write_bytes((text[:place] + put + text[place + data.draw(st.integers(0, 3)) :]).encode(errors="surrogatepass"))
    for found in discover([path], lambda: path.parent):
        assert found.source.startswith("a.json")
