"""Nothing secret leaves: tokens, keys, cookies and passwords of the inputs against all that every command writes."""

from __future__ import annotations

import base64
import io
import json
import re
import sys
from datetime import UTC, datetime, timedelta

import jwt
import polars as pl
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pages import unpacked

from authforensics.cli import app
from tokens.made import signed

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
#: Of each secret no so many characters in a row may be anywhere.
PIECE = 12


class Secrets:
    """Makes secrets, each another one, and remembers every text that must not leave."""

    def __init__(self) -> None:
        """Nothing made yet."""
        self.kept: list[str] = []
        self._number = 0

    def word(self, length: int = 32) -> str:
        """Letters and digits."""
        self._number += 1
        state, letters = self._number, []
        for _ in range(length):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            letters.append("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[(state >> 40) % 62])
        self.kept.append("".join(letters))
        return self.kept[-1]

    def token(self, key, device: int, algorithm: str = "HS256") -> str:
        """A signed token, of which neither payload nor signature may leave."""
        self._number += 1
        issued = int(START.timestamp()) + self._number
        claims = {"sub": f"user-{device}", "iat": issued, "exp": issued + 900, "jti": f"{self._number:04}"}
        made = signed(claims, key, algorithm, kid="first")
        self.kept += made.split(".")[1:]
        return made

    def pieces(self) -> set[str]:
        """All runs of `PIECE` characters of any of them."""
        return {one[at : at + PIECE] for one in self.kept for at in range(len(one) - PIECE + 1)}


@pytest.fixture(scope="module")
def secrets():
    return Secrets()


@pytest.fixture(scope="module")
def keys(secrets, tmp_path_factory):
    """Files of keys: a dotenv file with a secret, a password and a private key, a list of secrets, a key set."""
    folder = tmp_path_factory.mktemp("keys")
    pair = ec.generate_private_key(ec.SECP256R1())
    pem = pair.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    secrets.kept += pem.splitlines()[1:-1]
    main, listed, shared = secrets.word(), secrets.word(), secrets.word()
    (folder / ".env").write_text(
        f'SECRET_KEY={main}\nDB_PASSWORD={secrets.word(16)}\nJWT_PRIVATE_KEY="{pem}"\nSHORT={secrets.word(13)}\n'
    )
    (folder / "secrets.txt").write_text(f"{listed}\n{secrets.word()}\n")
    encoded = base64.urlsafe_b64encode(shared.encode()).rstrip(b"=").decode()
    secrets.kept.append(encoded)
    public = jwt.algorithms.ECAlgorithm.to_jwk(pair.public_key(), as_dict=True)
    (folder / "jwks.json").write_text(json.dumps({"keys": [{"kty": "oct", "k": encoded, "kid": "s"}, public, {}]}))
    return folder, (main, listed, shared, pair)


def _entries(secrets, signers):
    """Requests of twelve devices that loop: refreshed, refused with a token that one of the keys signed."""
    for device in range(12):
        for step in range(8):
            at = START + timedelta(seconds=20 * step + device)
            key = signers[device % len(signers)]
            token = secrets.token(key, device, "HS256" if isinstance(key, str) else "ES256")
            yield device, at, step % 2 == 0, token


def _access(secrets, signers):
    lines = []
    for device, at, refresh, token in _entries(secrets, signers):
        path = f"/api/refresh_token?refresh_token={secrets.word()}" if refresh else f"/api/items?access_token={token}"
        referrer = f"https://shop.example/back?token={token}" if device % 2 else "-"
        method, status = ("POST", 200) if refresh else ("GET", 401)
        request = f'"{method} {path} HTTP/1.1" {status} 12 "{referrer}" "shop/1.0 ({device})"'
        lines.append(f"192.0.2.{device} - - [{at:%d/%b/%Y:%H:%M:%S} +0000] {request}")
    token = secrets.token(signers[0], 1)
    lines += [f"no line {token}", f"Cookie: sid={secrets.word()}", f"{token[:70]}", f'"{token}" "{secrets.word()}']
    return lines


def _json_lines(secrets, signers):
    for device, at, refresh, token in _entries(secrets, signers):
        yield json.dumps(
            {
                "time": at.isoformat(),
                "remote_addr": f"198.51.100.{device}",
                "method": "POST" if refresh else "GET",
                "path": "/api/refresh_token" if refresh else "/api/items",
                "status": 200 if refresh else 401,
                "device_id": f"device-{device}",
                "authorization": f"Bearer {token}",
                "cookie": f"session={secrets.word()}; jwt={token}",
                "request_body": {"id_token": token, "password": secrets.word(16)},
                "error": f"invalid signature: {token}",
            }
        )


def _messages(secrets, signers):
    for device, at, _, token in _entries(secrets, signers):
        yield f"{at:%Y-%m-%d %H:%M:%S},000 - app.auth - ERROR - device-{device} invalid signature {token}"
    yield "Traceback (most recent call last):"
    yield f'    decode("{secrets.token(signers[0], 1)}")'
    yield f"jwt.exceptions.InvalidSignatureError: {secrets.token(signers[1], 1)} with key '{secrets.word()}'"


@pytest.fixture(scope="module")
def logs(secrets, keys, tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    signers = keys[1]
    for name, lines in (
        ("web/access.log", _access(secrets, signers)),
        ("api/access.json.log", _json_lines(secrets, signers)),
        ("api/app.log", _messages(secrets, signers)),
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("\n".join(lines) + "\n")
    token = secrets.token(signers[0], 3)
    bearer = {"name": "Authorization", "value": f"Bearer {token}"}
    request = {"method": "GET", "url": f"https://shop.example/api/items?token={token}", "headers": [bearer]}
    body = {"size": 9, "text": json.dumps({"access_token": token, "refresh_token": secrets.word()})}
    entry = {"startedDateTime": START.isoformat(), "time": 3, "request": request}
    entry["response"] = {"status": 401, "headers": [], "content": body}
    (folder / "har").mkdir()
    (folder / "har" / "one.har").write_text(json.dumps({"log": {"version": "1.2", "entries": [entry] * 3}}))
    return folder


@pytest.fixture
def written(logs, keys, tmp_path, monkeypatch, capsys):
    """Run a command with all keys; gives all that it wrote, by name."""
    monkeypatch.chdir(tmp_path)
    place = keys[0]
    known = ("--env-file", f"{place}/.env", "--secrets", f"{place}/secrets.txt", "--jwks", f"{place}/jwks.json")

    def run(*arguments: str) -> dict[str, str]:
        code = app.run([arguments[0], str(logs), *arguments[1:], *known])
        shown = capsys.readouterr()
        texts = {"code": str(code), "out": shown.out, "err": shown.err}
        for path in sorted(tmp_path.rglob("*")):
            if path.suffix == ".parquet":
                texts[path.name] = json.dumps(pl.read_parquet(path).to_dicts(), default=str, ensure_ascii=False)
            elif path.is_file():
                texts[path.name] = path.read_text()
            if path.suffix == ".html":
                texts["figures"] = unpacked(texts[path.name], "figures")
        return texts

    return run


def leaks(texts, secrets):
    """What of the secrets is in texts, by the name of the text."""
    pieces = secrets.pieces()
    found = {}
    for name, text in texts.items():
        runs = re.findall(rf"[A-Za-z0-9_+/=-]{{{PIECE},}}", text)
        seen = {run[at : at + PIECE] for run in runs for at in range(len(run) - PIECE + 1)}
        found[name] = sorted(seen & pieces)[:3]
    return {name: some for name, some in found.items() if some}


def test_no_secret_is_in_anything_that_analyze_writes(written, secrets):
    texts = written("analyze", "-vv", "--json", "r.json", "--markdown", "r.md", "--export", "tables")
    assert texts["code"] == "0", texts["err"]
    document = json.loads(texts["r.json"])
    told = document["tokens"]
    assert {one["candidate"] for one in told["signed_by"]} >= {"env:SECRET_KEY", "secrets:1", "jwks:s"}
    assert {one["where"] for one in told["leaks"]} >= {"query", "header", "message"}
    assert any("key 3 has no kty" in one for one in told["notes"])
    assert any(one["text"] for finding in document["findings"] for one in finding["evidence"])
    assert any(source["rejects"] for source in document["sources"])
    assert len(texts) >= 11
    assert not leaks(texts, secrets)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("analyze", "-vv", "--no-html", "--export", "tables", "--export-format", "csv"),
        ("analyze", "--no-html", "--strict", "-vv"),
        ("verify", "--after", "2026-03-01T10:01:00Z", "--json", "r.json"),
        ("timeline", "--device", "device-3"),
        ("timeline", "--device", "device-3", "--html", "d.html"),
    ],
)
def test_no_secret_is_in_what_other_commands_write(arguments, written, secrets):
    texts = written(*arguments)
    assert len(texts["out"]) + len(texts["err"]) > 100
    assert not leaks(texts, secrets)


def test_no_secret_is_in_a_traceback_nor_in_files_that_remain(written, secrets, logs, tmp_path, monkeypatch):
    line = (logs / "api" / "app.log").read_text().splitlines()[0]

    def broken(*arguments: object, **options: object) -> None:
        try:
            raise KeyError(line)
        except KeyError as error:
            raise ValueError(f"could not parse {line.split()[-1][60:]}") from error

    (tmp_path / "work").mkdir()
    monkeypatch.setattr("authforensics.diagnose.diagnose", broken)
    texts = written("analyze", "-vv", "--memory", "16M", "--work-dir", "work")
    assert texts["code"] == "1"
    assert "\nValueError (what it says is left out" in texts["err"]
    assert list((tmp_path / "work").iterdir()) == []
    assert not leaks(texts, secrets)


def test_no_secret_is_in_what_is_said_of_one_line_or_token(secrets, keys, logs, capsys, monkeypatch):
    lines = [(logs / name).read_text().splitlines()[1] for name in ("web/access.log", "api/access.json.log")]
    texts = {}
    for number, line in enumerate(lines):
        app.run(["explain", "--line", line, "-v"])
        texts[f"line {number}"] = "".join(capsys.readouterr())
    token = secrets.token(keys[1][0], 5)
    for options in ([], ["--json"]):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(token.encode())))
        app.run(["token", "-", "--env-file", f"{keys[0]}/.env", *options])
        texts[f"token {options}"] = "".join(capsys.readouterr())
    assert all(len(text) > 100 for text in texts.values())
    # That the claims of a token can be read is what the command is for; not its segments.
    assert not leaks(texts, secrets)


@pytest.mark.slow
def test_no_secret_is_in_the_frames_of_the_python_api(secrets, logs, keys):
    import authforensics

    analysis = authforensics.analyze(logs, env_file=keys[0] / ".env", secrets=keys[0] / "secrets.txt")
    events = authforensics.read_events(logs)
    frames = {"read": events, "events": analysis.events, "sessions": analysis.sessions, "rejects": analysis.rejects}
    texts = {name: json.dumps(frame.to_dicts(), default=str) for name, frame in frames.items()}
    texts |= {"repr": repr(analysis), "plan": repr(analysis.plan), "shown": analysis._repr_html_()}
    assert not leaks(texts, secrets)


def test_claims_are_shown_where_somebody_asks_and_never_a_signature(secrets, keys, logs, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    line = (logs / "web" / "access.log").read_text().splitlines()[1]
    app.run(["explain", "--line", line, "--show-claims"])
    texts = {"line": "".join(capsys.readouterr())}
    app.run(["analyze", str(logs / "web"), "--no-html", "--markdown", "-", "--show-claims"])
    texts["evidence"] = "".join(capsys.readouterr())
    for text in texts.values():
        told = re.search(
            r"\[redacted token; claims: alg HS256; kid first; sub user-(\d+); iat 2026-03-01T10:\d\d:\d\dZ; exp",
            " ".join(text.split()),
        )
        assert told, text[:3000]
    assert not leaks(texts, secrets)
