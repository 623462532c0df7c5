"""What may leave: applied to every text of a log at every exit.

Tokens, secrets and cookies become `[redacted …]`; what remains of a token is its shape. Control characters are made
visible, so that a log line can't drive a terminal.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata

#: JWS or JWE in compact form, whole or cut: a base64url header that starts a JSON object, then any further segments.
_JWT = re.compile(r"ey[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,4}")
#: A credential after its scheme (RFC 7235, token68), not prose: letters with digits, or long; for the schemes whose
#: names are no everyday words of logs, camel case as well.
_OPAQUE = r"(?:(?=[\w.~+/-]*\d)(?=[\w.~+/-]*[A-Za-z])[\w.~+/-]{8,}|[\w.~+/-]{24,})"
_CAMEL = r"(?=(?-i:[\w.~+/-]*[a-z][A-Z]))[\w.~+/-]{8,}"
_SCHEME = re.compile(
    r"\b((?:bearer|basic|dpop|negotiate|token|jwt)(?:\s+|%20|\+)(?!HTTP/))(?!\[redacted)"
    rf"(?:{_OPAQUE}|(?<!token.)(?<!jwt.){_CAMEL})=*(?![\w=])",
    re.IGNORECASE,
)
_AUTHORIZATION = re.compile(
    r"(authorization\"?\s*[:=]\s*\"?(?:(?:bearer|basic|dpop|negotiate|token|jwt|digest)(?:\s+|%20|\+))?)"
    r"(?!\[redacted)[^\s\"',;&|<>]+",
    re.IGNORECASE,
)
_NAMES = (
    r"(?:[\w.-]*(?:access|refresh|id|auth|session|csrf|xsrf|api|bearer|oauth)[_-]?token|token|jwt|sid|sessionid|session_id"
    r"|phpsessid|jsessionid|connect\.sid|laravel_session|[\w.-]*session[_-]?token|[\w.-]*secret(?:[_-]?key)?|[\w.-]*passw(?:or)?d|passwd|pwd"
    r"|api[_-]?key|apikey|authorization|code_verifier|client_assertion|assertion|samlresponse|code|otp|credential|private[_-]?key|signature|sig)"
)
_QUERY = re.compile(
    rf"([?&;\s{{,\"'(\[]|^)({_NAMES})(=)(?!(?:[a-z]+(?:%20|\+|\s))?\[redacted)([^&\s\"'<>;,)}}\]]+)", re.IGNORECASE
)
_JSON = re.compile(rf"(\\?\"{_NAMES}\\?\"\s*:\s*\\?\")(?!\[redacted)((?:[^\"\\]|\\.)*?)(\\?\")", re.IGNORECASE)
_COOKIE = re.compile(r"((?:set-)?cookie\"?\s*[:=]\s*\[?\"?)(?!\[redacted)([^\"\n]+)", re.IGNORECASE)
_LONG = re.compile(
    r"(?<![A-Za-z0-9_/+-])(?=[A-Za-z0-9_+-]*[A-Z])(?=[A-Za-z0-9_+-]*[a-z])(?=[A-Za-z0-9_+-]*\d)[A-Za-z0-9_+-]{40,}={0,2}"
)


#: Words without which the slower patterns can't match: looked for first, since most lines have none of them.
_WORDS = (
    "token", "jwt", "sid", "session", "secret", "passw", "pwd", "apikey", "api_key", "api-key", "authorization",
    "verifier", "assertion", "samlresponse", "code", "otp", "credential", "private", "sig",
)  # fmt: skip
_SCHEMES = ("bearer", "basic", "token", "jwt", "digest", "dpop", "negotiate")
_RUN = re.compile(r"[A-Za-z0-9_+-]{40}")


def redact(text: str) -> str:
    """`text` without tokens, secrets and cookies, and with control characters made visible."""
    lower = text.lower()
    if "ey" in text:
        text = _JWT.sub(lambda match: f"[redacted token, {match[0].count('.')} dots]", text)
    if "cookie" in lower:
        text = _COOKIE.sub(r"\1[redacted]", text)
    if "authorization" in lower:
        text = _AUTHORIZATION.sub(r"\1[redacted]", text)
    if any(word in lower for word in _SCHEMES):
        text = _SCHEME.sub(r"\1[redacted]", text)
    if any(word in lower for word in _WORDS):
        text = _JSON.sub(r"\1[redacted]\3", text)
        text = _QUERY.sub(r"\1\2\3[redacted]", text)
    if _RUN.search(text):
        text = _LONG.sub("[redacted]", text)
    return visible(text)


def visible(text: str) -> str:
    r"""Control, format and bidirectional characters as `\xhh` or `\uhhhh`: what can't be seen can't deceive."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_show(char) for char in text)


def _show(char: str) -> str:
    if unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}:
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def fingerprint(value: str, key: bytes) -> str:
    """A keyed fingerprint (HMAC-SHA-256, 12 hex digits) by which a value can be told apart but not recovered."""
    return hmac.new(key, value.encode(), hashlib.sha256).hexdigest()[:12]
