"""One incident where several clusters turn out to have one cause: a fault may show in more than one kind of refusal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import polars as pl

from authforensics.diagnose import witnessed
from authforensics.diagnose.case import Case
from authforensics.findings import RootCause


@dataclass(frozen=True)
class Judged:
    """A case with its causes, the best first. `harmless`: it hurt nobody; `obeyed`: devices that it spared."""

    case: Case
    causes: tuple[RootCause, ...]
    harmless: bool = False
    obeyed: int = 0


def united(judged: Sequence[Judged], judge: Callable[[Case], Judged], unknown: str) -> list[Judged]:
    """Those of one system, cause and time as one, judged anew; those whose cause is `unknown` stay apart."""
    done: list[Judged] = []
    for one in sorted(judged, key=lambda each: -each.case.denials.height):
        same = (index for index, other in enumerate(done) if _alike(one, other, unknown))
        host = next(same, None)
        if host is None:
            done.append(one)
        else:
            joined = judge(_joined(done[host].case, one.case))
            done[host] = replace(joined, obeyed=max(joined.obeyed, done[host].obeyed, one.obeyed))
    return done


def alone(case: Case, others: Iterable[Case]) -> bool:
    """Whether no other incident of its system and time is about half of its devices."""
    hit = case.hit["device_id"].cast(pl.String)
    shared = (
        int(hit.is_in(other.hit["device_id"].cast(pl.String).implode()).sum())
        for other in others
        if other.cluster.system == case.cluster.system and other.onset <= case.last and case.onset <= other.last
    )
    return all(2 * both < len(hit) for both in shared)


def _alike(one: Judged, other: Judged, unknown: str) -> bool:
    mine, theirs = one.case.cluster, other.case.cluster
    cause = one.causes[0].cause
    seen = [each.kind in witnessed.KINDS for each in (mine, theirs)]
    return (
        cause == other.causes[0].cause != unknown
        and mine.system == theirs.system
        and seen[0] == seen[1]
        and mine.meets(theirs)
    )


def _joined(one: Case, other: Case) -> Case:
    mine, theirs = one.cluster, other.cluster
    columns = [name for name in mine.episodes.columns if name in theirs.episodes.columns]
    episodes = pl.concat([mine.episodes.select(columns), theirs.episodes.select(columns)])
    firsts = [each.witnessed_at for each in (one, other) if each.witnessed_at is not None]
    return replace(
        one,
        witnessed_at=min(firsts, default=None),
        cluster=replace(mine, findings=mine.findings + theirs.findings, episodes=episodes),
        denials=pl.concat([one.denials, other.denials]).unique("row", keep="first"),
        barred=pl.concat([one.barred, other.barred]).unique("row", keep="first"),
    )
