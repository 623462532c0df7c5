"""`ephemeral_key`: the key, or the session store, is made anew at each start, so every restart ends all sessions.

Deciding (pathologies B1 or B2): tokens die all at once, new ones are good, and then those die all at once as well. Once
is a rotation. Between two starts nothing is wrong, so a token given before one and accepted after it speaks against.
"""

from __future__ import annotations

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import FEW, KEYS, says, young
from authforensics.diagnose.wording import clock, plural
from authforensics.schema import Reason

_WEIGHTS = {
    "waves": Weight(3.0, "each start ends what was given before it, and nothing else", decides=True),
    "reason": Weight(1.5, "the verifier names the key, or doesn't find the session"),
    "new_accepted": Weight(1.5, "new tokens work until the next start"),
    "young": Weight(1.0, "they had long to live: it is no expiry"),
    "new_refused": Weight(-3.0, "new tokens are refused as well"),
    "confined": Weight(-1.5, "one instance only refuses"),
    "other_reason": Weight(-3.0, "the verifier names something that is no key"),
}
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
    if case.scope.upstream:
        found.speaks_against("confined", 1.0, f"only {', '.join(case.scope.upstream)} refuses")
    return found


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
