"""Which findings and episodes are one incident: those that share system, kind and time; two causes at once stay two."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import polars as pl

from authforensics.findings import Finding
from authforensics.schema import Reason, Sessions

DEVICE = ["system", "device_id"]
KEY_FAULTS = (Reason.SIGNATURE_INVALID, Reason.KEY_NOT_FOUND, Reason.ALGORITHM_REJECTED)
#: Episodes further apart than this are another incident: the most common access lifetime, the pace at which devices
#: that share a fault run into it.
GAP_SECONDS = 3600.0
#: How long before its first finding and after its last an incident may show in single episodes: clients that call every
#: few minutes take as long to be seen to loop.
MARGIN_SECONDS = 900.0
_MARGIN = timedelta(seconds=MARGIN_SECONDS)
#: Refusals before a login that an obedient client may have: the refresh, and one that ran beside it.
OBEYS = 2


@dataclass(frozen=True)
class Cluster:
    """One incident in the making. `episodes` are the ill ones that belong to it, `kind` what they share."""

    system: str
    kind: str
    findings: tuple[Finding, ...]
    episodes: pl.DataFrame

    def stuck(self) -> Cluster:
        """Without the episodes of clients that obeyed; all of it, if nothing else remains."""
        rest = self.episodes.filter(~pl.col("obeyed"))
        return self if rest.is_empty() else replace(self, episodes=rest)


def ill(sessions: Sessions) -> pl.DataFrame:
    """The episodes that are no ordinary expiry, with their `kind`, and whether the client `obeyed`.

    `key` (signature or key), `rejected` (a token just given was refused), `refresh` (a refresh was refused), `ignored`
    (refused, and the client never tried to refresh). An expiry that a refresh heals has no kind and is left out.
    Obeyed: the refresh was refused and a login followed at once.
    """
    faults = [fault.value for fault in KEY_FAULTS]
    key = pl.col("reason").cast(pl.String).is_in(faults) | pl.col("refresh_reason").cast(pl.String).is_in(faults)
    tried = pl.col("refresh_ok") + pl.col("refresh_denied") + pl.col("refresh_failed") + pl.col("login_ok") > 0
    # Refused once or twice, perhaps a call still in flight, then the login: a client that does what it should.
    obeyed = (pl.col("login_ok") > 0) & (pl.col("refresh_denied") <= OBEYS) & (pl.col("zombie_denied") <= OBEYS)
    kind = (
        pl.when(key.fill_null(value=False))
        .then(pl.lit("key"))
        .when(pl.col("rejected_refresh") + pl.col("rejected_login") > 0)
        .then(pl.lit("rejected"))
        .when(pl.col("refresh_denied") > 0)
        .then(pl.lit("refresh"))
        .when(~tried & pl.col("session_seen"))
        .then(pl.lit("ignored"))
    )
    return sessions.episodes.with_columns(kind=kind, obeyed=obeyed & (kind == "refresh")).filter(
        pl.col("kind").is_not_null()
    )


def cluster(sessions: Sessions, findings: list[Finding]) -> list[Cluster]:
    """Group findings, each with all episodes of its kind and time, whether or not a finding speaks of them.

    Its time: from its first finding to its last, and `MARGIN_SECONDS` around. A lone episode of the same kind hours
    before is chance.
    """
    episodes = _numbered(ill(sessions))
    groups: dict[tuple[str, str, int], list[Finding]] = {}
    for finding in findings:
        found = _home(finding, episodes)
        if found is not None:
            groups.setdefault(found, []).append(finding)
    clusters = [
        Cluster(
            system=system,
            kind=kind,
            findings=tuple(members),
            episodes=episodes.filter(
                pl.col("system") == system,
                pl.col("kind") == kind,
                pl.col("cluster") == number,
                pl.col("last_seen") >= min(one.first_seen for one in members) - _MARGIN,
                pl.col("first_seen") <= max(one.last_seen for one in members) + _MARGIN,
            ),
        )
        for (system, kind, number), members in groups.items()
    ]
    return _merge_unexplained(clusters)


def _numbered(episodes: pl.DataFrame) -> pl.DataFrame:
    """Number clusters per system and kind: a new one begins where nothing was ill for `GAP_SECONDS`."""
    until = pl.col("last_seen").cum_max().shift().over("system", "kind")
    pause = (pl.col("first_seen") - until).dt.total_seconds() > GAP_SECONDS
    return episodes.sort("first_seen", *DEVICE).with_columns(
        cluster=pause.fill_null(value=False).cum_sum().over("system", "kind")
    )


def _home(finding: Finding, episodes: pl.DataFrame) -> tuple[str, str, int] | None:
    """The cluster that a finding belongs to: by its device's episodes, or by reason for one about the fleet."""
    near = episodes.filter(
        pl.col("system") == finding.system,
        pl.col("first_seen") <= finding.last_seen,
        pl.col("last_seen") >= finding.first_seen,
    )
    if finding.device_id is not None:
        near = near.filter(pl.col("device_id") == finding.device_id)
    else:
        kind = "key" if finding.reason in {fault.value for fault in KEY_FAULTS} else "refresh"
        near = near.filter(pl.col("kind") == kind)
    if near.is_empty():
        return None
    top = near.group_by("kind", "cluster").len().sort("len", "kind", "cluster", descending=[True, False, False])
    return finding.system, str(top["kind"][0]), int(top["cluster"][0])


def _merge_unexplained(clusters: list[Cluster]) -> list[Cluster]:
    """Join clusters that no reason tells apart to one that overlaps them in time.

    Where the log gives no reasons, one fault shows in several kinds: refreshes refused first, new tokens later.
    """
    done: list[Cluster] = []
    for one in sorted(clusters, key=lambda each: (not _explained(each), -each.episodes.height, each.kind)):
        host = next((index for index, other in enumerate(done) if _same(one, other)), None)
        if host is None:
            done.append(one)
            continue
        other = done[host]
        done[host] = Cluster(
            system=other.system,
            kind=other.kind,
            findings=other.findings + one.findings,
            episodes=pl.concat([other.episodes, one.episodes]),
        )
    return done


def _explained(one: Cluster) -> bool:
    return one.episodes["reason"].count() + one.episodes["refresh_reason"].count() > 0


def _same(one: Cluster, other: Cluster) -> bool:
    if one.system != other.system or _explained(one):
        return False
    begins, ends = one.episodes["first_seen"].min(), one.episodes["last_seen"].max()
    return bool(other.episodes["first_seen"].min() <= ends and begins <= other.episodes["last_seen"].max())  # type: ignore[operator]
