"""Kinds of incidents that no refused episode tells: what belongs to them is what a detector of single devices saw.

An episode tells what was refused until something was accepted. A race, a lost answer or a session used after its logout
may show in one that looks ordinary, or in none: there the finding itself says who was affected, and when.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import polars as pl

from authforensics.among import is_event
from authforensics.findings import Finding
from authforensics.parallel import by_part
from authforensics.schema import TIMESTAMP, TOO_LARGE, Reason
from authforensics.states import AuthEvent

#: The kind of incident that findings of a detector make; those of all others belong to kinds of episodes, or to none.
_KIND_OF: Mapping[str, str] = {
    "concurrent_refresh": "race",
    "lost_refresh_response": "lost",
    "early_rejection": "early",
    "silent_expiry": "silent",
    "logged_out_reuse": "outlived",
    "malformed_token": "malformed",
    "premature_logout": "given_up",
    "session_shared": "shared",
    "mass_logout": "forgotten",
    "refresh_churn": "churn",
    "login_failure_surge": "login",
    "denial_surge": "oversized",
    "refresh_stampede": "rush",
}
#: Of clients that go on, whatever it is that is refused.
_CALL_ON = frozenset({"zombie_client", "retry_without_refresh"})
KINDS = (*_KIND_OF.values(), "recalled", "forbidden")
#: Those of whole fleets: a finding says when, and who is affected is everybody who met it then.
FLEET = ("login", "oversized", "rush", "recalled", "forbidden", "forgotten")
#: Those that cost something and hurt nobody: fewer than `SOME` devices with one are no incident (severity scale: from
#: three devices it is more than one user's trouble).
COSTS = ("churn",)
SOME = 3
#: Those that what one client did tells, one event after the other: nothing where several pass for one.
OF_ONE = ("race", "lost", "early", "silent", "outlived", "given_up", "shared", "forgotten", "churn", "recalled")
TITLES: Mapping[str, str] = {
    "race": "Refreshes of one session run beside one another, and one is refused",
    "lost": "Answers to refreshes get lost, and the old tokens are refused",
    "early": "New tokens are refused at first and accepted later",
    "silent": "Sessions end at one age and are never refreshed",
    "outlived": "Sessions are used after their logout",
    "malformed": "Clients send what is no token",
    "given_up": "Clients give their sessions up for a failure",
    "shared": "Sessions are used from two places at once",
    "forgotten": "Devices log in again though their sessions were good",
    "churn": "Clients refresh far more often than they need to",
    "login": "Logins fail",
    "oversized": "Requests are refused for the size of their header",
    "rush": "Many devices refresh at once, and many of them in vain",
    "forbidden": "All calls are answered 403, as if a permission were missing",
    "recalled": "Tokens are refused at once, long before they expire, and replaced",
}


_AGE = (pl.col("timestamp") - pl.col("granted_at")).dt.total_seconds()
#: Until which age, in seconds, a token is refused early: the shortest access lifetime that products ship, 5 min.
_YOUNG = 300
#: The events of an affected device, from the first to the last line of its finding, that are part of the incident.
_PART: Mapping[str, pl.Expr] = {
    "race": is_event(AuthEvent.REFRESH_DENIED),
    "lost": is_event(AuthEvent.REFRESH_DENIED, AuthEvent.REFRESH_FAILED),
    "early": is_event(AuthEvent.API_DENIED) & (_AGE <= _YOUNG),
    "silent": is_event(AuthEvent.API_DENIED, AuthEvent.API_ANONYMOUS),
    "outlived": is_event(AuthEvent.API_OK, AuthEvent.API_DENIED, AuthEvent.REFRESH_OK, AuthEvent.REFRESH_DENIED),
    "malformed": pl.col("reason").eq_missing(pl.lit(Reason.MALFORMED.value)),
    "given_up": is_event(AuthEvent.REFRESH_FAILED, AuthEvent.API_DENIED),
    "shared": is_event(AuthEvent.API_OK, AuthEvent.API_DENIED),
    "forgotten": is_event(AuthEvent.LOGIN_OK),
    "churn": is_event(AuthEvent.REFRESH_OK),
    "login": is_event(AuthEvent.LOGIN_DENIED) | (is_event(AuthEvent.IGNORED) & ~pl.col("status").is_in(TOO_LARGE)),
    "oversized": is_event(AuthEvent.IGNORED) & pl.col("status").is_in(TOO_LARGE),
    "rush": is_event(AuthEvent.REFRESH_FAILED, AuthEvent.REFRESH_DENIED, AuthEvent.API_DENIED),
    "recalled": is_event(AuthEvent.API_DENIED),
    "forbidden": is_event(AuthEvent.FORBIDDEN),
}
#: What kinds of whole fleets are made of, where no single device is named: few events.
_OF_FLEET: Mapping[str, pl.Expr] = {**{name: _PART[name] for name in FLEET}, "rush": is_event(AuthEvent.REFRESH_FAILED)}
#: The rush shows the refreshes, seconds after what made clients ask for them; the first may have been a minute before,
#: and those that call seldom come later: 15 min is how long access tokens often live.
_BEFORE, _AFTER = timedelta(minutes=1), timedelta(minutes=15)
#: Until when what a client does after a refusal is its answer to that: a refresh with some retries.
_AT_ONCE = timedelta(minutes=1)


def kind(finding: Finding) -> str | None:
    """The kind of incident that a finding makes by itself; None: it belongs to one of episodes, if to any."""
    found = _KIND_OF.get(finding.detector)
    if found == "oversized" and 2 * float(finding.measures.get("too_large", 0)) < finding.count:
        return "forbidden" if 2 * float(finding.measures.get("forbidden", 0)) >= finding.count else None
    if found == "rush" and finding.measures.get("benign"):
        return "recalled"
    if found == "forgotten" and not finding.measures.get("unasked"):
        return None
    # Refreshes beside one another that are all granted do no harm.
    return None if found == "race" and harmless(finding) else found


def kinds(findings: Sequence[Finding]) -> dict[str, str]:
    """The kinds of all findings that make incidents by themselves, by id.

    Among them those that others explain: a client that goes on after its logout, or with what is no token, is seen as
    one that does so after a refusal, too.
    """
    found = {one.id: name for one in findings if (name := kind(one)) is not None}
    by_device = defaultdict(list)
    for one in findings:
        if found.get(one.id) in {"outlived", "malformed"}:
            by_device[one.system, one.device_id].append((one, found[one.id]))
    for one in findings:
        for other, name in by_device.get((one.system, one.device_id), ()):
            inside = other.first_seen <= one.first_seen and one.last_seen <= other.last_seen
            if inside and (name == "outlived" or one.detector in _CALL_ON):
                found[one.id] = name
    return found


def harmless(finding: Finding) -> bool:
    """Whether it is noise or cost only, and part of no incident."""
    return finding.detector == "token_exposed" or finding.measures.get("siblings_refused") == 0


def episodes(findings: Sequence[Finding], like: pl.DataFrame) -> pl.DataFrame:
    """The findings of one cluster in the form of ill episodes: one row each, numbered.

    Args:
        findings: of one system and kind.
        like: episodes whose columns are wanted.
    """
    rows = [
        (
            *(one.system, one.device_id, number),
            *_span(one),
            # An acceptance is the last line of a finding of no other kind.
            one.last_seen if kind(one) == "early" else None,
            *(False, False, one.reason is not None),
        )
        for number, one in enumerate(findings)
    ]
    frame = pl.DataFrame(
        rows,
        schema={
            "system": pl.String,
            "device_id": pl.String,
            "episode": pl.UInt32,
            "first_seen": TIMESTAMP,
            "last_seen": TIMESTAMP,
            "closed_at": TIMESTAMP,
            "barred": pl.Boolean,
            "obeyed": pl.Boolean,
            "told": pl.Boolean,
        },
        orient="row",
    )
    return frame.select(like.columns).cast(like.schema)


def _span(finding: Finding) -> tuple[datetime, datetime]:
    """When the events of a finding may be: those that are shared begin when the other one comes, its second line."""
    if kind(finding) == "shared" and len(finding.evidence) > 1:
        return finding.evidence[1].timestamp, finding.last_seen
    if kind(finding) == "recalled":
        return finding.first_seen - _BEFORE, finding.last_seen + _AFTER
    return finding.first_seen, finding.last_seen


def unexplained(ill: pl.DataFrame, seen: pl.DataFrame) -> pl.DataFrame:
    """Those of the `ill` episodes that none of what `episodes` gave overlaps on the same device, or follows at once.

    What follows a refusal, as a refresh that gets no answer does, is part of its episode until a call is accepted.
    """
    device = ["system", "device_id"]
    numbered = ill.with_row_index("at")
    until = pl.min_horizontal(pl.col("last_seen") + _AT_ONCE, "closed_at")
    met = numbered.join(seen.select(*device, begin="first_seen", end="last_seen"), on=device).filter(
        pl.col("begin") <= until, pl.col("end") >= pl.col("first_seen")
    )
    return numbered.join(met.select("at").unique(), on="at", how="anti", maintain_order="left").drop("at")


def of_devices(episodes: pl.DataFrame, refusals: pl.DataFrame) -> pl.DataFrame:
    """The episodes of a kind of whole fleets, one row a device instead of one for all.

    Args:
        episodes: what `episodes` gave.
        refusals: what `events` gave of them.
    """
    span = refusals.group_by("device_id").agg(
        first_seen=pl.col("timestamp").min(), last_seen=pl.col("timestamp").max(), told=pl.col("reason").count() > 0
    )
    rest = episodes.head(1).drop("device_id", "first_seen", "last_seen", "told")
    return rest.join(span.sort("device_id"), how="cross").select(episodes.columns).cast(episodes.schema)


def events(part: pl.LazyFrame, kinds: Mapping[int, str], members: pl.DataFrame) -> pl.LazyFrame:
    """The events of `part` that belong to witnessed incidents, each with its `incident`.

    Args:
        part: events as TRAIL has them.
        kinds: the kind of each incident, by number.
        members: `system`, `device_id`, `begin`, `end`, `obeyed`, `incident`: who is affected, and when.
    """
    belongs = pl.any_horizontal((pl.col("incident") == number) & _PART[name] for number, name in kinds.items())
    of_fleet = members.filter(pl.col("device_id").is_null()).drop("device_id")
    joined = part.join(members.lazy(), on=["system", "device_id"])
    fleets = {number: name for number, name in kinds.items() if name in FLEET}
    if fleets:
        columns = joined.collect_schema().names()
        asked = pl.any_horizontal(_OF_FLEET[name] for name in set(fleets.values()))
        met = pl.any_horizontal((pl.col("incident") == number) & _OF_FLEET[name] for number, name in fleets.items())
        joined = pl.concat([joined, part.filter(asked).join(of_fleet.lazy(), on="system").filter(met).select(columns)])
    return joined.filter(pl.col("timestamp").is_between(pl.col("begin"), pl.col("end")), belongs).unique(
        ["incident", "row"], keep="first"
    )


def ends(parts: Sequence[pl.LazyFrame], refusals: pl.DataFrame) -> pl.DataFrame:
    """When each device was accepted on a protected call after the last of its `refusals`, as `closed_at`; null: never.

    Args:
        parts: events as TRAIL has them, no device in two parts.
        refusals: what `events` gave of one incident.
    """
    last = refusals.sort("timestamp", "row").group_by("device_id").agg(pl.col("timestamp", "row").last())
    mine = last.rename({"timestamp": "refused_at", "row": "refused_row"})
    moment, refused = pl.col("timestamp"), pl.col("refused_at")
    later = (moment > refused) | ((moment == refused) & (pl.col("row") > pl.col("refused_row")))
    accepted = by_part(
        parts,
        lambda part: (
            part.filter(is_event(AuthEvent.API_OK))
            .select("device_id", "timestamp", "row")
            .join(mine.lazy(), on="device_id")
            .filter(later)
            .group_by("device_id")
            .agg(closed_at=moment.min())
        ),
    )
    return mine.select("device_id").join(accepted, on="device_id", how="left")
