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
#: What Python takes for space.
_SPACE = r"[\s\x1c-\x1f]"
#: What may be a secret behind a colon: in quotes, or with a digit.
_TOLD = rf"(?:{_SPACE}|%20)*(?:[\[({{]{_SPACE}*)?(?:[bu]?[\"'\\]|%|[^\s\x1c-\x1f\"'<>;,&)}}\]|\\]*\d)"
_BETWEEN = r"[\s\x1c-\x1f:(\[]"
#: A superset of what `conceal` finds, cheap enough for every row; the few that match are looked at in Python.
_SUSPECT = (
    r"(?i)e[yw][a-z0-9_-]{8,}"
    r"|authorization|cookie|-----begin|://[^/]*@|(?:^|\s)(?:-u|--user|--proxy-user)[ =]?\S+:"
    rf"|(?:bearer|basic|dpop|negotiate)(?:{_SPACE}+|%20|\+){_RUN}{{8}}|(?:token|jwt){_SPACE}{{2,}}{_RUN}{{8}}"
    rf"|(?:token|jwt)(?:{_SPACE}+|%20|\+)[\"']?(?:{_RUN}*[0-9]|{_RUN}{{24}})"
    rf"|(?:{_NAMES})[a-z_-]{{0,13}}[0-9\[\]%bd\"'\\]*{_SPACE}*(?:=|%|\w+=|(?::|-?>){_TOLD})"
    # At most four words between the name of a secret and what a machine may have made.
    rf"|(?:{_NAMES})[a-z]{{0,8}}(?:[\"']?{_BETWEEN}+[a-z]+){{0,4}}[\"'\])]?(?:{_BETWEEN}|[\"'])+{_RUN}{{16}}"
    r"|passw(?:or)?d [ -~]{0,99}(?:is|was) "
    r"|gh[pousr]_|github_pat_|glpat-|xox[a-z]-|[sr]k_(?:live|test)_|whsec_|a[ks]ia[a-z0-9]{12}|aiza"
    r"|ya29\.|npm_|pypi-|sk-|hv[sb]\.|dop_v1_|sg\."
)
#: One of these is in all that `_SUSPECT` finds (the last two are a K and an s to it): to look for them takes a tenth.
_MARKS = [
    *_NAMES.replace("passw(?:or)?d", "passw").split("|"),
    *("ey", "ew", "authorization", "-----begin", "://", "-u", "bearer", "basic", "dpop", "negotiate"),
    *("gh", "glpat-", "xox", "k_live_", "k_test_", "whsec_", "akia", "asia", "aiza", "ya29.", "npm_", "pypi-"),
    *("sk-", "hvs.", "hvb.", "dop_v1_", "sg.", "\N{KELVIN SIGN}", "\N{LATIN SMALL LETTER LONG S}"),
]
#: A line of a key in PEM.
_PEM = r"^\s*[A-Za-z0-9+/]{60,76}={0,2}\s*$"
#: Segments, values and long words: what `conceal` takes for made by a machine if it mixes `_MIXED`.
_SEGMENT = r"[/=%][A-Za-z0-9_~-]{20,}(?:\.[A-Za-z0-9_~-]{20,})*"
_LONG = r"[A-Za-z0-9_+-]{30,}"
#: What all of these have, and a line of a key in PEM.
_RUNS = "[A-Za-z0-9_~+/-]{20}"
_MIXED = ("[A-Z]", "[a-z]", "[0-9]")
#: What any of them with a capital letter has, which is rare: it stands in the first half of it, or behind that.
_SEGMENT_CAPITAL = "[A-Z][A-Za-z0-9_~-]{10}|[A-Za-z0-9_~-]{10}[A-Z]"
_LONG_CAPITAL = "[A-Z][A-Za-z0-9_+-]{15}|[A-Za-z0-9_+-]{15}[A-Z]"
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
    odd = ~values.str.contains(_PLAIN)
    if not odd.any():
        return values
    left = values.filter(odd)
    suspect = _suspect(left) | _made_by_machine(left)
    if not suspect.any():
        return values
    places, suspects = odd.arg_true().filter(suspect), left.filter(suspect)
    clean = {value: conceal(value, shown) for value in suspects.unique()}
    hidden = {value: _hidden(value, text, key) for value, text in clean.items() if text != value}
    return values.clone().scatter(places, suspects.replace(hidden)) if hidden else values


def _suspect(texts: pl.Series) -> pl.Series:
    """Which texts `_SUSPECT` is found in."""
    marked = texts.str.contains_any(_MARKS, ascii_case_insensitive=True)
    if not marked.any():
        return marked
    return marked.scatter(marked.arg_true(), texts.filter(marked).str.contains(_SUSPECT))


def _made_by_machine(texts: pl.Series) -> pl.Series:
    """Which texts may have a segment, a value, a long word or a line of a key that is more than a word."""
    long = texts.str.contains(_RUNS)
    if not long.any():
        return long
    left = texts.filter(long)
    mixed = _mixed(left, _SEGMENT, _SEGMENT_CAPITAL) | _mixed(left, _LONG, _LONG_CAPITAL)
    return long.scatter(long.arg_true(), mixed | left.str.contains(_PEM))


def _mixed(texts: pl.Series, pattern: str, capital: str) -> pl.Series:
    """Which texts have what the pattern finds with capital and small letters and digits in it: `capital` is in all."""
    found = texts.str.contains(pattern)
    for kind in (capital, *_MIXED[1:]):
        if found.any():
            found &= texts.str.contains(kind)
    if not found.any():
        return found
    parts = pl.DataFrame({"place": found.arg_true(), "part": texts.filter(found).str.extract_all(pattern)})
    parts = parts.explode("part")
    mixed = parts.filter(pl.all_horizontal(pl.col("part").str.contains(kind) for kind in _MIXED))
    return pl.repeat(False, len(texts), eager=True).scatter(mixed["place"].unique(), True)


def _hidden(value: str, text: str, key: bytes | None) -> str:
    return text if key is None else f"redacted:{fingerprint(value, key)}"
