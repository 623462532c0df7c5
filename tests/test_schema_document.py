"""The document: JSON and back, its schema, and what it refuses."""

from __future__ import annotations

import json

import polars as pl
import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from authforensics import schema
from authforensics.document import Document, Source, json_schema
from authforensics.errors import BrokenInput
from authforensics.findings import Finding, Severity
from authforensics.states import EVENTS, STATES


def test_a_document_survives_json(document):
    text = document.to_json()
    assert Document.from_json(text) == document
    assert Document.from_json(text).to_json() == text
    assert json.loads(text)["schema"] == "authforensics/1"


def test_times_are_utc_with_microseconds(document):
    data = json.loads(document.to_json())
    assert data["findings"][0]["evidence"][0]["timestamp"] == "2025-12-25T04:25:01.250000Z"
    assert data["incidents"][0]["first_seen"] == "2025-12-25T04:25:00.000000Z"


def test_the_schema_describes_the_document(document):
    described = json_schema()
    Draft202012Validator.check_schema(described)
    validator = Draft202012Validator(described)
    data = json.loads(document.to_json())
    validator.validate(data)
    data["incidents"][0]["root_causes"][0]["score"] = 2
    assert not validator.is_valid(data)


def test_the_schema_calls_fields_what_the_json_calls_them(document):
    data = json.loads(document.to_json())
    described = json_schema()
    assert set(data) == set(described["properties"])
    assert set(data["incidents"][0]["root_causes"][0]) == set(described["$defs"]["RootCause"]["properties"])


def test_a_finding_without_evidence_is_refused(finding):
    with pytest.raises(ValidationError, match="evidence"):
        Finding.model_validate({**finding.model_dump(), "evidence": ()})


def test_evidence_names_a_line(finding, evidence):
    with pytest.raises(ValidationError, match="line_number"):
        Finding.model_validate({**finding.model_dump(), "evidence": [{**evidence.model_dump(), "line_number": 0}]})


def test_an_unknown_field_is_refused_and_named(document):
    data = json.loads(document.to_json())
    data["systems"][0]["colour"] = "red"
    with pytest.raises(BrokenInput, match=r"systems\.0\.colour"):
        Document.from_json(json.dumps(data))


def test_another_version_of_the_document_is_refused(document):
    data = json.loads(document.to_json())
    data["schema"] = "authforensics/2"
    with pytest.raises(BrokenInput, match="schema"):
        Document.from_json(json.dumps(data))


def test_what_is_no_json_is_refused():
    with pytest.raises(BrokenInput, match="not an authforensics/1 document"):
        Document.from_json("<html>")


def test_a_document_cannot_be_changed(document):
    with pytest.raises(ValidationError, match="frozen"):
        document.verdict = None


def test_severities_are_ordered():
    assert sorted(Severity, key=lambda severity: severity.rank) == ["none", "low", "medium", "high", "critical"]


def test_dispositions_add_up():
    source = Source(
        system="s",
        source="f",
        format="x",
        events=1,
        continuations=2,
        rejects=3,
        blank=4,
        header=5,
        filtered=6,
        duplicates=7,
    )
    assert source.accounted == 28


@pytest.mark.parametrize("table", ["COLLECTED", "EVENTS", "REJECTS", "SESSIONS", "RATES", "FINDINGS"])
def test_tables_can_be_made_and_stored(table, tmp_path):
    columns = getattr(schema, table)
    frame = pl.DataFrame(schema=columns)
    frame.write_parquet(tmp_path / "table.parquet")
    assert dict(pl.read_parquet_schema(tmp_path / "table.parquet")) == dict(frame.schema)
    assert list(columns) == [name.lower() for name in columns]


def test_enums_follow_the_state_table():
    assert schema.STATE.categories.to_list() == list(STATES)
    assert schema.AUTH_EVENT.categories.to_list() == list(EVENTS)
    assert set(EVENTS) <= set(schema.SESSIONS)
