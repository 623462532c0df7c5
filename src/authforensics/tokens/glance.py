"""What tokens say at a glance: for logs, where there are thousands, each distinct one is looked at once.

Lenient: what `structure` would object to is read if it can be read at all. Nothing of a signature is kept.
"""

from __future__ import annotations

import base64
import binascii
import json
from functools import lru_cache
from typing import Any

import polars as pl

from authforensics.once import once
from authforensics.schema import TIMESTAMP
from authforensics.tokens.claims import MICROSECONDS, MILLISECONDS

#: Longer texts are no tokens that anybody sends: servers refuse header lines above 8 KiB, cookies above 4.
LONGEST = 16_384
#: What is known of a token; all null of what is none. `token` tells it from others; `whole`: it has a signature that
#: isn't masked, or is encrypted, so that whoever reads it could use it; `shape` are the names of its claims, as far as
#: they are looked at: what mints tokens of another shape is another program.
SAID: dict[str, pl.DataType] = {
    "token": pl.UInt64(),
    "whole": pl.Boolean(),
    **dict.fromkeys(("shape", "algorithm", "key_id", "token_type", "issuer", "audience", "jti"), pl.String()),
    **dict.fromkeys(("issued_at", "not_before", "expires_at"), TIMESTAMP),
    **dict.fromkeys(("user_id", "session_id", "device_id"), pl.String()),
}
#: The claims in which what is known stands. Reference: RFC 7519 section 4.1; OpenID Connect Front-Channel Logout
#: section 3 (sid); Keycloak (session_state); Supabase Auth (session_id); Amazon Cognito (token_use, and origin_jti: one
#: for all tokens of a login); Auth0 (device_id). A family of tokens, from one login on, is a session by another name.
_HELD: dict[str, tuple[str, ...]] = {
    "token_type": ("typ", "token_use"),
    "issuer": ("iss",),
    "audience": ("aud",),
    "jti": ("jti",),
    "user_id": ("sub", "user_id", "uid", "userId"),
    "session_id": ("sid", "session_id", "session_state", "origin_jti", "token_family", "family_id", "family"),
    "device_id": ("device_id", "did", "deviceId", "installation_id"),
}
_TIMES = {"issued_at": "iat", "not_before": "nbf", "expires_at": "exp"}
_CLAIMS = tuple(sorted({*_TIMES.values(), *(name for names in _HELD.values() for name in names)}))
#: What a claim may be long; what a shorter signature is long that is none, but the rest of a mask.
_TEXT, _MASKED = 200, 15
_LATEST = 253_402_300_799.0


def glances(texts: pl.Series) -> pl.DataFrame:
    """What compact tokens say, and texts that are none: SAID, a row for each."""
    segments = texts.str.splitn(".", 4).struct.unnest()
    signed = segments["field_1"].is_not_null() & segments["field_3"].is_null() & (texts.str.len_bytes() <= LONGEST)
    try:
        quick = _quick(texts.filter(signed), segments.filter(signed))
    except pl.exceptions.PolarsError:
        # One at least is broken.
        return _slowly(texts)
    if signed.all():
        return quick
    rest = _slowly(texts.filter(~signed))
    places = pl.concat([signed.arg_true(), (~signed).arg_true()])
    return pl.concat([quick, rest])[places.arg_sort()]


def _quick(texts: pl.Series, segments: pl.DataFrame) -> pl.DataFrame:
    """The same of texts of two or three segments.

    Raises:
        PolarsError: a payload isn't JSON in base64url.
    """
    payload = segments["field_1"].str.replace_all("-", "+", literal=True).str.replace_all("_", "/", literal=True)
    padding = pl.lit("===").str.head((-pl.col("payload").str.len_bytes().cast(pl.Int64)) % 4)
    decoded = pl.DataFrame({"payload": payload}).select(claims=(pl.col("payload") + padding).str.decode("base64"))
    if not decoded.select(pl.col("claims").bin.starts_with(b"{").all()).item():
        raise pl.exceptions.ComputeError("a payload is no object")
    known = pl.Struct(dict.fromkeys(_CLAIMS, pl.String))
    claims = decoded["claims"].cast(pl.String).str.json_decode(known).struct.unnest()
    heads = segments.select("field_0").unique()
    said = [_header(head) for head in heads["field_0"]]
    named = pl.DataFrame(
        [(False, None, None, None) if one is None else (True, *one) for one in said],
        schema={"headed": pl.Boolean, "algorithm": pl.String, "key_id": pl.String, "_typ": pl.String},
        orient="row",
    )
    headed = segments.select("field_0").join(heads.hstack(named), on="field_0", how="left", maintain_order="left")
    told = claims.hstack(headed.drop("field_0")).with_columns(
        token=texts.hash(), whole=(segments["field_2"].str.len_bytes() > _MASKED).fill_null(value=False)
    )
    shape = pl.concat_str(
        [pl.when(pl.col(name).is_not_null()).then(pl.lit(name)) for name in _CLAIMS], separator=",", ignore_nulls=True
    )
    held = {name: pl.coalesce(_plain(pl.col(claim)) for claim in claims) for name, claims in _HELD.items()}
    held["token_type"] = pl.coalesce(pl.col("_typ"), held["token_type"])
    held["audience"] = pl.col("aud").map_batches(_audiences, return_dtype=pl.String(), is_elementwise=True)
    times = {name: _moment(pl.col(claim)) for name, claim in _TIMES.items()}
    told = told.with_columns(shape=shape, **held, **times)
    return told.select(pl.when("headed").then(pl.col(name)).cast(dtype).alias(name) for name, dtype in SAID.items())


def _plain(value: pl.Expr) -> pl.Expr:
    """A text or number; no list, no object."""
    return pl.when((value != "") & ~value.str.contains(r"^[\[{]")).then(value.str.head(_TEXT))


def _audiences(values: pl.Series) -> pl.Series:
    """The audiences of some tokens, each as one text; there are few."""
    return once(values, lambda value: _audience(json.loads(value)) if value.startswith("[") else value[:_TEXT] or None)


def _moment(value: pl.Expr) -> pl.Expr:
    number = value.cast(pl.Float64, strict=False)
    seconds = (
        pl.when(number >= MICROSECONDS)
        .then(number / 1e6)
        .when(number >= MILLISECONDS)
        .then(number / 1e3)
        .otherwise(number)
    )
    inside = seconds.is_between(0, _LATEST)
    return pl.when(inside).then((seconds * 1e6).round()).cast(pl.Int64).cast(TIMESTAMP)


def _slowly(texts: pl.Series) -> pl.DataFrame:
    """The same, one by one."""
    rows = [_glance(text) or dict.fromkeys(SAID) for text in texts]
    said = pl.DataFrame(rows, schema={**SAID, **dict.fromkeys(_TIMES, pl.String())})
    return said.with_columns(
        *(_moment(pl.col(name)).alias(name) for name in _TIMES),
        token=pl.when(pl.col("whole").is_not_null()).then(texts.hash()),
    )


def _glance(text: str) -> dict[str, Any] | None:
    segments = text.split(".", 5)
    head = _header(segments[0]) if len(segments) in {2, 3, 5} and len(text) <= LONGEST else None
    if head is None:
        return None
    algorithm, key_id, token_type = head
    said = {"algorithm": algorithm, "key_id": key_id, "token_type": token_type}
    if len(segments) == 5:
        return {**dict.fromkeys(SAID), **said, "whole": all(segments[2:]), "shape": ""}
    claims = _object(segments[1])
    if claims is None:
        return None
    held = {name: next(filter(None, (_text(claims.get(one)) for one in names)), None) for name, names in _HELD.items()}
    return {
        "token": None,
        "whole": len(segments) == 3 and len(segments[2]) > _MASKED,
        "shape": ",".join(name for name in _CLAIMS if claims.get(name) is not None),
        **held,
        **{name: _text(claims.get(claim)) for name, claim in _TIMES.items()},
        **said,
        "audience": _audience(claims.get("aud")),
        "token_type": token_type or held["token_type"],
    }


@lru_cache(maxsize=1024)
def _header(segment: str) -> tuple[str | None, str | None, str | None] | None:
    head = _object(segment)
    if head is None or not ("alg" in head or "typ" in head):
        return None
    return _text(head.get("alg")), _text(head.get("kid")), _text(head.get("typ"))


def _object(segment: str) -> dict[str, Any] | None:
    try:
        value = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except (ValueError, RecursionError, binascii.Error):
        return None
    return value if isinstance(value, dict) else None


def _text(value: object) -> str | None:
    """A text or number, as JSON has it; no list, no object."""
    if isinstance(value, int | float):
        value = json.dumps(value)
    return value[:_TEXT] if isinstance(value, str) and value and value[0] not in "[{" else None


def _audience(value: object) -> str | None:
    if isinstance(value, list):
        value = " ".join(sorted(one for one in value if isinstance(one, str)))
    return _text(value)
