"""The cases of a history: each cluster of findings that may be an incident, with its refusals and all around it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import polars as pl

from authforensics.diagnose import recalled, witnessed
from authforensics.diagnose.case import Case
from authforensics.diagnose.clusters import Cluster, cluster
from authforensics.diagnose.lifetimes import applying
from authforensics.diagnose.refusals import EXPIRED, Refusals, agreed, reasons, refusals
from authforensics.diagnose.signed import Signed
from authforensics.document import Lifetimes
from authforensics.findings import Deploy, Finding
from authforensics.schema import History


def cases(
    history: History,
    findings: list[Finding],
    lifetimes: Mapping[str, Lifetimes],
    deploys: Sequence[Deploy],
    signers: Signed,
    *,
    crowded: Collection[str] = (),
) -> list[Case]:
    """One case a cluster that has refusals; what is asked for is what `diagnose` gets."""
    clusters = cluster(history.episodes, findings, dict(history.spans.select("system", "begin").rows()))
    found = []
    for one, told in zip(clusters, refusals(history.events, clusters), strict=True):
        known = lifetimes.get(one.system, Lifetimes())
        refused = replace(told, denials=_belonging(one, told.denials, known))
        if not refused.denials.is_empty() and not (one.system in crowded and one.kind in witnessed.OF_ONE):
            of_system = [each for each in findings if each.system == one.system]
            found.append(
                _case(
                    one,
                    refused,
                    history,
                    known,
                    deploys=deploys,
                    findings=of_system,
                    signed=signers,
                    crowded=one.system in crowded,
                )
            )
    return found


def _belonging(one: Cluster, told: pl.DataFrame, lifetimes: Lifetimes) -> pl.DataFrame:
    """Of the refusals that `refusals` gives those that make an incident."""
    if one.kind == recalled.KIND:
        return recalled.early(told, lifetimes.access)
    if one.kind in {"key", "rejected"}:
        return agreed(told)
    return told.clear() if one.informs and reasons(told) <= EXPIRED else told


def _case(
    one: Cluster,
    refused: Refusals,
    history: History,
    lifetimes: Lifetimes,
    *,
    deploys: Sequence[Deploy],
    findings: Sequence[Finding],
    signed: Signed,
    crowded: bool,
) -> Case:
    mine = pl.col("system") == one.system
    fleet = history.devices.filter(mine)
    if one.kind in witnessed.FLEET:
        one = replace(one, episodes=witnessed.of_devices(one.episodes, refused.denials))
    return Case(
        cluster=one,
        denials=refused.denials,
        barred=refused.barred,
        events=[part.filter(mine) for part in history.events],
        grants=history.grants.filter(mine),
        begin=history.spans.filter(mine)["begin"][0],
        end=history.spans.filter(mine)["end"][0],
        fleet=fleet,
        lifetimes=applying(lifetimes, refused.denials, fleet),
        deploys=deploys,
        findings=findings,
        signed=signed,
        witnessed_at=refused.besides,
        crowded=crowded,
    )
