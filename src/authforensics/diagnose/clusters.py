"""Which findings and episodes are one incident: those that share system, kind and time; two causes at once stay two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import polars as pl

from authforensics.diagnose import witnessed
from authforensics.diagnose.ill import DEVICE, KEY_FAULTS, KINDS, failing, ill
from authforensics.diagnose.reach import lasts, reached, without_chance
from authforensics.findings import Finding
from authforensics.schema import TIMESTAMP

#: Episodes further apart than this are another incident: the most common access lifetime, the pace at which devices
#: that share a fault run into it.
GAP_SECONDS = 3600.0
#: Of fleets, it is about refusals of every kind, or of those whose refreshes got no verdict where it counts them.
_OF_FLEET = "denial_surge"
#: What is benign makes no incident but for these: whoever had to log in again asks why.
_INFORMS = frozenset({"mass_logout", "expired_refresh_storm"})
#: Whoever logs in all day long asks why, even if it is by design.
_EXPIRIES = "expired_refresh_storm"
_GROUP = ["system", "kind", "cluster"]


@dataclass(frozen=True)
class Cluster:
    """One incident in the making. `episodes` are the ill ones that belong to it, `kind` what they share.

    `besides`: what findings of other kinds saw of its devices, each as a cluster by itself.
    """

    system: str
    kind: str
    findings: tuple[Finding, ...]
    episodes: pl.DataFrame
    besides: tuple[Cluster, ...] = ()

    def stuck(self) -> Cluster:
        """Without the episodes of clients that obeyed; itself, if there are none, or if nothing else remains."""
        rest = self.episodes.filter(~pl.col("obeyed"))
        return self if rest.height in {0, self.episodes.height} else replace(self, episodes=rest)

    @cached_property
    def explained(self) -> bool:
        """Whether any refusal has a reason."""
        return bool(self.episodes["told"].any())

    @cached_property
    def informs(self) -> bool:
        """Whether it is known only by what informs: sessions that ended together, and logins that followed."""
        return all(one.detector != _EXPIRIES and one.measures.get("benign") for one in self.findings)

    @cached_property
    def unknown(self) -> int:
        """Devices that were refused before they were ever accepted: nothing tells how that began."""
        devices = self.episodes["device_id"].n_unique()
        return devices - self.episodes.filter(pl.col("episode") > 0)["device_id"].n_unique()

    @cached_property
    def cut_off(self) -> bool:
        """Whether the log begins in the midst of it for all that call on: they may have tried to refresh before."""
        calling = self.episodes.filter(lasts())
        return self.kind == "ignored" and (self.episodes if calling.is_empty() else calling)["episode"].max() == 0

    def meets(self, other: Cluster) -> bool:
        """Whether they overlap in time."""
        (begin, end), (other_begin, other_end) = self._span, other._span
        return bool(other_begin <= end and begin <= other_end)

    def is_beside(self, other: Cluster) -> bool:
        """Whether it is part of another one, and most of it happened while that one lasted."""
        begin, end = other._span
        first, last = pl.col("first_seen").to_physical(), pl.col("last_seen").to_physical()
        meanwhile = self.episodes.filter(last >= begin, first <= end).height
        return 2 * meanwhile >= self.episodes.height and self.is_part_of(other)

    def is_part_of(self, other: Cluster) -> bool:
        """Whether it overlaps another one of its system in time, and half of its devices are among the other's."""
        if self.system != other.system or not self.meets(other):
            return False
        mine = self.episodes["device_id"].unique()
        return 2 * int(mine.is_in(other.episodes["device_id"].unique().implode()).sum()) >= len(mine)

    @cached_property
    def _span(self) -> tuple[int, int]:
        return self.episodes.select(
            pl.col("first_seen").min().to_physical(), pl.col("last_seen").max().to_physical()
        ).row(0)


def cluster(episodes: pl.LazyFrame, findings: list[Finding], begins: Mapping[str, datetime]) -> list[Cluster]:
    """Group findings, each with all episodes of its kind and time, whether or not a finding speaks of them.

    Its time: from its first finding to its last, and as far around as `reach` says.

    Args:
        episodes: EPISODES of all devices; ordinary expiries among them are left out here.
        findings: in a fixed order, which decides between clusters that are equal.
        begins: when the log of each system begins.
    """
    if not findings:
        return []
    numbered = _numbered(ill(episodes))
    kinds = witnessed.kinds(findings)
    others = [one for one in findings if one.id not in kinds and not witnessed.harmless(one)]
    groups: dict[tuple[str, str, int], list[Finding]] = {}
    for finding, home in zip(others, _homes(others, numbered), strict=True):
        if home is not None:
            groups.setdefault((finding.system, *home), []).append(finding)
    members = _members(groups, numbered, begins)
    if any(kind == "unanswered" for _, kind, _ in groups):
        members = _with_failing(list(groups), members, failing(episodes).drop("why"))
    told = _merge_unexplained(
        [
            Cluster(system=system, kind=kind, findings=tuple(found), episodes=members[index])
            for index, ((system, kind, _), found) in enumerate(groups.items())
        ]
    )
    return _with_witnessed(told, findings, numbered, kinds)


def _with_witnessed(
    told: list[Cluster], findings: list[Finding], like: pl.DataFrame, kinds: Mapping[str, str]
) -> list[Cluster]:
    """Add those that findings make by themselves; where most of their devices have another at that time, it is that."""
    done, apart, rushes, costs = list(told), list[Cluster](), [], []
    for (system, kind), found in _at_once(findings, kinds).items():
        for group in found:
            rows = witnessed.episodes(group, like.drop("kind", "cluster", "why"))
            one = Cluster(system=system, kind=kind, findings=tuple(group), episodes=rows)
            if kind == "rush":
                rushes.append(one)
                continue
            if kind in witnessed.COSTS:
                costs.append(one)
                continue
            host = next((index for index, other in enumerate(told) if one.is_beside(other)), None)
            if host is None:
                apart.append(one)
            else:
                done[host] = _beside(done[host], one)
    done = [*(rest for one in done if (rest := _without(one, apart)) is not None), *apart]
    for one in rushes:
        done = _with_rush(done, one)
    return done + [one for one in costs if _alone(one, done)]


def _beside(host: Cluster, one: Cluster) -> Cluster:
    """Add what findings saw to the cluster that it is part of: of the same devices, and at the same pace."""
    mine = one.episodes.join(host.episodes, on=DEVICE, how="semi")
    begin, end = host.episodes.select(pl.col("first_seen").min(), pl.col("last_seen").max()).row(0)
    around = pl.concat(
        [mine.with_columns(own=True), host.episodes.with_columns(own=False)], how="diagonal"
    ).with_columns(why=pl.lit(None, pl.String))
    near = reached(around, begin, end, GAP_SECONDS).filter("own").select(mine.columns)
    whole = replace(host, findings=host.findings + one.findings)
    # A few of many devices do not tell when it began.
    if 2 * near["device_id"].n_unique() < host.episodes["device_id"].n_unique():
        return whole
    return replace(whole, besides=(*host.besides, replace(one, episodes=near)))


def _without(one: Cluster, others: list[Cluster]) -> Cluster | None:
    """Without the episodes in which findings of another incident saw what was wrong; None: none is left."""
    rows = [other.episodes for other in others if other.system == one.system]
    rest = witnessed.unexplained(one.episodes, pl.concat(rows)) if rows else one.episodes
    return None if rest.is_empty() else replace(one, episodes=rest)


def _alone(cost: Cluster, clusters: list[Cluster]) -> bool:
    """Whether what only costs is of several devices, and nothing worse goes on meanwhile: then it may be its echo."""
    worse = any(one.system == cost.system and one.meets(cost) for one in clusters)
    return not worse and cost.episodes["device_id"].n_unique() >= witnessed.SOME


def _with_rush(clusters: list[Cluster], rush: Cluster) -> list[Cluster]:
    """Add a rush of refreshes, and to it those that got no answer meanwhile: they are what it did."""
    mates = [one for one in clusters if one.kind == "unanswered" and one.system == rush.system and one.meets(rush)]
    whole = replace(
        rush,
        findings=rush.findings + tuple(finding for one in mates for finding in one.findings),
        episodes=pl.concat([rush.episodes, *(one.episodes.select(rush.episodes.columns) for one in mates)]),
    )
    return [*(one for one in clusters if all(one is not mate for mate in mates)), whole]


def _at_once(findings: list[Finding], kinds: Mapping[str, str]) -> dict[tuple[str, str], list[list[Finding]]]:
    """Findings that make an incident by themselves, by system and kind, those at most `GAP_SECONDS` apart together."""
    groups: dict[tuple[str, str], list[list[Finding]]] = {}
    ends: dict[tuple[str, str], datetime] = {}
    for one in sorted(findings, key=lambda each: each.first_seen):
        if one.id not in kinds:
            continue
        key = one.system, kinds[one.id]
        known = groups.setdefault(key, [])
        if key not in ends or (one.first_seen - ends[key]).total_seconds() > GAP_SECONDS:
            known.append([])
        known[-1].append(one)
        ends[key] = max(one.last_seen, ends.get(key, one.last_seen))
    return groups


def _numbered(episodes: pl.DataFrame) -> pl.DataFrame:
    """Number clusters per system and kind: a new one begins where nothing was ill for `GAP_SECONDS`."""
    until = pl.col("last_seen").cum_max().shift().over("system", "kind")
    pause = (pl.col("first_seen") - until).dt.total_seconds() > GAP_SECONDS
    return episodes.sort("first_seen").with_columns(
        cluster=pause.fill_null(value=False).cum_sum().over("system", "kind").cast(pl.UInt32)
    )


def _homes(findings: list[Finding], episodes: pl.DataFrame) -> list[tuple[str, int] | None]:
    """The kind and number of the cluster that each finding belongs to, null where none is near.

    By its device's episodes; for one about the fleet by its reason, or by what began in its time.
    """
    faults = {fault.value for fault in KEY_FAULTS}
    asked = (
        pl.DataFrame(
            [
                (
                    index,
                    one.system,
                    one.device_id,
                    one.first_seen,
                    one.last_seen,
                    "key" if one.reason in faults else _kind_of(one),
                )
                for index, one in enumerate(findings)
                if one.detector in _INFORMS or not one.measures.get("benign")
            ],
            schema={
                "finding": pl.UInt32,
                "system": pl.String,
                "device_id": pl.String,
                "begin": TIMESTAMP,
                "end": TIMESTAMP,
                "kind": KINDS,
            },
            orient="row",
        )
        .cast({name: episodes.schema[name] for name in DEVICE})
        .lazy()
    )
    like = episodes.lazy()
    of_device, of_fleet = pl.col("device_id").is_not_null(), pl.col("device_id").is_null()
    columns = ("finding", "kind", "cluster", "first_seen", "last_seen", "begin", "end", "other")
    # Who got no answer may have been refused as well, all of them.
    of_any = pl.col("kind").is_null() | (pl.col("kind") == "unanswered")
    began = pl.col("first_seen") >= pl.col("begin")
    pairs = [
        asked.filter(of_device).drop("kind").join(like, on=DEVICE).with_columns(other=False).select(columns),
        asked.filter(of_fleet)
        .drop("device_id")
        .join(like, on=["system", "kind"])
        .with_columns(other=False)
        .select(columns),
        asked.filter(of_fleet & of_any)
        .drop("device_id", "kind")
        .join(like, on="system")
        .filter(began)
        .with_columns(other=True)
        .select(columns),
    ]
    near = (
        pl.concat(pairs)
        .filter(pl.col("first_seen") <= pl.col("end"), pl.col("last_seen") >= pl.col("begin"))
        .group_by("finding", "kind", "cluster", "other")
        .len()
        .collect(engine="streaming")
        .sort("finding", "other", "len", "kind", "cluster", descending=[False, False, True, False, False])
        .unique("finding", keep="first")
    )
    homes = {index: (str(kind), int(number)) for index, kind, number, *_ in near.rows()}
    return [homes.get(index) for index in range(len(findings))]


def _kind_of(finding: Finding) -> str | None:
    """The kind of episodes that a finding about the fleet is about, where no reason tells; None: any."""
    if finding.detector != _OF_FLEET:
        return "refresh"
    return "unanswered" if 2 * float(finding.measures.get("unanswered", 0)) >= finding.devices else None


def _members(
    groups: dict[tuple[str, str, int], list[Finding]], episodes: pl.DataFrame, begins: Mapping[str, datetime]
) -> list[pl.DataFrame]:
    """The episodes of each group, in the order of the groups."""
    keys = pl.DataFrame(
        [(index, *key) for index, key in enumerate(groups)],
        schema={"group": pl.UInt32, "system": pl.String, "kind": KINDS, "cluster": pl.UInt32},
        orient="row",
    ).cast({"system": episodes.schema["system"]})
    alike = episodes.join(keys, on=_GROUP).drop("cluster").partition_by("group", as_dict=True, include_key=False)
    return [
        reached(
            alike[index,],
            min(one.first_seen for one in found),
            max(one.last_seen for one in found),
            GAP_SECONDS,
            # Somebody who leaves before the refresh, or a call that was on its way.
            by_chance=kind == "ignored",
            quiet_since=None if number else begins.get(system),
        ).drop("why")
        for index, ((system, kind, number), found) in enumerate(groups.items())
    ]


def _with_failing(
    groups: list[tuple[str, str, int]], members: list[pl.DataFrame], found: pl.DataFrame
) -> list[pl.DataFrame]:
    """While refreshes of some get no answer for long, those of others, who had one at last, are the same outage's."""
    told = []
    for (system, kind, _), rows in zip(groups, members, strict=True):
        begin, end = rows.select(pl.col("first_seen").min(), pl.col("last_seen").max()).row(0)
        mine = found.filter(pl.col("system") == system, pl.col("first_seen") <= end, pl.col("last_seen") >= begin)
        told.append(pl.concat([rows, mine.select(rows.columns)]) if kind == "unanswered" else rows)
    return told


def _merge_unexplained(clusters: list[Cluster]) -> list[Cluster]:
    """Join clusters that no reason tells apart to one that overlaps them in time and has half of their devices.

    Where the log gives no reasons, one fault shows in several kinds: refreshes refused first, new tokens later. Where
    the log begins after the refresh was refused, clients that call on seem never to have tried.
    """
    done: list[Cluster] = []
    for one in sorted(clusters, key=lambda each: (each.cut_off, not each.explained, -each.episodes.height, each.kind)):
        host = next((index for index, other in enumerate(done) if _same(one, other)), None)
        if host is None:
            done.append(one)
            continue
        other = done[host]
        rows = _shared(one, other)
        episodes = pl.concat([other.episodes, rows]).unique([*DEVICE, "episode"], keep="first", maintain_order=True)
        done[host] = replace(other, findings=other.findings + one.findings, episodes=episodes)
    return done


def _shared(one: Cluster, other: Cluster) -> pl.DataFrame:
    """The episodes of one cluster that belong to the other that it is joined to.

    Before and after refreshes get no answer a few are refused, as on any day, and their devices log in.
    """
    if one.kind == "ignored":
        return without_chance(one.episodes, other.episodes)
    if (one.kind, other.kind) != ("refresh", "unanswered"):
        return one.episodes
    begin, end = other.episodes.select(pl.col("first_seen").min(), pl.col("last_seen").max()).row(0)
    meanwhile = (pl.col("first_seen") <= end) & (pl.col("last_seen") >= begin)
    inside, others = one.episodes.filter(meanwhile), one.episodes.filter(~meanwhile & pl.col("obeyed"))
    few = others["device_id"].n_unique() < inside["device_id"].n_unique()
    return one.episodes.filter(meanwhile | ~pl.col("obeyed")) if few else one.episodes


def _same(one: Cluster, other: Cluster) -> bool:
    if one.cut_off and other.kind == "refresh" and one.system == other.system and one.meets(other):
        calling = other.episodes.filter(~pl.col("obeyed"))["device_id"].n_unique()
        return one.episodes["device_id"].n_unique() <= calling
    return not one.explained and one.is_part_of(other)
