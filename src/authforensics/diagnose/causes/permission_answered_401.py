"""`permission_answered_401`: the server answers 401 where the token is good and a permission is missing.

Deciding: the refused tokens are accepted on other paths meanwhile, and the same paths accept the tokens of others: it
is neither the token nor the service, but what this user may do there. Where nobody is accepted on the path, the service
may have a wrong key or audience, so that alone does not decide.
Sequence:
    10:00:00  12 phones  login_ok    3 s apart
    10:00:01  12 phones  api_ok      3 s apart, 15x every 60 s
    10:01:00  12 phones  api_ok      3 s apart, 7x every 120 s /api/reports
    10:00:30  3 guests   login_ok    1 s apart
    10:00:31  3 guests   api_ok      1 s apart, 11x every 60 s
    10:02:35  3 guests   api_denied  1 s apart, 5x every 120 s /api/reports other
    10:02:40  3 guests   refresh_ok  1 s apart, 5x every 120 s
    10:02:42  3 guests   api_denied  1 s apart, 5x every 120 s /api/reports other
Look-alikes: `stale_key_on_instance`, where a service refuses everybody; `audience_mismatch`.
References: RFC 6750 section 3.1; bucketeer-io/bucketeer#2455.
Pathologies: A5.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.ill import KEY_FAULTS
from authforensics.diagnose.pieces import FEW, LOG_REASON, accepted_there
from authforensics.diagnose.wording import plural
from authforensics.parallel import by_part
from authforensics.schema import Reason
from authforensics.states import AuthEvent

_WEIGHTS = {
    "path": Weight(2.0, "it is confined to some paths: others are accepted at the same time"),
    "elsewhere": Weight(1.5, "the refused tokens are accepted on other paths: they are good"),
    "others": Weight(2.0, "others are accepted on the same paths: the service verifies well", decides=True),
    "always": Weight(1.0, "a refresh changes nothing: new tokens are refused there, too"),
    "reason": Weight(1.5, "the answer names something other than a fault of the token"),
    "nobody": Weight(-2.0, "nobody is accepted on these paths: it may be the service"),
    "back": Weight(-2.5, "refused tokens are accepted later on the same path"),
    "pace": Weight(-3.0, "it comes at the pace of a timer, to devices that were accepted there: an old token"),
    "turns": Weight(-3.0, "the same devices are accepted on the same paths in between: no permission comes and goes"),
    "instance": Weight(-3.0, "it is confined to an instance"),
    "token_fault": Weight(-4.0, "the answer names a fault of the token"),
}
#: What others' acceptance decides where no new token was refused.
_ALONE = 0.45
_FAULTS = (
    *KEY_FAULTS,
    Reason.AUDIENCE_MISMATCH,
    Reason.ISSUER_MISMATCH,
    Reason.NOT_YET_VALID,
    Reason.MALFORMED,
    Reason.REVOKED,
)
_ON_API = (AuthEvent.API_OK.value, AuthEvent.API_DENIED.value)


def _judge(case: Case) -> Judgement:
    found = Judgement()
    tokens = case.tokens
    elsewhere = tokens.filter(pl.col("elsewhere") > 0).height
    good = elsewhere >= FEW and elsewhere >= 0.3 * tokens.height
    confined = case.scope.endpoint if good or _call_elsewhere(case) else ()
    if not (good or confined):
        return found
    if confined:
        found.speaks_for("path", 1.0, f"only {', '.join(confined)} refuses")
    if good:
        found.speaks_for(
            "elsewhere",
            min(1.25 * elsewhere / tokens.height, 1.0),
            f"{elsewhere:,} of {plural(tokens.height, 'refused token')} were accepted on other paths meanwhile",
        )
    fresh = tokens.filter(~pl.col("used_before"), pl.col("granted_at").is_not_null()).height
    _paths(case, found, fresh=fresh)
    if fresh >= FEW:
        found.speaks_for("always", 1.0, f"{plural(fresh, 'new token')} were refused there from their first use on")
    _changing(case, found)
    if case.scope.upstream:
        found.speaks_against("instance", 1.0, f"only {', '.join(case.scope.upstream)} refuses")
    other, fault = case.api_share_of(Reason.OTHER), case.api_share_of(*_FAULTS)
    if other:
        found.speaks_for("reason", other, f"{other:.0%} of the stated reasons are no fault of the token")
    if fault > 0.1:
        found.speaks_against("token_fault", fault, f"{fault:.0%} of the stated reasons are faults of the token")
    elif (expired := _expired(case)) > 0.5:
        found.speaks_against(
            "token_fault", expired, f"{expired:.0%} of the refused calls are said to be of expired tokens"
        )
    if not case.reason_counts:
        found.missing.append(LOG_REASON)
    return found


def _changing(case: Case, found: Judgement) -> None:
    """What is refused and accepted to the same device, or with the same token: a permission stays as it is."""
    back = case.tokens.filter(pl.col("again_at").is_not_null()).height
    if back > 0.2 * case.tokens.height:
        found.speaks_against("back", back / case.tokens.height, f"{plural(back, 'token')} were accepted there later")
    again = case.calls.filter(pl.col("steady") > 0.5, pl.col("refusals") >= 5, pl.col("before") + pl.col("between") > 0)
    refusals = max(int(case.calls["refusals"].sum()), 1)
    turns = int(case.calls.filter(pl.col("between") > 0)["refusals"].sum()) / refusals
    if turns > 0.5:
        found.speaks_against(
            "turns", turns, f"{turns:.0%} of the refusals are on paths that accepted the same device in between"
        )
    timed = int(again["refusals"].sum()) / refusals
    if timed > 0.5:
        found.speaks_against("pace", timed, f"{timed:.0%} of the refusals come at a pace, on paths accepted before")


def _call_elsewhere(case: Case) -> bool:
    """Whether affected devices call any other path than those that refuse: if none does, it may be the devices."""
    others = by_part(
        case.events,
        lambda part: (
            part.filter(pl.col("auth_event").is_in(_ON_API), ~pl.col("route").is_in(list(case.scope.endpoint)))
            .select("device_id")
            .join(case.hit.lazy(), on="device_id", how="semi")
            .head(1)
        ),
    )
    return not others.is_empty()


def _expired(case: Case) -> float:
    """The share of expired tokens in the refused calls: in those that say why with a new token, if there are some."""
    refused = case.denials.filter(pl.col("auth_event") == AuthEvent.API_DENIED.value)
    new = refused.filter("rejection", pl.col("reason").is_not_null())
    asked = new if new.height >= FEW else refused
    return asked.filter(pl.col("reason") == Reason.TOKEN_EXPIRED.value).height / max(asked.height, 1)


def _paths(case: Case, found: Judgement, *, fresh: int) -> None:
    """Whether others are accepted where these are refused."""
    accepted, total = accepted_there(case)
    accepted -= int(case.calls["between"].sum())
    if total and accepted >= FEW and accepted > 0.05 * total:
        # Old tokens that are refused where new ones would pass are another thing: a connection's first token.
        found.speaks_for(
            "others",
            1.0 if fresh >= FEW else _ALONE,
            f"{accepted:,} of {total:,} calls on the same paths were of others, and accepted, meanwhile",
        )
    elif total:
        found.speaks_against(
            "nobody", 1.0, f"{max(accepted, 0):,} of {total:,} calls on these paths were accepted meanwhile"
        )


CAUSE = Cause(
    name="permission_answered_401",
    title="A missing permission is answered with 401",
    check=(
        "Take one refused call: which path, which user, which permission or quota? Call another path with the same"
        " token: it is accepted. Look for what the service asks further services with a key of its own."
    ),
    remediation=(
        "Answer 403 (insufficient_scope) where the token is good. Clients: refresh only at error=invalid_token, once,"
        " and show the user what is missing."
    ),
    weights=_WEIGHTS,
    judge=_judge,
)
