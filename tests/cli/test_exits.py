"""What results are written with: JSON in ASCII, numbers for people; and the configuration file that is passed over."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from authforensics.config import find
from authforensics.document import Document
from authforensics.report import wording
from authforensics.report.html.text import embed

#: A bidirectional override and isolate, a C1 control, line separator, zero width space, and what must stay readable.
HOSTILE = "a\u202eb\u2066c\x9bd\u2028e\u200bf 日本 \U0001f600 </script>"


def test_json_holds_no_character_that_cannot_be_seen(document):
    changed = document.model_copy(
        update={"verdict": document.verdict.model_copy(update={"headline": f"for {HOSTILE} since 04:25"})}
    )
    for indent in (2, None):
        text = changed.to_json(indent)
        assert text.isascii()
        assert text.replace("\n", "").isprintable()
        assert Document.from_json(text) == changed


def test_embedded_data_holds_no_character_that_cannot_be_seen():
    text = str(embed({"device_id": HOSTILE}))
    assert text.isascii()
    assert text.isprintable()
    assert "<" not in text
    assert json.loads(text) == {"device_id": HOSTILE}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.4123, "0.412"),
        (52.25, "52.2"),
        (812.5, "812"),
        (999.4, "999"),
        (999.7, "1,000"),
        (1234.5, "1,234"),
        (87600.3, "87,600"),
        (12_345_678.9, "12,345,679"),
        (12391, "12,391"),
        (-4321.7, "-4,322"),
    ],
)
def test_a_number_of_four_digits_is_written_out(value, text):
    assert wording.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(90, "1.5 device-minutes"), (3600, "1 device-hour"), (315_361_000, "87,600 device-hours")],
)
def test_device_time_is_written_out(seconds, text):
    assert wording.device_time(seconds) == text


def test_a_configuration_file_is_not_looked_for_where_nothing_can_be_seen(tmp_path, monkeypatch):
    shut, here = tmp_path / "shut", tmp_path / "here"
    shut.mkdir()
    here.mkdir()
    (here / "authforensics.toml").write_text("")
    looked = os.stat

    def refuse(path, *arguments, **named):
        if "shut" in Path(path).parts:
            raise PermissionError(13, "Permission denied", str(path))
        return looked(path, *arguments, **named)

    monkeypatch.setattr(os, "stat", refuse)
    assert find([shut], cwd=here) == here / "authforensics.toml"
    assert find([shut / "access.log"], cwd=tmp_path) is None
