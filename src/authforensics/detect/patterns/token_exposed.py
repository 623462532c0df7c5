"""`token_exposed`: tokens can be read in the log, by everybody who has it.

What it sees: signed tokens in the lines of a file: in the query of a request (or of the page before it, the referrer),
in a header, a cookie or a body that is logged, in the words of a message. One finding a file, part of its lines and
name of the field, with how many tokens on how many lines. What the log has masked is no token any more.
Evidence: `token_exposed`: the first line with one, and of tokens that a default signed the first lines with these.
Sequence:
    10:00:00  phone  api_ok  3x every 60 s in query
Why it matters: whoever reads a token can use it as long as it lives, and logs go to more places than passwords do:
backups, search engines, tickets. If a secret that is published signs them, and they are accepted, nobody even needs a
token to begin with: that is an incident of its own, critical though nothing fails (`default_secret`).
False positives: a HAR recording and a log that is named debug or trace hold tokens by their nature: low, and still to
be deleted when done. Tokens that have expired do no harm any more; others were logged the same way.
At the log's edges: nothing depends on them; the exposure lasts as long as lines with tokens are kept, so none is called
ongoing.
Check: which other logs have the same lines (balancer, proxy, browser history, analytics)? Who reads them, and how long
are they kept?
Remediation: query: send the token in the `Authorization` header, and log the path without its query until then (nginx:
`$uri` in place of `$request_uri`). Header, cookie, body: take them out of the log's format. Message: log what was wrong
with a token and its id (`jti`), never the token. Then delete or mask the old lines, and end the sessions that they
belong to.
References: RFC 6750 section 5.3; RFC 9700 section 4.3.2; OWASP Logging Cheat Sheet.
Pathologies: S06, H3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import polars as pl

from authforensics.detect.detector import DRAFTS, Detector, Fleet, Limits, Threshold
from authforensics.findings import Severity
from authforensics.schema import REASON, ROW, Sessions
from authforensics.tokens.carried import PLACE, Carried

#: Lines shown of tokens that a default signed, per place.
_SHOWN = 3
#: Names of logs that are written to be read by those who may see everything.
_DEBUG = re.compile(r"debug|trace", re.IGNORECASE)
_WHERE = {
    "query": "in the query",
    "header": "in a header",
    "cookie": "in a cookie",
    "body": "in a field",
    "message": "in the message",
}


def _observe(sessions: Sessions, limits: Limits) -> pl.DataFrame:
    """Nothing of devices: what logs carry is known without them."""
    del limits
    return sessions.events.select("system", "device_id", "row").clear()


def _lines(fleet: Fleet) -> pl.DataFrame:
    """The lines that may be evidence, with numbers of their own: below zero, as no event has."""
    carried = fleet.carried
    shown = [carried.places.select(*PLACE, "line_number", "timestamp"), _known(carried)]
    every = pl.concat(shown).unique(maintain_order=True)
    return every.select(
        *PLACE,
        "line_number",
        "timestamp",
        row=(-1 - pl.int_range(pl.len())).cast(ROW),
        # What became of the request is beside the point: the line itself is what is wrong.
        auth_event=pl.lit("token_exposed"),
    )


def _shown(fleet: Fleet) -> pl.DataFrame:
    return _lines(fleet).drop("system", "where", "field")


def _known(carried: Carried) -> pl.DataFrame:
    """The first lines with tokens that a default signed."""
    mine = carried.tried.filter(pl.col("candidate").is_in(carried.known_to_all()))
    return mine.filter(pl.int_range(pl.len()).over(PLACE) < _SHOWN).select(*PLACE, "line_number", "timestamp")


def _conclude(observed: pl.DataFrame, fleet: Fleet, limits: Limits) -> pl.DataFrame:
    del observed
    carried = fleet.carried
    signed = (
        carried.tried.filter(pl.col("candidate").is_in(carried.known_to_all()))
        .group_by(PLACE)
        .agg(default=pl.col("candidate").first())
    )
    lines = _lines(fleet).group_by(PLACE, maintain_order=True).agg(rows=pl.col("row"))
    debug = [name for name in carried.places["source"] if _DEBUG.search(name)]
    recorded = [name for name, form in fleet.formats.items() if form == "har"]
    enough = carried.places.filter(pl.col("tokens") >= limits["min_tokens"])
    places = enough.join(signed, on=PLACE, how="left", nulls_equal=True)
    places = places.join(lines, on=PLACE, how="left", nulls_equal=True)
    return places.select(
        "system",
        "first_seen",
        "last_seen",
        "rows",
        device_id=pl.lit(None, pl.String),
        devices=pl.lit(0, pl.UInt32),
        ongoing=pl.lit(value=False),
        count=pl.col("lines"),
        reason=pl.lit(None, REASON),
        measures=pl.struct(
            "source",
            "where",
            "field",
            "tokens",
            "lines",
            "default",
            expected=pl.col("source").is_in([*debug, *recorded]).replace_strict({True: 1, False: None}),
        ),
    ).select(*DRAFTS.keys(), "measures")


def _describe(measures: Mapping[str, float]) -> str:
    many, lines = int(measures["tokens"]), int(measures["lines"])
    named = f" ({measures['field']})" if measures.get("field") else ""
    told = (
        f"{many:,} token{'' if many == 1 else 's'} can be read {_WHERE[str(measures['where'])]}{named} on"
        f" {lines:,} line{'' if lines == 1 else 's'} of {measures['source']}"
    )
    if measures.get("default"):
        return f"{told}; {measures['default']} signed {'it' if many == 1 else 'some of them'}: anybody can make such"
    if measures.get("expected"):
        return f"{told}, as in every recording and debug log: delete it when done"
    used = "it while it lives" if many == 1 else "them while they live"
    return f"{told}: whoever has the log can use {used}"


def _grade(measures: Mapping[str, float]) -> Severity:
    return Severity.LOW if measures.get("expected") else Severity.MEDIUM


DETECTOR = Detector(
    name="token_exposed",
    title="Tokens can be read in the log",
    severity=3,
    thresholds=(
        Threshold("min_tokens", 1, "tokens", "one is enough to act in its user's name (RFC 6750, 5.3)", least=1),
    ),
    observe=_observe,
    conclude=_conclude,
    describe=_describe,
    explains=False,
    grade=_grade,
    lines=_shown,
)
