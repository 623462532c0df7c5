"""The configuration file: what it may say, and errors that point to the line."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from authforensics.config import Config, find, load
from authforensics.errors import BadValue, MissingInput, UnknownName
from authforensics.schema import EndpointClass

FULL = """\
# all of it
tz = "Asia/Tokyo"
format = "combined"
since = 2025-12-25T09:00:00+09:00

[endpoints]
"POST ^/auth/renew$" = "refresh"
"ANY /x=y" = "api"

[systems]
shop = ["logs/shop-*", "logs/shared"]

[thresholds.refresh_loop]
cycles = 3
seconds = 0.5
"""


@pytest.fixture
def file(tmp_path):
    return tmp_path / "authforensics.toml"


def test_everything_it_may_say(file):
    file.write_text(FULL)
    config = load(file)
    assert (config.zone, config.zones) == ("Asia/Tokyo", ())
    assert config.since == "2025-12-25T09:00:00+09:00"
    assert config.endpoints == {"POST ^/auth/renew$": EndpointClass.REFRESH, "ANY /x=y": EndpointClass.API}
    assert config.systems == {"shop": ("logs/shop-*", "logs/shared")}
    assert config.thresholds == {"refresh_loop": {"cycles": 3.0, "seconds": 0.5}}


def test_an_empty_file_is_the_default(file):
    file.write_text("")
    assert load(file).model_dump() == Config().model_dump()


def test_it_knows_where_a_key_stands(file):
    file.write_text(FULL)
    config = load(file)
    assert config.place("thresholds", "refresh_loop", "seconds") == f"{file}:15"
    assert config.place("thresholds", "refresh_loop") == f"{file}:13"
    assert config.place("endpoints", "ANY /x=y") == f"{file}:8"
    assert Config().place("tz") is None


@pytest.mark.parametrize(
    ("old", "new", "kind", "message"),
    [
        ("tz =", "tzz =", UnknownName, ":2: unknown configuration key 'tzz'; did you mean 'tz'?"),
        ("[systems]", "[system]", UnknownName, ":10: unknown configuration key 'system'; did you mean 'systems'?"),
        ('"refresh"', '"refrsh"', UnknownName, ":7: unknown endpoint class 'refrsh'; did you mean 'refresh'?"),
        ("cycles = 3", "cycles = 'x'", BadValue, ":14: thresholds.refresh_loop.cycles: expected a number, found 'x'"),
        ('"Asia/Tokyo"', "9", BadValue, ":2: tz: expected a zone, or a table of globs of files with zones, found 9"),
        ("Asia/Tokyo", "Asia/Tokio", BadValue, ":2: tz: unknown time zone 'Asia/Tokio'; did you mean 'Asia/Tokyo'?"),
        ("Asia/Tokyo", "JST", BadValue, ":2: tz: unknown time zone 'JST'; expected an IANA name such as 'Asia/Tokyo'"),
        ("Asia/Tokyo", "UTC+9", BadValue, ":2: tz: unknown time zone 'UTC+9'; did you mean '+09:00'?"),
        ("ANY /x", "FETCH /x", BadValue, ":8: endpoints.FETCH /x=y: expected 'METHOD /path' with METHOD one of"),
        ("renew$", "(renew$", BadValue, ":7: endpoints.POST ^/auth/(renew$: expected a regular expression after POST"),
        ('["logs/shop-*", "logs/shared"]', "[]", BadValue, ":11: systems.shop: expected at least one folder pattern"),
        ('"combined"', '"combined', BadValue, ":3: expected TOML: "),
        ("[systems]", "[[endpoints]]", BadValue, ": expected TOML: "),
    ],
)
def test_a_mistake_points_to_its_line(file, old, new, kind, message):
    assert old in FULL
    file.write_text(FULL.replace(old, new))
    with pytest.raises(kind) as caught:
        load(file)
    assert f"{file}{message}" in str(caught.value).replace(f"{file}:10: exp", f"{file}: exp")
    assert "\n" not in str(caught.value)


def test_what_is_not_text_is_refused(file):
    file.write_bytes(b"tz = '\xff'\n")
    with pytest.raises(BadValue, match="expected TOML in UTF-8, found byte 0xff"):
        load(file)


def test_a_file_that_is_not_there(file):
    with pytest.raises(MissingInput, match="No such file"):
        load(file)


def test_it_is_found_beside_the_logs_before_the_working_directory(tmp_path):
    logs, here = tmp_path / "logs", tmp_path / "here"
    for folder in (logs, here):
        folder.mkdir()
        (folder / "access.log").touch()
    assert find([logs], here) is None
    (here / "authforensics.toml").touch()
    assert find([logs], here) == here / "authforensics.toml"
    (logs / "authforensics.toml").touch()
    for named in (logs, logs / "access.log", logs / "*.gz"):
        assert find(["-", named], here) == logs / "authforensics.toml"


def test_it_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Config().tz = "UTC"


ZONES = """\
[tz]
"php/*.log*" = "Asia/Tokyo"
"app.log" = "Europe/Berlin"
"*" = "America/New_York"
"""


def test_zones_of_files_are_named_by_glob(file):
    file.write_text(ZONES)
    config = load(file)
    assert config.zone == "America/New_York"
    assert config.zones == (("php/*.log*", "Asia/Tokyo"), ("app.log", "Europe/Berlin"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Europe/Berlin", "Europe/Berln", ":3: tz: unknown time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?"),
        ('"Europe/Berlin"', "1", ":3: tz.app.log: expected text, found 1"),
    ],
)
def test_a_mistake_in_a_zone_of_files_points_to_its_line(file, old, new, message):
    file.write_text(ZONES.replace(old, new))
    with pytest.raises(BadValue) as caught:
        load(file)
    assert str(caught.value) == f"{file}{message}"
