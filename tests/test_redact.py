"""Nothing that opens a door leaves, nothing unseen stays unseen, and what is harmless stays as it was."""

from __future__ import annotations

import base64
import gzip
import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authforensics.redact import conceal, fingerprint, redact, visible

ROOT = Path(__file__).parent.parent


def _segment(data: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")


HEADER = _segment({"alg": "HS256", "typ": "JWT"})
PAYLOAD = _segment({"sub": "569260", "exp": 1766635209})
SIGNATURE = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
TOKEN = f"{HEADER}.{PAYLOAD}.{SIGNATURE}"
OPAQUE = "8xLOxBtZp8"


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {TOKEN}",
        f"authorization=Bearer%20{TOKEN}",
        f"GET /api/me?access_token={TOKEN}&page=2 HTTP/1.1",
        f'{{"refresh_token":"{TOKEN}","expires_in":900}}',
        f'{{"msg":"{{\\"token\\":\\"{TOKEN}\\"}}"}}',
        f"Cookie: session={TOKEN}; theme=dark",
        f"JWT decode failed for {TOKEN}: Signature verification failed",
        f"token was '{HEADER}.{PAYLOAD}.'",
        f"cut off: {HEADER}.{PAYLOAD[:20]}",
        f"twice {TOKEN}{TOKEN}",
        f"wss://example.net/socket#id_token={TOKEN}",
    ],
)
def test_tokens_do_not_leave(text):
    shown = redact(text)
    for part in (HEADER, PAYLOAD, PAYLOAD[:20], SIGNATURE):
        assert part not in shown
    assert "[redacted" in shown


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {OPAQUE}",
        f"Authorization: Token {OPAQUE}",
        f"upstream got Bearer {OPAQUE} and said no",
        f"Authorization: Basic {OPAQUE}",
        f"POST /oauth/token?grant_type=refresh_token&refresh_token={OPAQUE}",
        f"GET /callback?state=x&code={OPAQUE}",
        f"/login?user=ann&password={OPAQUE}",
        f'{{"client_secret": "{OPAQUE}", "client_id": "web"}}',
        f'{{"password":"{OPAQUE}\\"tail"}}',
        f"Set-Cookie: sid={OPAQUE}; HttpOnly",
        f'"cookie":"sid={OPAQUE}; lang=de"',
        f"SECRET_KEY={OPAQUE}",
        f"PHPSESSID={OPAQUE}",
        f"/v1/things?api_key={OPAQUE}",
    ],
)
def test_secrets_without_a_shape_of_their_own_do_not_leave(text):
    assert OPAQUE not in redact(text)


LONG_OPAQUE = "NqVwYS81VP7Hb1DX8pPd5khxE3pyIgKp"


@pytest.mark.parametrize("form", (Path(__file__).parent / "secret_forms.txt").read_text().splitlines())
def test_secrets_in_every_form_do_not_leave(form):
    shown = redact(form.replace("SECRET", LONG_OPAQUE))
    pieces = [LONG_OPAQUE[start : start + 8] for start in range(len(LONG_OPAQUE) - 7)]
    assert not [piece for piece in pieces if piece in shown], shown
    assert redact(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"token={LONG_OPAQUE}&page=2", "token=[redacted]&page=2"),
        (f"?access%5Ftoken%3D{LONG_OPAQUE}%26x%3D1", "?access%5Ftoken%3D[redacted]%26x%3D1"),
        (f"{{'token': '{LONG_OPAQUE}', 'uid': 5}}", "{'token': '[redacted]', 'uid': 5}"),
        (f"session {LONG_OPAQUE} not found", "session [redacted] not found"),
        (f"https://u:{LONG_OPAQUE}@h/x", "https://u:[redacted]@h/x"),
        (f"/reset/{LONG_OPAQUE}/done?a=1", "/reset/[redacted]/done?a=1"),
        (f"Authorization: Bearer {LONG_OPAQUE} status=401", "Authorization: Bearer [redacted] status=401"),
        (f'"Authorization": "Digest a, b={LONG_OPAQUE}", "x": 1', '"Authorization": "[redacted]", "x": 1'),
        ("password: hunter2", "password: [redacted]"),
        ('"password": "correct horse"', '"password": "[redacted]"'),
        ("password is hunter2!", "password is [redacted]"),
        ("İ token=abc", "İ token=[redacted]"),
    ],
)
def test_only_the_secret_is_taken_out(text, shown):
    assert redact(text) == shown


def test_what_stands_around_a_secret_stays():
    assert redact(f"GET /api/me?access_token={TOKEN}&page=2 HTTP/1.1").endswith("&page=2 HTTP/1.1")
    assert redact(f"user=7 JWT {TOKEN}: expired").startswith("user=7 JWT ")


def test_the_shape_of_a_token_stays():
    assert "2 dots" in redact(TOKEN)
    assert "1 dots" in redact(f"{HEADER}.{PAYLOAD}")


@pytest.mark.parametrize(
    "text",
    [
        '203.0.113.32 - - [25/Dec/2025:15:06:53 +0900] "GET /api/list_events.php?uid=569260 HTTP/1.1" 200 148 "-" "okhttp/4.12.0"',
        "[25-Dec-2025 13:00:20 Asia/Tokyo] [auth] check_session: JWT decode failed: Expired token dotCount=2 uid=815004",
        "2025-10-03 05:00:12,461 - app.auth - WARNING - JWT validation failed: Signature has expired user=857752",
        '{"time":"2025-10-02T12:00:08+00:00","request_id":"419fcf0eb72903149bf719bc8afd0f5b","status":"401"}',
        '"POST /api/auth/refresh-token HTTP/1.1" 401 54 "-" "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/122.0.0.0"',
        'WWW-Authenticate: Bearer realm="api", error="invalid_token", error_description="The token expired"',
        "Bearer token missing; JWT TokenExpiredError",
        "JWT decode failed: Signature verification failed",
        "refresh_token ok uid=5",
        'at=error code=H12 desc="Request timeout"',
        "status_code: 401 session: expired password: incorrect token: missing authorization: missing",
        'Refresh token: "Signature has expired"',
        '{"code":"token_not_valid","detail":"Token is invalid or expired"}',
        "io.jsonwebtoken.security.SignatureException: JWT signature does not match",
        "org.springframework.security.oauth2.jwt.JwtValidationException: KeyNotFoundException",
        "token expired at 2025-10-03T05:00:12.461Z or 20251003T050012Z",
        "session 4711 not found",
        "session for user 3f8a9b7c6d5e4f3a2b1c0d not found",
        "GET /api/getUserProfileV2ForCustomerAccount HTTP/1.1",
        "/api/users/4328FDB7-7863-4ACC-9A19-0DD0A1B2C3D4/x?trace=419fcf0eb72903149bf719bc8afd0f5b",
        "/api/users/4328fdb7-7863-4acc-9a19-0dd0a1b2c3d4",
        "GET /api?sort=name&key=color&page=2 HTTP/1.1",
        "no signing key found for kid: 2024-rsa-key-01",
        "Root=1-67891233-abcdef012345678912345678 ECDHE-RSA-AES128-GCM-SHA256 TLS_AES_256_GCM_SHA384",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1",
        "okhttp/5.0.0-alpha.14 MyCompanyMobileApplication2024/1.2 CFNetwork/1498.700.2",
        "token: undefined token=null jwt malformed pass=3",
        "session timeout: 30m token lifetime: 900s",
        "Schlüssel abgelaufen für Gerät 4328FDB7-7863-4ACC-9A19-0DD0A1B2C3D4",
        "",
    ],
)
def test_ordinary_lines_stay_as_they_are(text):
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mred", r"a\x1b[31mred"),
        ("line\nbreak\ttab\r", r"line\x0abreak\x09tab\x0d"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("\x9b2J", r"\x9b2J"),
        ("日本語", "日本語"),
    ],
)
def test_what_cannot_be_seen_is_made_visible(text, shown):
    assert visible(text) == shown
    assert redact(text) == shown


@given(st.text())
def test_nothing_unseen_is_left(text):
    assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} for char in redact(text))


_BASE64URL = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", min_size=20, max_size=60)


@given(before=st.text(), after=st.text(), payload=_BASE64URL, signature=_BASE64URL)
def test_a_token_planted_anywhere_does_not_survive(before, after, payload, signature):
    shown = redact(f"{before}{HEADER}.{payload}.{signature}{after}")
    # What stands directly before or after may repeat a part by chance; then it isn't the token that stayed.
    for part in (HEADER, payload, signature):
        assert part in before + after or part not in shown


@given(st.text())
def test_redacting_twice_changes_nothing_more(text):
    once = redact(f"Bearer {TOKEN} {text}")
    assert redact(once) == once


def _lines(path: Path) -> list[str]:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode().splitlines()


LOGS = sorted(path for folder in ("tests/recordings", "sample_logs") for path in (ROOT / folder).rglob("*.log*"))


@pytest.mark.parametrize("path", LOGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_recorded_lines_stay_as_they_are(path):
    lines = _lines(path)
    assert lines
    assert [line for line in lines if conceal(line) != line][:3] == []


@pytest.mark.parametrize("text", ["token" * 400, "a." * 1000, "token " * 400, "key=" * 500, "eyJ" * 700, "Ab1" * 700])
def test_a_long_line_is_no_trap(text):
    assert len(redact(text)) <= len(text) * 4


def test_fingerprints_tell_values_apart_and_depend_on_the_key():
    assert fingerprint("a", b"k") == fingerprint("a", b"k")
    assert len({fingerprint("a", b"k"), fingerprint("b", b"k"), fingerprint("a", b"l")}) == 3
    assert "secret" not in fingerprint("secret", b"k")
