"""`--anonymize`: no client address and no user leaves, in any form, and all that belongs together still does."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from pages import unpacked

import authforensics
from authforensics.cli import app
from authforensics.errors import BadValue
from authforensics.pseudonyms import Pseudonyms

KEY = b"a key of sixteen or more"
NAMES = Pseudonyms(KEY, {"alice", "bob@example.com", "4711", "44"}, {"192.0.2.7", "2001:db8::7"})
START = datetime(2026, 3, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ('192.0.2.7 - alice [01/Mar/2026:10:00:01 +0000] "GET /u/4711 HTTP/1.1" 200', ("192.0.2.7", "alice", "4711")),
        ("for=203.0.113.9, 2001:DB8::7;user=bob%40example.com", ("203.0.113.9", "2001:DB8", "bob")),
        ('{"uid":4711,"mail":"carol@example.org"}', ("4711", "carol", "example.org")),
        ("[::ffff:192.0.2.7]:443 10:00:01", ("192.0.2.7",)),
    ],
)
def test_nothing_of_a_line_tells_who_it_was(text, gone):
    shown = NAMES.line(text)
    assert not [one for one in gone if one in shown]
    assert NAMES.line(text) == shown


def test_what_names_nobody_stays():
    for text in (
        "10:00:01 GET /api/items HTTP/1.1 rt=0.012",
        "shop/1.44 44.1 kHz",
        "2026-03-01T10:00:01Z",
        "std::map",
    ):
        assert NAMES.line(text) == text
    for text in ("only 10.0.0.2:3000 refuses 44 of 44 devices", "4711 writes lost"):
        assert NAMES.words(text) == text
    assert NAMES.name("ios-0012") == "ios-0012"


def test_the_same_is_the_same_everywhere_and_by_another_key_another():
    assert NAMES.line("2001:DB8:0::7") == NAMES.address("2001:db8::7") == NAMES.words("2001:db8::7")
    assert NAMES.name("192.0.2.7|okhttp/4").removesuffix("|okhttp/4") == NAMES.address("192.0.2.7")
    assert NAMES.name("alice") == NAMES.user("alice") in NAMES.line("user alice logged in")
    assert Pseudonyms(b"another key of yours", {"alice"}, ()).name("alice") != NAMES.name("alice")


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """Twelve users without device ids, in two logs, whose refreshed tokens are refused."""
    folder = tmp_path_factory.mktemp("logs")
    lines, said = [], []
    for number in range(12):
        for step in range(10):
            at = START + timedelta(seconds=20 * step + number)
            refresh = step % 2 == 0
            told = {"time": at.isoformat(), "remote_addr": f"198.51.100.{number}", "user_id": f"person{number}x"}
            told |= {"method": "POST" if refresh else "GET", "status": 200 if refresh else 401}
            path = "/api/refresh_token" if refresh else f"/api/people/person{number}x?uid=person{number}x"
            lines.append(json.dumps({**told, "path": path, "request_id": f"r{number}-{step}"}))
            if not refresh:
                text = f"request_id=r{number}-{step} invalid signature for person{number}x from 198.51.100.{number}"
                said.append(f"{at:%Y-%m-%d %H:%M:%S},000 - app.auth - ERROR - {text}")
    lines.append("no line of 198.51.100.3, mail eve@example.org")
    (folder / "access.log").write_text("\n".join(lines) + "\n")
    (folder / "app.log").write_text("\n".join(said) + "\n")
    return folder


WHO = re.compile(r"198\.51\.100\.\d|person\d+x|eve@")


def texts(folder):
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".parquet":
            yield path.name, json.dumps(pl.read_parquet(path).to_dicts(), default=str)
        elif path.is_file():
            yield path.name, path.read_text()
            if path.suffix == ".html":
                yield "figures", unpacked(path.read_text(), "figures")


def test_nobody_is_named_in_anything_that_is_written(logs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINE", KEY.decode())
    known = ("--anonymize", "--fingerprint-key", "env:MINE")
    assert (
        app.run(["analyze", str(logs), "--json", "a.json", "--markdown", "a.md", "--export", "t", "-vv", *known]) == 0
    )
    written = dict(texts(tmp_path)) | {"terminal": "".join(capsys.readouterr())}
    assert len(written) == 9
    assert {name: sorted(set(WHO.findall(text)))[:3] for name, text in written.items() if WHO.search(text)} == {}
    document = json.loads(written["a.json"])
    devices = {one["device_id"] for one in document["devices"]}
    assert len(devices) == 12
    assert {one["device_id"] for one in document["findings"] if one["device_id"]} <= devices
    assert set(document["incidents"][0]["device_ids"]) == devices
    assert set(pl.read_parquet(tmp_path / "t" / "sessions.parquet")["device_id"]) == devices
    user = NAMES.user("person3x")
    assert user in devices
    assert app.run(["timeline", str(logs), "--device", user, "--html", "d.html", *known]) == 0
    assert app.run(["timeline", str(logs), "--device", "person3x", *known]) == 0
    assert app.run(["verify", str(logs), "--after", "2026-03-01T10:01:00Z", *known]) == 20
    shown = dict(texts(tmp_path)) | {"terminal": "".join(capsys.readouterr())}
    assert user in shown["terminal"]
    assert {name for name, text in shown.items() if WHO.search(text)} == set()


def test_without_a_key_no_run_can_be_joined_with_another(logs):
    analysis = authforensics.analyze(logs)
    first, again = analysis.anonymized(), analysis.anonymized()
    assert first.document.devices[0].device_id != again.document.devices[0].device_id
    assert first.anonymized(KEY).document == analysis.anonymized(KEY).document
    plain = analysis.document.model_dump(
        exclude={"devices", "findings", "incidents", "timelines", "sources", "endpoints"}
    )
    hidden = first.document.model_dump(
        exclude={"devices", "findings", "incidents", "timelines", "sources", "endpoints"}
    )
    assert plain == hidden


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("env:NOWHERE", "NOWHERE is not set"),
        ("nowhere", "nowhere: can't be read"),
        ("short", "at least 16 bytes, found 5"),
    ],
)
def test_a_key_that_cannot_be_used_is_refused(text, told, tmp_path, monkeypatch):
    from authforensics.cli.bounds import fingerprint_key

    monkeypatch.chdir(tmp_path)
    (tmp_path / "short").write_text("12345\n")
    with pytest.raises(BadValue, match=told):
        fingerprint_key(text)
