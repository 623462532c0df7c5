"""Values that are no JWT, by their looks: what only their issuer can read, and what is something else altogether."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass

from authforensics.tokens.remark import Remark


@dataclass(frozen=True, slots=True)
class Form:
    """What a value looks like, and what is to be said of it."""

    name: str
    remark: Remark | None = None


_UNREADABLE = Remark(
    "opaque",
    "note",
    "it says nothing by itself: ask its issuer (introspection, RFC 7662), or look into its session store",
)
#: Reference: the documentation of each product.
_FORMS: tuple[tuple[str, str], ...] = (
    ("PASETO, version 1 to 4", r"v[1-4]\.(?:local|public)\.[\w-]+(?:\.[\w-]+)?"),
    ("Fernet token (Python's cryptography)", r"gAAAA[\w-]{60,}={0,2}"),
    ("sealed cookie of iron (hapi, iron-session)", r"Fe26\.2\*.*"),
    ("signed cookie of Express", r"s(?::|%3A)[\w-]+\.[\w+/-]+"),
    ("access token of Google", r"ya29\.[\w.-]+"),
    ("token of GitHub", r"gh[pousr]_\w{20,}|github_pat_\w{20,}"),
    ("token of GitLab", r"gl(?:pat|oas|rt|dt)-[\w-]{16,}"),
    ("token of Slack", r"xox[abeoprs]-[\w-]{10,}"),
    ("secret key of a payment provider", r"[sr]k_(?:live|test)_\w{10,}"),
    ("token of Vault", r"hv[sbr]\.[\w-]{16,}"),
    ("access token of Facebook", r"EAA[A-Za-z0-9]{30,}"),
    ("token of Laravel Sanctum", r"\d+\|[A-Za-z0-9]{40,}"),
    ("refresh token of Okta or Auth0", r"(?:v1\.M|0\.A)[\w.-]{20,}"),
    ("macaroon", r"MDA[\w-]{40,}={0,2}"),
    ("SAML assertion", r"PHNhbWw[\w+/=%-]+|PD94bWwg[\w+/=%-]+"),
    ("PHP session id or the like", r"[a-z0-9,-]{26,32}"),
    ("UUID", r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"),
    ("ULID", r"[0-7][0-9A-HJKMNP-TV-Z]{25}"),
    ("hexadecimal number", r"(?:[0-9a-f]{2}){16,}|(?:[0-9A-F]{2}){16,}"),
    ("session of Flask or signed by itsdangerous", r"\.?eJ[\w-]+\.[\w-]{5,8}\.[\w-]{20,}"),
)
_COMPILED = tuple((name, re.compile(pattern)) for name, pattern in _FORMS)
#: Longer values are looked at by their beginning.
_SHOWN = 4_096


def form(text: str) -> Form | None:
    """What a value is that has a known look of its own; None: it may be a JWT, or anything."""
    name = next((name for name, pattern in _COMPILED if pattern.fullmatch(text[:_SHOWN])), None)
    if name is not None:
        return Form(name, _UNREADABLE)
    return _encrypted(text) or _session(text)


def _encrypted(text: str) -> Form | None:
    """What Laravel keeps in cookies: JSON with iv, value and mac, in base64, without dots."""
    if not text.startswith("eyJpdiI6"):
        return None
    return Form("encrypted cookie of Laravel", _UNREADABLE)


def _session(text: str) -> Form | None:
    """What Flask and itsdangerous sign: JSON, a time and a signature; its first segment has no alg."""
    parts = text.split(".")
    if len(parts) != 3 or len(parts[1]) > 8 or not text.startswith("ey"):
        return None
    try:
        first = json.loads(base64.urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4)))
    except (ValueError, RecursionError):
        return None
    if isinstance(first, dict) and "alg" not in first:
        return Form("session of Flask or signed by itsdangerous", _UNREADABLE)
    return None


def unknown(text: str) -> Form:
    """A value without dots that looks like nothing known."""
    if len(text) < 16:
        short = f"it has {len(text)} characters, too few for any token: it was cut, or a wrong variable was sent"
        return Form("short text", Remark("short", "error", short))
    return Form("opaque value", _UNREADABLE)
