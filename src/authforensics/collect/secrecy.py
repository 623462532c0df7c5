"""Keeps credentials out of the events: what stands in a column by accident or by attack is concealed at the source."""

from __future__ import annotations

from functools import partial
from hashlib import sha256

import polars as pl

from authforensics.redact import conceal, fingerprint

#: Columns that are read: what isn't a credential stays readable.
_TEXTS = ("user_agent", "path", "action", "host", "upstream", "platform", "app_version", "reason_text", "message")
#: Columns that tell one from another: a fingerprint does that as well.
_IDENTIFIERS = ("user_id", "device_id", "session_id", "request_id", "client_ip")

_NAMES = (
    "token|secret|passw(?:or)?d|passphrase|pwd|jwt|key|verifier|assertion|saml|credential|signature|sess|csrf|xsrf"
    "|code|auth|ticket|pass|sid|sig|otp|cookie"
)
_RUN = "[0-9a-z_~+/.-]"
#: A superset of what `conceal` finds, cheap enough for every row; the few that match are looked at in Python.
_SUSPECT = (
    r"(?i)e[yw][a-z0-9_-]{8,}"
    r"|authorization|cookie|-----begin|://[^/]*@|(?:^|\s)(?:-u|--user|--proxy-user)[ =]?\S+:"
    rf"|(?:bearer|basic|dpop|negotiate)(?:\s|%20|\+){_RUN}{{8}}"
    rf"|(?:token|jwt)(?:\s+|%20|\+)[\"']?(?:{_RUN}{{4}}[0-9]|[0-9]{_RUN}{{4}}|{_RUN}{{24}})"
    rf"|(?:{_NAMES})[a-z]{{0,13}}[0-9\[\]%bd\"'\\]*\s*(?:[=:>]|->|%|value=|[a-z]+=)"
    rf"|(?:{_NAMES})[a-z]{{0,13}}[\"']?[\s:(\[][ -~]{{0,99}}(?:{_RUN}{{8}}[0-9]|[0-9]{_RUN}{{8}})"
    r"|passw(?:or)?d [ -~]{0,99}(?:is|was) "
    r"|gh[pousr]_|github_pat_|glpat-|xox[a-z]-|[sr]k_(?:live|test)_|whsec_|a[ks]ia[a-z0-9]{12}|aiza"
    r"|ya29\.|npm_|pypi-|sk-|hv[sb]\.|dop_v1_|sg\."
    r"|[a-z0-9_+-]{30}"
)
#: Segments and values that mix capital and small letters: what `conceal` takes for made by a machine.
_SEGMENT = r"[/=%][A-Za-z0-9_~-]{20}"
#: Ids as most are, which are never credentials to `conceal`: UUIDs, hexadecimal and decimal numbers, addresses.
_PLAIN = r"^(?:[0-9a-fA-F.:-]{1,39}|[0-9a-f]+)$"


def concealed(present: set[str]) -> dict[str, pl.Expr]:
    """Those columns of `COLLECTED` that are `present` and may hold a credential, without it."""
    texts = {name: _each(name, partial(_replaced, key=None)) for name in _TEXTS if name in present}
    # Not against guessing, but so that one credential is one device in every file, batch and run, and yet no other
    # column's value. What is fingerprinted is too long to be guessed.
    keys = {name: sha256(name.encode()).digest() for name in _IDENTIFIERS if name in present}
    return texts | {name: _each(name, partial(_replaced, key=key)) for name, key in keys.items()}


def _each(name: str, function: partial[pl.Series]) -> pl.Expr:
    value = pl.col(name).cast(pl.String)
    mixed = value.str.contains(_SEGMENT) & value.str.contains("[A-Z]")
    suspect = ~value.str.contains(_PLAIN) & (value.str.contains(_SUSPECT) | mixed)
    found = pl.when(suspect).then(value)
    return pl.coalesce(found.map_batches(function, return_dtype=pl.String(), is_elementwise=True), value)


def _replaced(suspects: pl.Series, key: bytes | None) -> pl.Series:
    if suspects.null_count() == len(suspects):
        return suspects
    clean = {value: conceal(value) for value in suspects.unique().drop_nulls()}
    return suspects.replace({value: _hidden(value, text, key) for value, text in clean.items() if text != value})


def _hidden(value: str, text: str, key: bytes | None) -> str:
    return text if key is None else f"redacted:{fingerprint(value, key)}"
