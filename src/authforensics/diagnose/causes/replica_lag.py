"""`replica_lag`: a token is used before the store that is asked about it knows it.

Deciding (pathologies B5; 1.2, question 5): refused within a second or two of its making, accepted right after,
unchanged, and only now and then. A clock that is a little off does the same, so only a reason that speaks of the store
(not found, revoked) makes it certain.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import FEW, new_tokens, says
from authforensics.diagnose.wording import plural
from authforensics.schema import Reason

_WEIGHTS = {
    "at_once": Weight(2.0, "tokens become good within seconds"),
    "first_seconds": Weight(2.0, "tokens are refused in their first seconds only"),
    "reason": Weight(1.5, "the verifier doesn't know the token", decides=True),
    "now_and_then": Weight(1.5, "most new tokens are accepted at once: the rest was too quick"),
    "late": Weight(-3.0, "tokens are refused when they are older than a replica lags behind"),
    "confined": Weight(-1.0, "one instance only refuses: its clock or its key is another"),
    "other_reason": Weight(-4.0, "the verifier names a fault of the token itself"),
}
#: Replicas lag for a second or two; twice that, for clients that wait before they try again.
LAG = 5.0


def _judge(case: Case) -> Judgement:
    found = Judgement()
    fresh = case.tokens.filter(pl.col("granted_at").is_not_null(), ~pl.col("used_before")).with_columns(
        age=(pl.col("last_refused") - pl.col("granted_at")).dt.total_microseconds() / 1e6
    )
    new = fresh.filter(pl.col("age") <= LAG).height
    if new < FEW or new < 0.5 * case.tokens.height:
        return found
    found.speaks_for(
        "first_seconds",
        new / case.tokens.height,
        f"{new:,} of {plural(case.tokens.height, 'refused token')} were refused in their first {LAG:.0f} s only",
    )
    says(case, found, [Reason.REVOKED, Reason.REFRESH_REVOKED, Reason.OTHER])
    quick = fresh.filter(pl.col("again_at") > pl.col("last_refused"), pl.col("age") <= LAG).height
    if quick >= FEW:
        found.speaks_for(
            "at_once",
            quick / fresh.height,
            f"{quick:,} of {plural(fresh.height, 'new token')} that were refused were accepted later, unchanged",
        )
    late = fresh.filter(pl.col("age") > LAG).height
    if late > 0.1 * fresh.height:
        found.speaks_against("late", late / fresh.height, f"{plural(late, 'token')} were refused when older than that")
    refused, accepted = new_tokens(case)
    if accepted > 2 * refused:
        found.speaks_for(
            "now_and_then", 1.0, f"{plural(refused, 'new token')} of {refused + accepted:,} met a refusal at first"
        )
    if case.scope.upstream:
        found.speaks_against("confined", 1.0, f"only {', '.join(case.scope.upstream)} refuses")
    return found


CAUSE = Cause(
    name="replica_lag",
    title="Tokens are used before the store that is asked knows them",
    check=(
        "Plot refusals by the age of the token: only the first second or two? Look at the lag of the replica that the"
        " verifier reads from, and at its load at that time."
    ),
    remediation=(
        "Read tokens that are seconds old from the primary, or write them to all replicas before answering the refresh."
        " Clients: try once more after a second before refreshing again."
    ),
    weights=_WEIGHTS,
    judge=_judge,
)
