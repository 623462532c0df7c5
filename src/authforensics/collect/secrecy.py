"""Keeps credentials out of the events: what stands in a column by accident or by attack is concealed at the source."""

from __future__ import annotations

from hashlib import sha256

import polars as pl

from authforensics.redact import Shown, conceal, fingerprint

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


def readable(values: pl.Series, shown: Shown | None = None) -> pl.Series:
    """Texts that people read, without the credentials in them; `shown` as in `redact.conceal`."""
    return _without(values, None, shown)


def identifying(values: pl.Series, name: str) -> pl.Series:
    """Texts that tell one from another, as the column `name` has them: a credential becomes its fingerprint.

    The key is no secret. It is there so that one credential is one device in every file, batch and run, and yet no
    other column's value; what is fingerprinted is too long to be guessed.
    """
    return _without(values, sha256(name.encode()).digest())


def _without(values: pl.Series, key: bytes | None, shown: Shown | None = None) -> pl.Series:
    """Each test is cheaper than the one after it, and sees only what those before it let through."""
    odd = (~values.str.contains(_PLAIN)).fill_null(value=False)
    if not odd.any():
        return values
    places = odd.arg_true()
    left = values.gather(places)
    mixed = left.str.contains(_SEGMENT) & left.str.contains("[A-Z]")
    places = places.filter(left.str.contains(_SUSPECT) | mixed)
    if places.is_empty():
        return values
    suspects = values.gather(places)
    clean = {value: conceal(value, shown) for value in suspects.unique()}
    hidden = {value: _hidden(value, text, key) for value, text in clean.items() if text != value}
    return values.clone().scatter(places, suspects.replace(hidden)) if hidden else values


def _hidden(value: str, text: str, key: bytes | None) -> str:
    return text if key is None else f"redacted:{fingerprint(value, key)}"
