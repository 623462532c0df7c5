"""`stale_connection_token`: a live connection is made anew with the token that it began with.

Deciding: one route is refused to a device at the pace of a timer, after it had been accepted there, while other routes
accept that device's newer tokens. A missing permission is refused from the first call on, and a person, or a screen,
has no such pace; a client that goes on after its session ended is accepted nowhere.
Sequence:
    10:00:00  12 boards  login_ok    3 s apart
    10:00:01  12 boards  api_ok      3 s apart, 25x every 60 s
    10:00:02  12 boards  api_ok      3 s apart, 89x every 10 s /api/stream
    10:15:01  12 boards  api_denied  3 s apart, 60x every 10 s /api/stream
    10:15:03  12 boards  refresh_ok  3 s apart
    10:15:04  12 boards  api_ok      3 s apart
Look-alikes: `permission_answered_401`, whose path was never granted; `client_ignores_denial`, accepted nowhere.
References: RFC 6455 section 10.5; siteboon/claudecodeui#754; whatomate#542.
Pathologies: E4.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import FEW, says
from authforensics.diagnose.wording import plural
from authforensics.findings import duration
from authforensics.schema import Reason

_WEIGHTS = {
    "pace": Weight(2.0, "the refusals come at the pace of a timer"),
    "path": Weight(1.0, "one route is refused"),
    "before": Weight(2.0, "the same device had been accepted there: it may call it", decides=True),
    "elsewhere": Weight(2.0, "it is accepted on other routes meanwhile: its session is good"),
    "reason": Weight(0.5, "the server says that the token has ended"),
    "fresh": Weight(-3.0, "tokens just given are refused there: the route refuses, not the token"),
    "people": Weight(-3.0, "the refusals have no pace"),
    "never": Weight(-3.0, "the devices were never accepted there"),
    "dead": Weight(-3.0, "the devices are accepted nowhere: their sessions have ended"),
    "other_reason": Weight(-4.0, "the server names something other than the end of the token"),
}
_ENDED = (Reason.TOKEN_EXPIRED, Reason.REVOKED)
#: Refusals in a row on a route, before a pace can be told.
_ROW = 5
#: Most of the pauses are one and the same.
_STEADY = 0.6


def _judge(case: Case) -> Judgement:
    found = Judgement()
    rows = case.calls.filter(pl.col("refusals") >= _ROW, pl.col("steady").is_not_null())
    refusals = int(case.calls["refusals"].sum())
    if rows.is_empty() or 2 * int(rows["refusals"].sum()) < refusals:
        return found
    steady = rows.filter(pl.col("steady") >= _STEADY)
    count = int(steady["refusals"].sum())
    if count < 0.5 * refusals or steady.height < FEW:
        found.speaks_against("people", 1 - count / refusals, f"{count:,} of {plural(refusals, 'refusal')} have a pace")
        return found
    pause = float(steady["pause"].median())  # type: ignore[arg-type]
    found.speaks_for(
        "pace",
        count / refusals,
        f"{count:,} of {plural(refusals, 'refusal')} come at a pace, one every {duration(pause)} as a rule",
    )
    _routes(steady, found)
    before = steady.filter(pl.col("before") + pl.col("between") > 0).height
    elsewhere = steady.filter(pl.col("elsewhere") >= FEW).height
    for weight, contrary, hits, what in (
        ("before", "never", before, "accepted there at other times"),
        ("elsewhere", "dead", elsewhere, "accepted on other routes meanwhile"),
    ):
        words = f"{hits:,} of {plural(steady.height, 'device')} were {what}"
        if hits > 0.5 * steady.height:
            found.speaks_for(weight, hits / steady.height, words)
        else:
            found.speaks_against(contrary, 1 - hits / steady.height, words)
    fresh = case.denials.filter("rejection").height
    if fresh > 0.1 * refusals:
        found.speaks_against(
            "fresh", min(2 * fresh / refusals, 1.0), f"{plural(fresh, 'token')} just given are refused"
        )
    if case.reason_counts:
        says(case, found, _ENDED)
    return found


def _routes(steady: pl.DataFrame, found: Judgement) -> None:
    routes = steady.group_by(pl.col("route").cast(pl.String)).agg(pl.col("refusals").sum()).sort("refusals", "route")
    route, count = routes.row(-1)
    share = count / int(routes["refusals"].sum())
    if route is not None and share >= 0.9:
        found.speaks_for("path", share, f"{share:.0%} of them are on {route}")


CAUSE = Cause(
    name="stale_connection_token",
    title="A live connection is made anew with the token that it began with",
    check=(
        "Look at the route that is refused: a socket, a stream or a long poll? See where its client takes the token"
        " from when it connects again: from the store, or from when it connected first."
    ),
    remediation=(
        "Read the token when connecting, not before, and refresh it first where it has expired. On the server, close"
        " such connections with a code of their own (4401), so that clients know what to do."
    ),
    weights=_WEIGHTS,
    judge=_judge,
)
