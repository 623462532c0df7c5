"""How token lifetimes are written for people, alike in every output: how long, how sure, for whom and since when."""

from __future__ import annotations

from typing import NamedTuple

from authforensics.document import Lifetime, Lifetimes
from authforensics.report import wording

_CLOCKS = {"login": "counted from the login", "refresh": "begun anew by each refresh"}


class Row(NamedTuple):
    """One lifetime, or that it is not known: `name` of the token, `value`, `detail`, and for whom it holds."""

    name: str
    value: str
    detail: str
    whom: str
    known: bool


def rows(lifetimes: Lifetimes) -> list[Row]:
    """All of a system: one of each token at least."""
    return [
        *_token("Access token", lifetimes.access, lifetimes.access_others, lifetimes.access_at_least),
        *_token("Refresh token", lifetimes.refresh, lifetimes.refresh_others, lifetimes.refresh_at_least),
    ]


def _token(name: str, first: Lifetime | None, others: tuple[Lifetime, ...], at_least: float | None) -> list[Row]:
    if first is None:
        known = f"still accepted at {wording.duration(at_least)}, not seen to expire" if at_least else ""
        return [Row(name, "not known", known or "the log doesn't tell", "", known=False)]
    return [Row(name, wording.duration(one.seconds), _detail(one), _whom(one), known=True) for one in (first, *others)]


def _detail(one: Lifetime) -> str:
    low, high = wording.duration(one.low), wording.duration(one.high)
    between = f"at most {high}" if not one.low else f"between {low} and {high}" if low != high else ""
    how = "read from claims" if one.how == "claims" else "inferred"
    return ", ".join(part for part in (between, how, wording.count(one.samples, "sample")) if part)


def _whom(one: Lifetime) -> str:
    """To which tokens it applies; empty: to all."""
    parts = [_CLOCKS[one.counts_from]] if one.counts_from else []
    if one.platform or one.app_version:
        versions = f"version {', '.join(one.app_version)}" if one.app_version else ""
        parts.append("on " + ", ".join((*one.platform, *([versions] if versions else []))))
    if one.since is not None:
        parts.append(f"given from {wording.moment(one.since)} on")
    if one.until is not None:
        parts.append(f"given before {wording.moment(one.until)}")
    if one.partial:
        parts.append("some clients only; nothing in the log tells which")
    return "; ".join(parts)
