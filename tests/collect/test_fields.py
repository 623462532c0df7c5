"""What counts as no value, in whichever field it stands."""

from __future__ import annotations

import polars as pl
import pytest

from authforensics.collect import fields
from authforensics.collect.provider_events import joined
from collecting import collect


@pytest.mark.parametrize("around", ["{}", " {}", "{}\t", "  {}  "])
@pytest.mark.parametrize("null", fields.NULLS)
def test_a_null_marker_is_none_with_or_without_spaces_around_it(null, around):
    assert pl.select(fields.text(pl.lit(around.format(null)))).item() is None


@pytest.mark.parametrize("value", ["--", "Null", "0", '"-"', "[ ]", "null.", "\N{ZERO WIDTH SPACE}-"])
def test_what_only_resembles_a_null_marker_is_a_value(value):
    assert pl.select(fields.text(pl.lit(f" {value} "))).item() == value


@pytest.mark.parametrize("around", ["{}", " {} ", "({})", "<{}>", "{{{}}}"])
@pytest.mark.parametrize("nobody", ["None", "NULL", "AnonymousUser", "anonymousUser", "N/A", "Unknown", "0", "guest"])
def test_a_word_for_nobody_is_no_id(nobody, around):
    assert pl.select(fields.identity(pl.lit(around.format(nobody)))).item() is None


@pytest.mark.parametrize("value", ["nonette", "guest-17", "10", "none@example.org", "-10"])
def test_what_only_has_such_a_word_in_it_is_an_id(value):
    assert pl.select(fields.identity(pl.lit(f" {value} "))).item() == value


def test_who_is_nobody_gives_way_to_the_next_key_and_keeps_its_other_fields(tmp_path):
    front = '{"time":"2026-03-01T10:00:00Z","method":"GET","path":"/None","status":401,"user_agent":"None"'
    path = tmp_path / "access.log"
    path.write_text(
        f'{front},"sub":"None","user":"u7","device_id":"unknown","request_id":"N/A"}}\n'
        f'{front},"sub":"u8","user":"None","device_id":"d1","request_id":"0"}}\n'
    )
    events = collect([path]).events
    assert events["user_id"].to_list() == ["u7", "u8"]
    assert events["device_id"].to_list() == [None, "d1"]
    assert events["request_id"].to_list() == [None, "0"]
    assert events["path"].to_list() == ["/None"] * 2
    assert events["user_agent"].to_list() == ["None"] * 2


def test_nulls_stay_null_and_the_type_stays_text():
    told = pl.select(fields.text(pl.lit(pl.Series("value", [None, "-", " a "], dtype=pl.String)))).to_series()
    assert told.to_list() == [None, None, "a"]
    assert pl.select(fields.text(pl.lit(pl.Series("value", [None], dtype=pl.String)))).to_series().dtype == pl.String


def test_texts_are_joined_as_far_as_they_are_there():
    frame = pl.DataFrame({"one": ["a", None, "a", None], "other": ["b", "b", None, None]})
    assert frame.select(joined(pl.col("one"), pl.col("other"))).to_series().to_list() == ["a: b", "b", "a", None]


@pytest.mark.parametrize(
    ("logged", "sent"),
    [
        ("Shop/3.1 (iOS 18, de)", "Shop/3.1 (iOS 18, de)"),
        (r"say \x22hi\x22", 'say "hi"'),
        (r"say \"hi\"", 'say "hi"'),
        (r"C:\x5Capp", r"C:\app"),
        (r"C:\x5capp", r"C:\app"),
        (r"C:\\app", r"C:\app"),
        (r"caf\xC3\xA9 \xE2\x98\x95 \xF0\x9F\x99\x82", "café ☕ 🙂"),
        (r"caf\xc3\xa9 é", "café é"),
        # What was escaped is no escape itself, and no key is found across two characters.
        (r"\x5Cx22", r"\x22"),
        (r"\\x22", r"\x22"),
        ("\N{LATIN SMALL LETTER C WITH CEDILLA}\\x20x", "\N{LATIN SMALL LETTER C WITH CEDILLA} x"),
        # Not UTF-8, and what no header can have.
        (r"caf\xE9 \x22a\x22", r'caf\xE9 "a"'),
        (r"\xED\xA0\x80", r"\xED\xA0\x80"),
        (r"a\x1B[31m\x0A\x00", r"a\x1B[31m\x0A\x00"),
        (r"a\n\tb", r"a\n\tb"),
        (r"a\xZZ\x4", r"a\xZZ\x4"),
        ("\\", "\\"),
        (r"a\x5C", "a\\"),
        ("Shop%2F3.1%20(iOS%2518)", "Shop/3.1 (iOS%18)"),
        ("Shop/3.1+(iPhone;+iOS+18.1)", "Shop/3.1 (iPhone; iOS 18.1)"),
        ("Shop/3.1+beta", "Shop/3.1+beta"),
        ("Shop/3.1 (C++;+(x))", "Shop/3.1 (C++;+(x))"),
    ],
)
def test_an_agent_is_read_as_it_was_sent(logged, sent):
    assert pl.select(fields.agent(pl.lit(logged))).item() == sent


def test_agents_stay_as_they_are_beside_others_and_none_is_none():
    told = pl.select(fields.agent(pl.lit(pl.Series("value", ["a", "-", None, r"\x22", ""], dtype=pl.String))))
    assert told.to_series().to_list() == ["a", None, None, '"', None]
