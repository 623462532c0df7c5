"""Who signed the tokens of calls that were refused, and of calls that were accepted, as far as candidates tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from authforensics.diagnose.ill import KEY_FAULTS
from authforensics.parallel import by_part
from authforensics.schema import REASON, ROW, TEXT, TIMESTAMP
from authforensics.states import AuthEvent
from authforensics.tokens.carried import Carried

_REFUSED = [AuthEvent.API_DENIED.value, AuthEvent.REFRESH_DENIED.value]
_ACCEPTED = [AuthEvent.API_OK.value, AuthEvent.REFRESH_OK.value]
#: What only who has a session is answered, or who then has one.
_SESSION = [*_ACCEPTED, AuthEvent.LOGIN_OK.value]
#: One row a line with a token that candidates were tried on: the event's number (null: a message), whether the token
#: was refused there, and why if something says; `expires_at` and `candidate` as in TRIED.
_JUDGED: dict[str, pl.DataType] = {
    "system": TEXT,
    "row": ROW,
    "timestamp": TIMESTAMP,
    "token": pl.UInt64(),
    "refused": pl.Boolean(),
    "reason": REASON,
    "expires_at": TIMESTAMP,
    "candidate": pl.String(),
}
_DEVICE = dict.fromkeys(("system", "device_id"), TEXT)
_SAID = ["system", "timestamp", "token", "reason"]


@dataclass(frozen=True)
class Signed:
    """The lines with tokens that candidates were tried on, and what became of these there.

    Attributes:
        lines: those of requests that were judged, and of messages that say why a token was refused.
        sessions: the devices that ever had a session (`system`, `device_id`); all others may be strangers, who sign
            what they like.
        carried: what the logs carry.
        unset: names of variables that code reads for signing keys and that the environment which was named lacks.
    """

    lines: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_JUDGED))
    sessions: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_DEVICE))
    carried: Carried = field(default_factory=Carried)
    unset: tuple[str, ...] = ()

    def refused(self, system: str, denials: pl.DataFrame, begin: datetime, end: datetime) -> dict[str, int]:
        """Tokens refused in an incident by who signed them; empty name: none of the candidates.

        Those that had expired are left out, unless it is said that the key was at fault.
        """
        within = pl.col("timestamp").is_between(begin, end)
        key = pl.col("reason").is_in([fault.value for fault in KEY_FAULTS]).fill_null(value=False)
        expired = (pl.col("expires_at") <= pl.col("timestamp")).fill_null(value=False)
        said = pl.col("row").is_null() & within & key
        mine = pl.col("row").is_in(denials["row"].implode()).fill_null(value=False) & (key | ~expired)
        return by_candidate(self._of(system).filter("refused", said | mine))

    def accepted(self, system: str, begin: datetime, end: datetime) -> dict[str, int]:
        """Tokens accepted in a stretch of time by who signed them."""
        return by_candidate(self._of(system).filter(~pl.col("refused"), pl.col("timestamp").is_between(begin, end)))

    def default_accepted(self) -> pl.DataFrame:
        """The tokens that were accepted, of those that a secret signed which everybody knows: columns of TRIED.

        An answer on a path that never refuses proves little: it counts where no such token was refused anywhere.
        """
        known = pl.col("candidate").is_in(self.carried.known_to_all())
        mine, judged = self.carried.tried.filter(known), self.lines.filter(known)
        systems = judged["system"].cast(pl.String)
        accepted = judged["token"].filter(~judged["refused"])
        unrefused = pl.col("answered") & ~pl.col("system").is_in(systems.filter(judged["refused"]).implode())
        return mine.filter(pl.col("token").is_in(accepted.implode()) | unrefused)

    def of_sessions(self, system: str, denials: pl.DataFrame) -> pl.DataFrame:
        """Without the refusals of devices that never had a session."""
        mine = self.sessions.filter(pl.col("system") == system)["device_id"].cast(pl.String)
        return denials.filter(pl.col("device_id").cast(pl.String).is_in(mine.implode()))

    def _of(self, system: str) -> pl.DataFrame:
        return self.lines.filter(pl.col("system") == system)


UNSIGNED = Signed()


def by_candidate(lines: pl.DataFrame) -> dict[str, int]:
    """How many tokens each candidate signed, most first.

    Args:
        lines: `token` and `candidate`.
    """
    counts = (
        lines.group_by("candidate").agg(pl.col("token").n_unique()).sort("token", "candidate", descending=[True, False])
    )
    return dict(counts.rows())


def signed(
    carried: Carried, events: Sequence[pl.LazyFrame], messages: pl.DataFrame, unset: Sequence[str] = ()
) -> Signed:
    """What became of the tokens that candidates were tried on.

    Args:
        carried: what the logs carry.
        events: as TRAIL has them.
        messages: `system`, `timestamp`, `token` and `reason` of application messages.
        unset: see `Signed`.
    """
    if carried.tried.is_empty():
        return Signed(carried=carried, unset=tuple(unset))
    tried = carried.tried.select("token", "expires_at", "candidate").unique("token", keep="any")
    judged = by_part(
        events,
        lambda part: (
            part.filter(pl.col("token").is_not_null(), pl.col("auth_event").is_in([*_REFUSED, *_ACCEPTED]))
            .select("row", *_SAID, refused=pl.col("auth_event").is_in(_REFUSED))
            .join(tried.lazy(), on="token")
        ),
    )
    sessions = by_part(
        events,
        lambda part: part.filter(pl.col("auth_event").is_in(_SESSION)).select(*_DEVICE).unique(),
    )
    said = messages.filter(pl.col("reason").is_not_null()).select(
        *_SAID, row=pl.lit(None, ROW), refused=pl.lit(value=True)
    )
    parts = [judged, said.join(tried, on="token")]
    lines = pl.concat([part.select(pl.col(name).cast(kind) for name, kind in _JUDGED.items()) for part in parts])
    return Signed(lines, sessions, carried, tuple(unset))
