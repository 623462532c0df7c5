"""Pieces of evidence that several causes weigh, each measured and worded once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Judgement, Weight
from authforensics.diagnose.deploys import BY_CHANCE
from authforensics.diagnose.tokens import refusing
from authforensics.diagnose.wording import after, instant, plural
from authforensics.findings import Finding
from authforensics.schema import Reason
from authforensics.states import AuthEvent

#: What a key that doesn't fit is called, without what a change of the algorithm is: see `ill.KEY_FAULTS`.
KEYS = (Reason.SIGNATURE_INVALID, Reason.KEY_NOT_FOUND)
LOG_REASON = (
    "why calls are refused: log the verifier's error with the request id, or in nginx $sent_http_www_authenticate"
)
LOG_UPSTREAM = "the instance that answered (nginx: $upstream_addr): it tells one bad instance from all"
LOG_CLIENT = (
    "the address of the client (X-Forwarded-For; nginx: real_ip) or an id of its device: all share that of a proxy"
)
#: Of causes that begin with a change. As weak as what merely agrees: other things change at that moment, too.
DEPLOY = Weight(1.0, "something was deployed or restarted just before it began", extra=True)
#: A token that is refused after a smaller share of its life did not expire: no clock and no leeway is that wrong.
EARLY = 0.8
_EXPIRED = Reason.TOKEN_EXPIRED.value
#: Fewer tokens prove nothing.
FEW = 2
#: Reasons other than the one looked for that may be there by chance: other users' ordinary trouble.
_STRAY = 0.1


def measured(finding: Finding, name: str) -> float:
    """A number that a finding measured; 0 where it has none."""
    return float(finding.measures.get(name, 0))


def says(
    case: Case, found: Judgement, reasons: Iterable[Reason], *, weight: str = "reason", other: str = "other_reason"
) -> float:
    """Whether the refusals name one of `reasons`, or others; the share that does.

    Ordinary expiry is no other; that of tokens just given is.
    """
    wanted = {reason.value for reason in reasons}
    counts = dict(case.reason_counts)
    if _EXPIRED not in wanted:
        counts[_EXPIRED] = case.reasons_of_new.get(_EXPIRED, 0)
    total = sum(counts.values())
    if not total:
        if not case.reason_counts:
            found.missing.append(LOG_REASON)
        return 0.0
    hits = {reason: count for reason, count in counts.items() if reason in wanted}
    share = sum(hits.values()) / total
    if hits:
        named = " or ".join(sorted(hits))
        found.speaks_for(
            weight, share, f"{sum(hits.values()):,} of {plural(total, 'refusal')} with a reason say {named}"
        )
    if 1 - share > _STRAY:
        top = max((reason for reason in counts if reason not in wanted), key=lambda reason: counts[reason])
        whose = " of new tokens" if top == _EXPIRED else ""
        found.speaks_against(other, 1 - share, f"{plural(counts[top], 'refusal')}{whose} say {top}")
    return share


def deployed(case: Case, found: Judgement, moment: datetime | None = None, *, what: str = "first") -> None:
    """A deploy or restart just before it began; known only where deploys are named. Its weight is `DEPLOY`.

    Args:
        case: the incident.
        found: takes the evidence, by the name `deploy`.
        moment: when that was; null: at the onset.
        what: what happened then.
    """
    began = moment or case.onset
    for last in case.preceding(began)[:1]:
        if last.chance <= BY_CHANCE:
            found.speaks_for("deploy", 1 - last.chance, f"{what} at {instant(began)} UTC, {after(last)}")


def new_tokens(case: Case) -> tuple[int, int]:
    """Tokens given since the onset, to any device by login or refresh: refused at first use, and accepted at all."""
    pairs = [case.outcomes(event) for event in (AuthEvent.REFRESH_OK, AuthEvent.LOGIN_OK)]
    return sum(refused for refused, _ in pairs), sum(accepted for _, accepted in pairs)


def logins_help(case: Case, found: Judgement, weight: str) -> None:
    """Tokens of logins since the onset are accepted."""
    refused, accepted = case.outcomes(AuthEvent.LOGIN_OK)
    if accepted >= FEW and accepted > refused:
        found.speaks_for(
            weight,
            accepted / (accepted + refused),
            f"{accepted:,} of {plural(accepted + refused, 'login')} since gave a token that is accepted",
        )
    elif accepted == refused == 0 and case.replaced.accepted >= FEW and not case.replaced.refused:
        found.speaks_for(weight, 1.0, f"the next token of {case.replaced.accepted:,} devices was accepted")


def fresh_refused(case: Case, found: Judgement, *, refresh: str, login: str) -> None:
    """Tokens just given are refused: those of refreshes, those of logins."""
    for event, weight, noun in (
        (AuthEvent.REFRESH_OK, refresh, "refreshes"),
        (AuthEvent.LOGIN_OK, login, "logins"),
    ):
        refused, accepted = case.outcomes(event)
        if refused >= FEW and refused >= accepted:
            found.speaks_for(
                weight,
                refused / (refused + accepted),
                f"{refused:,} of {refused + accepted:,} tokens from {noun} were refused at their first use",
            )


def logins_refused(case: Case, found: Judgement, weight: str) -> None:
    """Tokens that affected devices were given by a login are refused at their first use."""
    fresh = case.first_uses(AuthEvent.LOGIN_OK).affected
    if fresh.refused > 0.1 * fresh.total:
        found.speaks_against(
            weight,
            min(2 * fresh.refused / fresh.total, 1.0),
            f"{fresh.refused:,} of {plural(fresh.total, 'login')} gave a token that was refused at once",
        )


def returned(case: Case) -> tuple[pl.DataFrame, int]:
    """Refused tokens that were accepted again, unchanged, on a call that had been refused; and how many there were."""
    return case.tokens.filter(pl.col("again_at").is_not_null()), case.tokens.height


def accepted_there(case: Case) -> tuple[int, int]:
    """Of the calls of all devices meanwhile, on the routes that are refused: how many were accepted, and how many.

    Only those with most of the refusals: of others some are there by chance.
    """
    most = refusing(case.denials.filter(pl.col("auth_event") == AuthEvent.API_DENIED.value))
    there = case.meanwhile.routes.filter(pl.col("route").is_in(most.implode()))
    return int(there["accepted"].sum()), int(there["total"].sum())


def granted_since(case: Case, found: Judgement, weight: str) -> None:
    """Tokens just given to affected devices are refused at their first use."""
    fresh = case.denials.filter("rejection")["device_id"].n_unique()
    if fresh >= FEW:
        found.speaks_for(
            weight,
            fresh / len(case.devices),
            f"{fresh:,} of {plural(len(case.devices), 'device')} were refused with a token just given to them",
        )


def confined_to_clients(case: Case, found: Judgement, weight: str) -> None:
    """Only devices of some versions or platforms are affected."""
    part = (*case.scope.app_version, *case.scope.platform)
    if part:
        found.speaks_for(weight, 1.0, f"only {', '.join(part)}")


def others_obey(case: Case, found: Judgement, weight: str) -> None:
    """Others' sessions ended as well, and they logged in: what is left is clients that don't."""
    if case.obeying >= FEW:
        found.speaks_against(
            weight,
            case.obeying / (case.obeying + len(case.devices)),
            f"{plural(case.obeying, 'other device')} were refused a refresh as well, and logged in",
        )


def young(case: Case) -> tuple[int, int]:
    """Tokens refused in the incident long before they would expire, of those whose age and lifetime are known."""
    access = case.lifetimes.access
    if access is None:
        return 0, 0
    age = (pl.col("first_refused") - pl.col("granted_at")).dt.total_seconds()
    known = case.tokens.filter(pl.col("granted_at").is_not_null())
    return known.filter(age < EARLY * access.low).height, known.height


def one_part(case: Case, found: Judgement, weight: str) -> None:
    """It is confined to a version or platform, or weighs on one."""
    confined = (*case.scope.app_version, *case.scope.platform)
    if confined and len(case.devices) >= FEW:
        found.speaks_for(weight, 1.0, f"only {', '.join(confined)}")
        return
    part = case.part
    if part is not None:
        found.speaks_for(
            weight,
            part.hit / len(case.devices),
            f"{part.hit:,} of {part.total:,} devices with {part.value} are affected, {part.others:,} of {part.rest:,}"
            " others",
        )


def few(case: Case) -> bool:
    """Whether it is a small part of the fleet: less than a tenth of the active devices."""
    return len(case.devices) < 0.1 * case.active
