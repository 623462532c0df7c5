"""`replica_lag`: a token is used before the store that is asked about it knows it.

Deciding: refused within a second or two of its making, accepted right after, unchanged, and only now and then. A clock
that is a little off does the same, so only a reason that speaks of the store (not found, revoked) makes it certain.
Sequence:
    10:00:00    12 phones  login_ok    20 s apart
    10:00:40    12 phones  api_ok      20 s apart
    10:10:00    12 phones  refresh_ok  20 s apart
    10:10:00.6  12 phones  api_ok      20 s apart
    10:15:00    12 phones  api_ok      20 s apart
    10:20:00    12 phones  refresh_ok  20 s apart
    10:20:00.8  12 phones  api_denied  20 s apart revoked  # not found yet
    10:20:02    12 phones  api_ok      20 s apart  # the same token
    10:25:00    12 phones  api_ok      20 s apart
    10:30:00    12 phones  refresh_ok  20 s apart
    10:30:00.6  12 phones  api_ok      20 s apart
    10:30:02    12 phones  api_ok      20 s apart
Look-alikes: `clock_skew`, which lasts as long as the clocks differ and hits every new token.
References: ory/hydra#176; craftcms/cms#15480.
Pathologies: B5; 1.2, question 5.
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
    "never": Weight(-3.0, "hardly any new token that was refused becomes good: a replica catches up"),
    "late": Weight(-3.0, "tokens are refused when they are older than a replica lags behind"),
    "confined": Weight(-1.0, "one instance only refuses: its clock or its key is another"),
    "raced": Weight(-4.0, "their refreshes ran beside one another and one was refused: rotation ends the session"),
    "part": Weight(-2.0, "one version only: replicas serve all of them"),
    "other_reason": Weight(-4.0, "the verifier names a fault of the token itself"),
}
#: Replicas lag for a second or two; twice that, for clients that wait before they try again.
LAG = 5.0


def _judge(case: Case) -> Judgement:
    found = Judgement()
    fresh = _fresh(case)
    new = fresh.filter(pl.col("age") <= LAG).height
    total = case.tokens.height - _aged(case)
    if new < FEW or new < 0.5 * total:
        return found
    found.speaks_for(
        "first_seconds",
        new / total,
        f"{new:,} of {plural(total, 'refused token')} not expired were refused in their first {LAG:.0f} s only",
    )
    says(case, found, [Reason.REVOKED, Reason.REFRESH_REVOKED, Reason.OTHER])
    quick = fresh.filter("back", pl.col("age") <= LAG).height
    if quick >= FEW and quick > 0.2 * fresh.height:
        found.speaks_for(
            "at_once",
            quick / fresh.height,
            f"{quick:,} of {plural(fresh.height, 'new token')} that were refused were accepted later, unchanged",
        )
    elif fresh.height >= FEW:
        found.speaks_against("never", 1.0, f"{quick:,} of {plural(fresh.height, 'new token')} were accepted later")
    late = fresh.filter(pl.col("age") > LAG).height
    if late > 0.1 * fresh.height:
        found.speaks_against("late", late / fresh.height, f"{plural(late, 'token')} were refused when older than that")
    refused, accepted = new_tokens(case)
    if accepted > 2 * refused:
        found.speaks_for(
            "now_and_then", 1.0, f"{plural(refused, 'new token')} of {refused + accepted:,} met a refusal at first"
        )
    _others(case, found)
    return found


def _fresh(case: Case) -> pl.DataFrame:
    """Tokens refused at their first use: the `age` until which they were, and whether they came `back` after that."""
    access = case.lifetimes.access
    life = pl.lit(None, pl.Float64) if access is None else pl.lit(0.8 * access.low)
    first, last = (
        (pl.col(name) - pl.col("granted_at")).dt.total_microseconds() / 1e6
        for name in ("first_refused", "last_refused")
    )
    back = pl.col("again_at") > pl.col("last_refused")
    # Accepted in between, and refused again when its time was up.
    expired = (pl.col("again_at").is_not_null() & (last >= life)).fill_null(value=False)
    return case.tokens.filter(pl.col("granted_at").is_not_null(), ~pl.col("used_before")).with_columns(
        age=pl.when(expired).then(first).otherwise(last), back=(back | expired).fill_null(value=False)
    )


def _others(case: Case, found: Judgement) -> None:
    """What else would do the same."""
    raced = case.siblings.filter("beside")["device_id"].n_unique()
    if raced > 0.2 * len(case.devices):
        found.speaks_against(
            "raced", min(2 * raced / len(case.devices), 1.0), f"{plural(raced, 'device')} had a refresh refused beside"
        )
    if case.scope.app_version or case.part:
        value = case.part.value if case.part else ", ".join(case.scope.app_version)
        found.speaks_against("part", 1.0, f"{value} is hit, hardly any other is")
    rejections = case.denials.filter("rejection")
    old = rejections.filter(pl.col("reason") == Reason.TOKEN_EXPIRED.value).height
    if old:
        found.speaks_against(
            "other_reason", old / rejections.height, f"{plural(old, 'refusal')} of new tokens say token_expired"
        )
    if case.scope.upstream:
        found.speaks_against("confined", 1.0, f"only {', '.join(case.scope.upstream)} refuses")


def _aged(case: Case) -> int:
    """How many of the refused tokens had been accepted, and may have expired since."""
    access = case.lifetimes.access
    if access is None:
        return 0
    age = (pl.col("first_refused") - pl.col("granted_at")).dt.total_seconds()
    return case.tokens.filter("used_before", (age >= 0.8 * access.low).fill_null(value=True)).height


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
