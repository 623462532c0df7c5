"""`clock_skew`: new tokens are not valid yet where they are checked, or no more: two clocks differ.

Deciding: the verifier says not yet valid. Tokens refused when new that are accepted later, unchanged, by the same
instance, after more seconds than a replica takes, point to it without a word: by hardly any other fault does the chance
of a refusal fall with the token's age. The reason and the waiting each carry it; the rest agrees.
The other way round, new tokens of refreshes and of logins are refused as expired, whatever the client: the verifier is
ahead of the issuer by more than a token lives. A lifetime of nearly zero leaves the same lines, so it is likely only.
Sequence:
    10:00:00  12 phones  login_ok    2 s apart
    10:00:40  12 phones  api_ok      2 s apart
    10:10:00  12 phones  refresh_ok  2 s apart
    10:10:01  12 phones  api_denied  2 s apart, 4x every 6 s not_yet_valid
    10:10:45  12 phones  api_ok      2 s apart  # the same token
    10:15:00  12 phones  api_ok      2 s apart
    10:25:00  12 phones  refresh_ok  2 s apart
    10:25:01  12 phones  api_denied  2 s apart, 4x every 6 s not_yet_valid
    10:25:45  12 phones  api_ok      2 s apart
    10:30:00  12 phones  api_ok      2 s apart
Look-alikes: `replica_lag`, which is over within a second or two; `stale_key_on_instance`, where the same token is
refused again; `client_keeps_old_token`, whose tokens of a login are accepted.
References: RFC 7519 sections 4.1.5 and 4.1.6; IdentityServer/IdentityServer4#1298.
Pathologies: A4.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import FEW, fresh_refused, says
from authforensics.diagnose.wording import after, instant, plural
from authforensics.findings import CLOCK, duration
from authforensics.schema import Reason
from authforensics.states import AuthEvent

_WEIGHTS = {
    "reason": Weight(3.0, "the verifier itself says not yet valid", decides=True),
    "waiting": Weight(3.0, "tokens become good by waiting; a cache that fills slowly does so, too"),
    "young_only": Weight(1.0, "only tokens of a few minutes are refused"),
    "old_refused": Weight(-2.0, "tokens older than clocks differ are refused"),
    "never": Weight(-2.0, "refused tokens stay refused, however long they are used"),
    "by_turns": Weight(-2.5, "accepted tokens are refused again: no clock does so"),
    "other_reason": Weight(-3.0, "the verifier names something else"),
    "expired": Weight(1.0, "the verifier says that new tokens have expired: so they are made, or judged", extra=True),
    "expired_refresh": Weight(3.0, "those of refreshes are refused; a client may send an older one", extra=True),
    "expired_login": Weight(4.0, "those of logins are refused: no client sends an older one then", extra=True),
    "login_accepted": Weight(-4.0, "those of logins are accepted: clients send an older one after a refresh"),
    "stepped": Weight(2.0, "the clock of a log was set back just before", extra=True),
    "client": Weight(-3.0, "one version or platform only: a client that sends an older one"),
}
_EXPIRED = "New tokens have expired at once: clocks differ by a lifetime, or it is nearly zero"
#: Younger than this a token may be from the future: the largest leeway that products ship (Microsoft, Duende: 300 s).
SKEW = 300.0
#: A replica has a row within this many seconds: what takes longer is no lag.
LAG = 5.0


def _judge(case: Case) -> Judgement:
    found = Judgement()
    _stepped(case, found)
    if _expired(case, found):
        return found
    says(case, found, [Reason.NOT_YET_VALID])
    fresh = case.tokens.filter(pl.col("granted_at").is_not_null(), ~pl.col("used_before")).with_columns(
        age=(pl.col("last_refused") - pl.col("granted_at")).dt.total_microseconds() / 1e6,
        waited=(pl.col("here_at") - pl.col("granted_at")).dt.total_microseconds() / 1e6,
    )
    if fresh.height < FEW:
        return found
    healed = fresh.filter(pl.col("here_at") > pl.col("last_refused"), pl.col("age") <= SKEW, pl.col("waited") > LAG)
    if healed.height >= FEW:
        found.speaks_for(
            "waiting",
            min(2 * healed.height / fresh.height, 1.0),
            f"{healed.height:,} of {plural(fresh.height, 'new token')} that were refused were accepted later,"
            f" unchanged: the latest refused was {duration(float(healed['age'].max()))} old",  # type: ignore[arg-type]
        )
    turns = fresh.filter(pl.col("between") > 0).height
    if turns >= FEW and turns > 0.2 * fresh.height:
        found.speaks_against(
            "by_turns", turns / fresh.height, f"{plural(turns, 'token')} were accepted, then refused again"
        )
    stuck = fresh.filter(pl.col("age") > SKEW, pl.col("here_at").is_null()).height
    if stuck >= FEW:
        found.speaks_against("never", stuck / fresh.height, f"{plural(stuck, 'token')} were still refused after 5 min")
    _old(case, found, fresh.height)
    return found


def _stepped(case: Case, found: Judgement) -> None:
    """Whether a log shows that a clock was set."""
    for one in case.preceding(case.onset):
        if one.name.startswith(CLOCK):
            found.speaks_for("stepped", 1 - one.chance, f"first at {instant(case.onset)} UTC, {after(one)}")
            return


def _expired(case: Case, found: Judgement) -> bool:
    """Whether it is the other way round: most that is said of new tokens is that they have expired."""
    said = case.reasons_of_new
    expired, total = said.get(Reason.TOKEN_EXPIRED.value, 0), sum(said.values())
    if 2 * expired <= total:
        return False
    found.title = _EXPIRED
    found.speaks_for(
        "expired", expired / total, f"{expired:,} of {plural(total, 'refusal')} of new tokens with a reason say expired"
    )
    fresh_refused(case, found, refresh="expired_refresh", login="expired_login")
    refused, accepted = case.outcomes(AuthEvent.LOGIN_OK)
    if accepted >= FEW and accepted > refused:
        found.speaks_against(
            "login_accepted",
            accepted / (accepted + refused),
            f"{accepted:,} of {plural(accepted + refused, 'login')} since gave a token that is accepted",
        )
    only = (*case.scope.app_version, *case.scope.platform, *case.scope.client)
    if only:
        found.speaks_against("client", 1.0, f"only {', '.join(only)}")
    elif case.part:
        found.speaks_against("client", 1.0, f"mostly {case.part.value}")
    return True


def _old(case: Case, found: Judgement, fresh: int) -> None:
    """Whether tokens that were good are refused: those were no more from the future."""
    good = case.tokens.filter("used_before").height
    if not good and fresh >= FEW and case.accepted:
        found.speaks_for(
            "young_only", 1.0, f"no token that had been accepted was refused; {case.accepted:,} calls were accepted"
        )
    elif good > fresh:
        found.speaks_against("old_refused", good / (good + fresh), f"{plural(good, 'token')} had been accepted before")


CAUSE = Cause(
    name="clock_skew",
    title="The clocks of issuer and verifier differ: new tokens are not valid yet",
    check=(
        "Compare `date` on the host that issues tokens with each host that verifies them, and the nbf and iat of a"
        " refused token with the time of the refusal. If it is said to have expired, subtract iat from exp: a few"
        " seconds or less are a wrong lifetime (a unit?), minutes or more a wrong clock; an iat long before the refusal"
        " is that of the issuer, or of an older token."
    ),
    remediation=(
        "Let all hosts follow NTP, and watch their offset. Allow a leeway of 30 to 60 s for nbf, iat and exp. Give"
        " access tokens minutes to live. Clients: wait before the next refresh, another token is as young."
    ),
    weights=_WEIGHTS,
    judge=_judge,
)
