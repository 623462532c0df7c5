"""`ephemeral_key`: the key, or the session store, is made anew at each start, so every restart ends all sessions.

Deciding: tokens die all at once, new ones are good, and then those die all at once as well. Once is a rotation. Between
two starts nothing is wrong, so a token given before one and accepted after it speaks against.
Sequence:
    10:00:00  12 phones  login_ok        2 s apart
    10:00:05  12 phones  api_ok          2 s apart, 2x every 535 s
    10:10:00  12 phones  api_denied      2 s apart signature_invalid
    10:10:01  12 phones  refresh_denied  2 s apart signature_invalid
    10:10:40  12 phones  login_ok        2 s apart
    10:10:42  12 phones  api_ok          2 s apart, 2x every 798 s
    10:25:00  12 phones  api_denied      2 s apart signature_invalid
    10:25:01  12 phones  refresh_denied  2 s apart signature_invalid
    10:25:40  12 phones  login_ok        2 s apart
    10:25:42  12 phones  api_ok          2 s apart, 2x every 798 s
Look-alikes: `key_rotated_without_overlap`, which happens once; `token_store_lost`.
References: oauthjs/node-oauth2-server#633.
Pathologies: B1 or B2.
"""

from __future__ import annotations

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.deploys import BY_CHANCE
from authforensics.diagnose.pieces import FEW, KEYS, says, young
from authforensics.diagnose.wording import after, clock, plural
from authforensics.schema import Reason

_WEIGHTS = {
    "waves": Weight(3.0, "each start ends what was given before it, and nothing else", decides=True),
    "reason": Weight(1.5, "the verifier names the key, or doesn't find the session"),
    "new_accepted": Weight(1.5, "new tokens work until the next start"),
    "young": Weight(1.0, "they had long to live: it is no expiry"),
    "restarts": Weight(2.0, "each time something was restarted just before", extra=True),
    "new_refused": Weight(-3.0, "new tokens are refused as well"),
    "run_out": Weight(-2.0, "tokens that had run out anyway were killed by nothing else"),
    "confined": Weight(-1.5, "one instance only refuses"),
    "other_reason": Weight(-3.0, "the verifier names something that is no key"),
}
#: A restart meets tokens of every age: hardly ever are only so few of those that it kills far from their end.
_RUN_OUT = 0.2
#: What waves decide without a reason: accounts of one batch that end together look alike.
_ALONE = 0.45


def _judge(case: Case) -> Judgement:
    found = Judgement()
    waves = case.waves
    if len(waves) < 2:
        return found
    keyed = says(case, found, [*KEYS, Reason.REVOKED, Reason.REFRESH_REVOKED])
    times = ", ".join(f"{clock(at)} UTC ({devices:,})" for at, devices in waves[:4])
    found.speaks_for("waves", 1.0 if keyed >= 0.5 else _ALONE, f"tokens died all at once {len(waves)} times: {times}")
    new = case.replaced
    given = new.refused + new.accepted
    if new.accepted >= FEW and new.accepted > new.refused:
        found.speaks_for(
            "new_accepted",
            new.accepted / given,
            f"the next token of {new.accepted:,} of {plural(given, 'affected device')} was accepted",
        )
    elif new.refused:
        found.speaks_against(
            "new_refused",
            new.refused / given,
            f"the next token of {new.refused:,} of {given:,} devices was refused, too",
        )
    early, known = young(case)
    if early >= FEW:
        found.speaks_for("young", early / known, f"{early:,} of {plural(known, 'refused token')} were not near expiry")
    if known >= FEW and early <= _RUN_OUT * known:
        found.speaks_against(
            "run_out", 1.0, f"{known - early:,} of {plural(known, 'refused token')} were near or past their expiry"
        )
    if case.scope.upstream:
        found.speaks_against("confined", 1.0, f"only {', '.join(case.scope.upstream)} refuses")
    _restarts(case, found)
    return found


def _restarts(case: Case, found: Judgement) -> None:
    """Whether something was deployed or restarted just before each time."""
    before = [case.preceding(at)[:1] for at, _ in case.waves]
    hits = [one for near in before for one in near if one.chance <= BY_CHANCE]
    if len(hits) >= 2:
        each = ", ".join(after(one) for one in hits[:3])
        found.speaks_for("restarts", len(hits) / len(before), f"{len(hits)} of {len(before)} waves were {each}")


CAUSE = Cause(
    name="ephemeral_key",
    title="Every restart makes a new key, or forgets all sessions",
    check="Compare the start times of what issues and verifies tokens (deploys, crashes, autoscaling) with each wave.",
    remediation=(
        "Keep the key and the sessions outside of the process: a secret store, a database. Fail at the start when the"
        " key is missing, rather than making one."
    ),
    weights=_WEIGHTS,
    judge=_judge,
)
