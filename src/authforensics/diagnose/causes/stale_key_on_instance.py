"""`stale_key_on_instance`: one instance, or one service, verifies with a key that the others don't have.

Deciding: the refusals are confined to some upstreams by Fisher's exact test, or the same token is refused and accepted
by turns: a key that is wrong everywhere never accepts it. Where instances issue tokens, too, each accepts its own.
Where a token comes back once, by waiting, it is a clock or a replica; where other calls of the same kind are all
refused, it is the signer. The place carries it, and the token that is good elsewhere; a reason only agrees, for the
verifier says the same of any wrong key.
Sequence:
    10:00:00  12 phones  login_ok    3 s apart upstream=a
    10:00:05  12 phones  api_ok      3 s apart upstream=a
    10:01:05  12 phones  api_ok      3 s apart upstream=b
    10:10:00  12 phones  api_denied  3 s apart, 4x every 120 s upstream=b
    10:10:01  12 phones  refresh_ok  3 s apart, 4x every 120 s upstream=a
    10:10:02  12 phones  api_denied  3 s apart, 4x every 120 s upstream=b
    10:10:30  12 phones  api_ok      3 s apart, 4x every 120 s upstream=a
Look-alikes: `signing_key_mismatch`, which refuses everywhere; `clock_skew` and `replica_lag`, where a token comes back
once.
References: Fisher 1922; cybertec-postgresql/pgwatch#1544; DefGuard/defguard#987.
Pathologies: 1.2, questions 3 and 5; F1, F2, F4.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from authforensics.diagnose import calls
from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.ill import KEY_FAULTS
from authforensics.diagnose.pieces import DEPLOY, FEW, LOG_UPSTREAM, deployed, returned, says
from authforensics.diagnose.wording import plural

_WEIGHTS = {
    "confined": Weight(
        4.0, "the others accept at the same time, or each its own tokens: the key is wrong in one place", decides=True
    ),
    "both_ways": Weight(1.5, "the same token is accepted elsewhere: the token is good"),
    "by_turns": Weight(1.0, "refused, accepted, refused: no waiting and no new token changes it", decides=True),
    "key_reason": Weight(1.0, "the verifier names the key or the signature"),
    "everywhere": Weight(-4.0, "every instance refuses alike"),
    "never_back": Weight(-2.0, "no refused token is ever accepted again"),
    "other_reason": Weight(-2.5, "the verifier names something that is no key"),
    "deploy": DEPLOY,
}
#: Without the instance in the log, or a reason, tokens that come back may be a clock or a replica as well.
_ALONE = 0.45
#: Instances that are named.
_NAMED = 3


def _judge(case: Case) -> Judgement:
    found = Judgement()
    says(case, found, KEY_FAULTS, weight="key_reason")
    _place(case, found)
    back, total = returned(case)
    turns = case.tokens.filter(pl.col("between") > 0).height
    keyed = case.share_of(*KEY_FAULTS) >= 0.5
    if back.height >= FEW:
        alone = not (case.scope.upstream or keyed)
        found.speaks_for(
            "both_ways",
            min(2 * back.height / total, _ALONE if alone else 1.0),
            f"{back.height:,} of {plural(total, 'refused token')} were accepted again, unchanged",
        )
    elif total >= FEW and not case.scope.upstream:
        found.speaks_against("never_back", 1.0, f"none of {plural(total, 'refused token')} was accepted again")
    if turns >= FEW:
        found.speaks_for(
            "by_turns",
            min(2 * turns / total, 1.0 if keyed else _ALONE),
            f"{plural(turns, 'token')} were refused, accepted and refused again",
        )
    deployed(case, found)
    return found


def _place(case: Case, found: Judgement) -> None:
    """Which instances refuse, and which don't; or which service."""
    if _own_only(case, found):
        return
    shares = case.instances
    if case.scope.upstream:
        rest = shares.filter(~pl.col("upstream").is_in(case.scope.upstream))
        bad = shares.filter(pl.col("upstream").is_in(case.scope.upstream))
        refused = int(bad["refused_api"].sum())
        # One that accepts most has no wrong key, unless the key is what the verifier names: a clock, or its load. Of
        # the affected devices: others may have tokens with another key.
        accepted = calls.accepted_on(case.events, case.denials, case.scope.upstream)
        share = refused / max(refused + accepted, 1)
        found.speaks_for(
            "confined",
            1.0 if case.share_of(*KEY_FAULTS) >= 0.5 else share,
            f"only {', '.join(case.scope.upstream)} refuses, {share:.0%} of their calls there: the others refused"
            f" {int(rest['refused'].sum()):,} of {int(rest['total'].sum()):,} meanwhile",
        )
        return
    if shares.height >= 2:
        hit = shares.filter(pl.col("refused") > 0).height
        if hit >= 2:
            found.speaks_against("everywhere", 1.0, f"{hit:,} of {plural(shares.height, 'instance')} refuse alike")
    elif shares.is_empty():
        found.missing.append(LOG_UPSTREAM)
    routes = case.meanwhile.routes.filter(pl.col("route").cast(pl.String).is_in(case.scope.endpoint))
    accepted, total = int(routes["accepted"].sum()), int(routes["total"].sum())
    elsewhere = case.tokens.filter(pl.col("elsewhere") > 0).height
    if total and accepted <= 0.05 * total and elsewhere >= FEW:
        found.speaks_for(
            "confined",
            min(elsewhere / case.tokens.height, _ALONE),
            f"only {', '.join(case.scope.endpoint)} refuses, and everybody; {elsewhere:,} of"
            f" {plural(case.tokens.height, 'refused token')} were accepted on other paths",
        )


def _own_only(case: Case, found: Judgement) -> bool:
    """Whether instances refuse each other's tokens only."""
    apart = case.apart
    if apart is None:
        return False
    sides = " and ".join(map(_named, apart.kinds))
    if apart.changed is None:
        found.title = f"The keys of {sides} differ: each accepts only the tokens that it issued"
    else:
        rest = [name for number, kind in enumerate(apart.kinds) if number != apart.changed for name in kind]
        changed = apart.kinds[apart.changed]
        have = "Instance {} has" if len(changed) == 1 else "Instances {} have"
        other = f"another key than {_named(rest)}: neither accepts the other's tokens"
        found.title = f"{have.format(_named(changed))} {other}"
    (own, kept), (others, lost) = apart.own, apart.others
    found.speaks_for(
        "confined",
        apart.strength,
        f"{sides}: {lost:,} of {others:,} calls were refused with a token that the other side had issued,"
        f" {kept:,} of {own:,} accepted with one of its own",
    )
    return True


def _named(names: Sequence[str]) -> str:
    """Some instances by name, and how many others there are."""
    more = len(names) - _NAMED
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:_NAMED])} and {more} more"


CAUSE = Cause(
    name="stale_key_on_instance",
    title="One instance or service verifies with a key that the others don't have",
    check=(
        "Count refusals by upstream, and send one refused request to each instance by itself. Compare the key, the"
        " configuration and the start time of the instance that refuses with those of the others."
    ),
    remediation=(
        "Take the instance out of the balancer, then restart it with the key that the others have. Give all instances"
        " keys from one place, and let a health check verify a token before an instance takes traffic."
    ),
    weights=_WEIGHTS,
    judge=_judge,
)
