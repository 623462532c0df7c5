"""Cleans the fields that all formats share: null markers, numbers, user agents."""

from __future__ import annotations

import polars as pl

from authforensics.collect.requests import where

#: The ways to write that there is no value.
NULLS = ["", "-", "null", "(null)", "<nil>", "undefined", '""', "[]"]
#: What else stands for nobody where an id is meant, in small letters: what languages print for nothing, what frameworks
#: call who hasn't logged in, and ids of zeros. As an id it would make all who are refused one device.
# Reference: django.contrib.auth.models.AnonymousUser, Spring's AnonymousAuthenticationFilter, .NET's Guid.Empty,
# https://developer.apple.com/documentation/adsupport/asidentifiermanager/advertisingidentifier
NOBODY = [
    *("none", "null", "nil", "undefined", "nan", "n/a", "unknown", "false", "[object object]"),
    *("anonymous", "anonymoususer", "anonymous_user", "anon", "guest", "unauthenticated", "no user", "no_user"),
    *("0", "-1", "00000000-0000-0000-0000-000000000000"),
]
NOBODY += [opened + word + closed for word in NOBODY for opened, closed in ("<>", "()", "{}")]
_CODES = {f"%{code:02X}": chr(code) for code in range(0x20, 0x7F) if code != 0x25}
#: What stands for a byte in a text that nginx or Apache escaped, and that byte; both as hexadecimal numbers with
#: a space behind each. Control characters stay escaped: no header can have them.
# Reference: https://nginx.org/en/docs/http/ngx_http_log_module.html; Apache's mod_log_config
_PRINTABLE, _BEYOND = (
    {
        "".join(f"{ord(char):02x} " for char in rf"\x{digits}"): f"{code:02x} "
        for code in codes
        for digits in (f"{code:02X}", f"{code:02x}")
    }
    for codes in (range(0x20, 0x7F), range(0x80, 0x100))
)
_PRINTABLE |= {"5c 22 ": "22 ", "5c 5c ": "5c "}
#: Bytes that are UTF-8. Reference: RFC 3629 section 4
_TAIL = "[89ab]. "
_UTF8 = (
    rf"^(?:[0-7]. |(?:c[2-9a-f]|d.) {_TAIL}|e0 [ab]. {_TAIL}|(?:e[1-9abcef]) {_TAIL}{_TAIL}|ed [89]. {_TAIL}"
    rf"|f0 [9ab]. {_TAIL}{_TAIL}|f[1-3] {_TAIL}{_TAIL}{_TAIL}|f4 8. {_TAIL}{_TAIL})*$"
)


def text(value: pl.Expr) -> pl.Expr:
    """The value, or null where it is one of the ways to write that there is none."""
    # To choose by `when` would strip each value twice.
    return value.str.strip_chars().replace(NULLS, None)


def identity(value: pl.Expr) -> pl.Expr:
    """The same of an id, or null where it is a word for nobody."""
    told = text(value)
    return pl.when(~told.str.to_lowercase().is_in(NOBODY)).then(told)


def given(value: pl.Expr) -> pl.Expr:
    """Whether there is a value: as `text` is not null, without looking for spaces around it."""
    return value.is_not_null() & ~value.is_in(NULLS)


def agent(value: pl.Expr) -> pl.Expr:
    """A user agent as it was sent: null markers gone, and what nginx, Apache, CloudFront and Azure escape restored."""
    return text(value).map_batches(_sent, pl.String, is_elementwise=True)


def _sent(agents: pl.Series) -> pl.Series:
    decoded = where(agents, r"%20|\+\(", _decoded)
    return unescaped(decoded)


def _decoded(agents: pl.Series) -> pl.Series:
    """User agents without their URL encoding, or with spaces for `+`: those without a space of their own."""
    agent = pl.col("agent")
    encoded = agent.str.contains("%20", literal=True)
    spaced = pl.when(encoded).then(unencoded(agent)).otherwise(agent.str.replace_all("+", " ", literal=True))
    plain = pl.when(agent.str.contains(" ", literal=True)).then(agent).otherwise(spaced)
    return agents.to_frame("agent").select(plain.alias("agent")).to_series()


def unescaped(values: pl.Series) -> pl.Series:
    """Texts as they were before nginx or Apache escaped them."""
    return where(values, r"\\", _unescaped)


def _unescaped(values: pl.Series) -> pl.Series:
    """Texts with the characters that backslashes stand for; bytes that are no UTF-8 stay escaped.

    All at once: a backslash that was escaped begins nothing.
    """
    numbers = values.str.encode("hex").str.replace_all("(..)", "${1} ")
    every, plain = (numbers.str.replace_many(known) for known in (_PRINTABLE | _BEYOND, _PRINTABLE))
    told = every.zip_with(every.str.contains(_UTF8), plain)
    return told.str.replace_all(" ", "", literal=True).str.decode("hex").cast(pl.String)


def unencoded(value: pl.Expr) -> pl.Expr:
    """A text without its URL encoding, which CloudFront used to apply twice."""
    return value.str.replace_all("%25", "%", literal=True).str.replace_many(_CODES, ascii_case_insensitive=True)


def status(value: pl.Expr) -> pl.Expr:
    """An HTTP status; what isn't a number of up to three digits is none."""
    return value.str.extract(r"^\s*(\d{1,3})(?:\.0+)?\s*$").cast(pl.UInt16, strict=False)


def count(value: pl.Expr) -> pl.Expr:
    """A number of bytes; `-` is none."""
    return value.str.extract(r"^\s*(\d{1,18})(?:\.0+)?\s*$").cast(pl.Int64, strict=False)
