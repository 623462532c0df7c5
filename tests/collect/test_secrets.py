"""No credential is in the events, whatever column it came in, and devices stay apart."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authforensics.collect import Options, secrecy
from authforensics.redact import conceal
from collecting import collect

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.SIGNATUREsignature0123456789SIGNATUREsig"
OTHER = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MyJ9.OTHERsignature0123456789SIGNATUREother"
COLUMNS = (
    "user_id", "device_id", "session_id", "request_id", "remote_addr", "host", "upstream_addr", "user_agent",
    "app_version", "platform",
)  # fmt: skip
FORMS = (Path(__file__).parent.parent / "secret_forms.txt").read_text().splitlines()
#: What texts with secrets are made of: names, signs around them, and values of all kinds.
WORDS = (
    *("pa\u017f\u017fword", "to\u212aen", "token", "session", "Bearer", "user", "for", "expired", "refused", "code"),
    *("key", "jwt", "cookie", "sid", "auth", "-u", "pass", "password", "is", "was", "id", "sig", "SECRET", "ghp_"),
    *("=", ":", " ", "/", "?", "&", "%20", "%3d", '"', "'", "{", "}", "[", "]", "://", "@", "_", "-", "\t", "=>", "->"),
)
ALPHABETS = ("0123456789abcdef", "abcdefghijklmnopqrstuvwxyz", "ABCDEFabcdef0123456789", "ABCxyz019+/", "Aa1.Bb2-_")


def _json(folder: Path, *values: str) -> pl.DataFrame:
    lines = []
    for number, value in enumerate(values):
        entry = {"time": f"2026-03-01T10:00:{number:02d}Z", "method": "GET", "path": f"/x/{value}", "status": 401}
        lines.append(json.dumps(entry | dict.fromkeys(COLUMNS, value)))
    (folder / "access.json.log").write_text("\n".join(lines) + "\n")
    return collect([folder], Options(tz="UTC")).events


@pytest.mark.parametrize("form", ["{}", "app Bearer {}", "a={} b"])
def test_a_token_is_in_no_column(tmp_path, form):
    events = _json(tmp_path, *[form.format(token) for token in (JWT, OTHER, JWT)])
    assert events.height == 3
    text = json.dumps(events.to_dicts(), default=str)
    for token in (JWT, OTHER):
        assert not [part for part in token.split(".") if part in text]


@pytest.mark.parametrize("name", ["user_id", "device_id", "session_id", "request_id", "client_ip"])
def test_one_token_stays_one_identity(tmp_path, name):
    first, second, third = _json(tmp_path, JWT, OTHER, JWT)[name]
    assert first == third != second
    assert first.startswith("redacted:")


def test_what_is_no_credential_stays(tmp_path):
    plain = "4328FDB7-7863-4ACC-9A19-0DD0A1B2C3D4"
    events = _json(tmp_path, plain, "ios-0012", plain)
    assert events["device_id"].to_list() == [plain, "ios-0012", plain]
    assert events["path"].to_list() == [f"/x/{plain}", "/x/ios-0012", f"/x/{plain}"]


def test_messages_keep_their_words_only(tmp_path):
    lines = [f"2026-03-01 10:00:0{second},000 - app.auth - WARNING - token rejected: {JWT}" for second in range(3)]
    (tmp_path / "app.log").write_text("\n".join(lines) + "\n")
    messages = collect([tmp_path], Options(tz="UTC")).events["message"]
    assert messages.to_list() == ["token rejected: [redacted token, 2 dots]"] * 3


@pytest.mark.parametrize("form", FORMS)
def test_whatever_would_be_concealed_is_looked_at(form):
    value = form.replace("SECRET", "NqVwYS81VP7Hb1DX8pPd5khxE3pyIgKp")
    frame = pl.DataFrame({"path": [value, "/plain"]})
    shown = secrecy.readable(frame["path"]).to_list()
    assert shown == [conceal(value), "/plain"]


def _text(draw: Random) -> str:
    """Some names, signs and values in a row."""
    parts = []
    for _ in range(draw.randint(1, 9)):
        made = "".join(draw.choices(draw.choice(ALPHABETS), k=draw.choice((3, 8, 12, 16, 20, 30, 36, 64))))
        parts += [draw.choice(WORDS) if draw.random() < 0.7 else made, draw.choice(("", "", " "))]
    return "".join(parts)


@given(st.integers(0, 2**32))
def test_what_is_looked_at_is_a_superset_of_what_would_be_concealed(seed):
    draw = Random(seed)
    texts = [text for text in (_text(draw) for _ in range(500)) if not re.match(secrecy._PLAIN, text)]
    assert secrecy.readable(pl.Series(texts)).to_list() == [conceal(text) for text in texts]


def test_a_token_in_the_exception_of_a_traceback(tmp_path):
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJlLW9mLXRoaXMtdG9rZW4"
    log = tmp_path / "app.log"
    log.write_text(
        "2026-03-01 10:00:00,000 - app.auth - ERROR - Unhandled exception\n"
        "Traceback (most recent call last):\n"
        '  File "/srv/app.py", line 1, in f\n'
        f"jwt.exceptions.InvalidSignatureError: Signature verification failed: {token}\n"
    )
    (message,) = collect([log]).events["message"]
    assert "Signature verification failed" in message
    assert token.rsplit(".", 1)[1] not in message
