"""Keys that may have signed a token: what the caller names, what was published, and what a missing variable becomes.

A candidate is known by where it comes from; its key never leaves this package.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from authforensics.errors import BadValue, MissingInput
from authforensics.tokens.segments import decode

if TYPE_CHECKING:
    from jwt.types import JWKDict

Origin = Literal["configured", "published_default"]
#: Where names of variables stand for signing keys of one role.
SIGNING = ("access", "refresh", "session", "products", "configuration")
#: What programs make of a variable that isn't there.
_STRINGIFIED = ("", "undefined", "None", "null", "nil", "false")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
#: A file of keys is not larger.
_MOST = 10_000_000


@dataclass(frozen=True, slots=True)
class Secret:
    """A shared secret (HS256 to HS512).

    Attributes:
        name: where it comes from: `env:SECRET_KEY`, `secrets:3`, `published default`.
        origin: named by the caller, or known to everybody.
        how: what was done to it before it signed; empty: nothing.
        what: what kind of default it is; empty for those that the caller names.
    """

    name: str
    origin: Origin
    how: str
    what: str
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key of a pair, of which the public half verifies.

    Attributes:
        name: where it comes from: `jwks:kid`, `env:JWT_PUBLIC_KEY`.
        key_id: its kid.
        jwk: the public key (RFC 7517).
    """

    name: str
    key_id: str | None
    jwk: JWKDict = field(repr=False)


@dataclass(frozen=True, slots=True)
class Candidates:
    """All keys to be tried, and which names of variables the verifier may have read.

    Attributes:
        secrets: shared secrets as they are written.
        keys: public keys.
        names: names of variables, each of which may be its own fallback.
        notes: keys that were left out, and why.
    """

    secrets: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    keys: tuple[PublicKey, ...] = ()
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def gather(
    *, environment: Mapping[str, str | None] | None = None, secrets: Path | None = None, key_sets: Iterable[Path] = ()
) -> Candidates:
    """The candidates that files name.

    Args:
        environment: variables of a dotenv file, by name.
        secrets: a file with one secret a line.
        key_sets: files with a JWK or a set of them (RFC 7517), or PEM.

    Raises:
        MissingInput: a file does not exist.
        BadValue: a file is no such file; says where.
    """
    named: list[tuple[str, str]] = []
    keys: list[PublicKey] = []
    notes: list[str] = []
    for name, value in (environment or {}).items():
        if value and "-----BEGIN" in value:
            keys += _pem(f"env:{name}", value.replace("\\n", "\n"), notes)
        elif value:
            named.append((f"env:{name}", value))
    if secrets is not None:
        named += [
            (f"secrets:{number}", line) for number, line in enumerate(_text(secrets).splitlines(), 1) if line.strip()
        ]
    for path in key_sets:
        keys += _key_set(path, named, notes)
    return Candidates(tuple(named), tuple(keys), tuple(environment or ()), tuple(notes))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST:
            raise BadValue(f"{path}: expected a file of keys, found {path.stat().st_size:,} bytes")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise MissingInput(f"{path} does not exist") from error
    except UnicodeDecodeError as error:
        raise BadValue(f"{path}: expected text, found bytes that are no UTF-8") from error
    except OSError as error:
        raise BadValue(f"{path}: can't be read: {error.strerror}") from error


def environment(path: Path) -> dict[str, str | None]:
    """The variables of a dotenv file, in their order; None: named without a value. Nothing is interpolated.

    Raises:
        MissingInput: it does not exist.
        BadValue: a line is no assignment; says which.
    """
    import io

    from dotenv.parser import parse_stream

    found: dict[str, str | None] = {}
    for binding in parse_stream(io.StringIO(_text(path))):
        if binding.error:
            line = binding.original.line + _blank(binding.original.string)
            raise BadValue(f"{path}:{line}: expected NAME=value; nothing of this line is shown")
        if binding.key is not None:
            found[binding.key] = binding.value
    return found


def _blank(text: str) -> int:
    """How many line ends stand before what is said: the parser counts them as part of it."""
    return text[: len(text) - len(text.lstrip())].count("\n")


def _key_set(path: Path, named: list[tuple[str, str]], notes: list[str]) -> Iterator[PublicKey]:
    text = _text(path)
    if "-----BEGIN" in text:
        yield from _pem(path.name, text, notes)
        return
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        place = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise BadValue(f"{path}{place}: expected a JSON Web Key Set (RFC 7517) or PEM") from None
    listed = whole.get("keys", [whole] if "kty" in whole else None) if isinstance(whole, dict) else None
    if not isinstance(listed, list):
        raise BadValue(f"{path}: expected an object with a list named 'keys' (RFC 7517, 5)")
    for number, jwk in enumerate(listed, 1):
        kid = jwk.get("kid") if isinstance(jwk, dict) else None
        name = f"jwks:{kid if isinstance(kid, str) else number}"
        if not isinstance(jwk, dict) or not isinstance(jwk.get("kty"), str):
            notes.append(f"{path}: key {number} has no kty, and is left out")
        elif jwk["kty"] == "oct":
            secret = _base64(str(jwk.get("k", "")))
            if secret:
                named.append((name, "base64url:" + str(jwk["k"])))
        else:
            public = {part: jwk[part] for part in ("kty", "crv", "n", "e", "x", "y") if part in jwk}
            yield PublicKey(name, kid if isinstance(kid, str) else None, public)


def _pem(name: str, text: str, notes: list[str]) -> Iterator[PublicKey]:
    """The public halves of the keys of a PEM text; certificates as well."""
    from authforensics.tokens.pem import public_halves

    halves = public_halves(text)
    if not halves:
        notes.append(f"{name}: none of its PEM parts can be read (encrypted, or of no kind that signs)")
    for jwk in halves:
        yield PublicKey(name, None, jwk)


def shared(candidates: Candidates) -> Iterator[Secret]:
    """Every secret to be tried, the likeliest first, each key once: as configured, then as defaults go."""
    tried: set[bytes] = set()
    for secret in (*_configured(candidates), *_defaults(candidates)):
        if secret.key not in tried:
            tried.add(secret.key)
            yield secret


def _configured(candidates: Candidates) -> Iterator[Secret]:
    for name, value in candidates.secrets:
        if value.startswith("base64url:") and name.startswith("jwks:"):
            yield Secret(name, "configured", "", "", _base64(value.removeprefix("base64url:")) or b"")
            continue
        for how, key in _forms(value):
            yield Secret(name, "configured", how, "", key)
        for how, text in _near(value):
            yield Secret(name, "configured", how, "", text.encode())


def _forms(value: str) -> Iterator[tuple[str, bytes]]:
    """A secret as libraries take it: its bytes, or what they are in base64 or hexadecimal."""
    yield "", value.encode(errors="surrogateescape")
    decoded = _base64(value)
    if decoded:
        yield "decoded from base64", decoded
    if _HEX.fullmatch(value):
        yield "decoded from hexadecimal", bytes.fromhex(value)


def _near(value: str) -> Iterator[tuple[str, str]]:
    """A secret as it goes wrong on the way from a file to a program."""
    yield "with a line end", f"{value}\n"
    yield "with a line end of Windows", f"{value}\r\n"
    yield "with a carriage return", f"{value}\r"
    yield "with a space behind it", f"{value} "
    yield "without the white space around it", value.strip()
    yield "with double quotes around it", f'"{value}"'
    yield "with single quotes around it", f"'{value}'"
    yield "with _refresh behind it", f"{value}_refresh"


def _defaults(candidates: Candidates) -> Iterator[Secret]:
    """Keys that everybody knows."""
    names = (*candidates.names, *(name for group in SIGNING for name in secret_names()[group]))
    for name in names:
        yield Secret(
            f"the literal {name}", "published_default", "", "a variable's name as its own fallback", name.encode()
        )
        for text in (f"${{{name}}}", f"${name}", f"{{{{{name}}}}}", f"process.env.{name}", f"%{name}%"):
            yield Secret(
                f"the literal {text}", "published_default", "", "a placeholder that nobody filled in", text.encode()
            )
    for text in _STRINGIFIED:
        what = "an empty text" if not text else f"the literal {text}"
        yield Secret(what, "published_default", "", "what a missing variable becomes", text.encode())
    for text in published():
        for how, key in _forms(text):
            yield Secret("a published default", "published_default", how, "a secret of public code or a tutorial", key)


def _base64(text: str) -> bytes | None:
    """What a text is in base64 or base64url; None: it is none."""
    return decode("secret", text, None).data


@cache
def published() -> tuple[str, ...]:
    """Secrets that public code and tutorials have: a token that one of them signed, anybody could have written."""
    text = resources.files("authforensics.tokens").joinpath("published_secrets.txt").read_text(encoding="utf-8")
    return tuple(line for line in text.split("\n") if line)


@cache
def secret_names() -> dict[str, tuple[str, ...]]:
    """Names of variables that hold secrets, keys or lifetimes in public code, by their role."""
    text = resources.files("authforensics.tokens").joinpath("secret_names.txt").read_text(encoding="utf-8")
    groups: dict[str, list[str]] = {}
    for line in text.split("\n"):
        if line.startswith("["):
            groups[line.strip("[]")] = []
        elif line:
            list(groups.values())[-1].append(line)
    return {group: tuple(names) for group, names in groups.items()}
