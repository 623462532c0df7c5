"""Which file or folder is of which instance, where nothing else names the one that answered.

Servers behind a balancer each write a log. Where logs of one format have the same clients and calls at the same time,
the requests of one fleet were dealt out among them: who wrote a line served the request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from posixpath import commonpath

import polars as pl

from authforensics.addresses import proxies
from authforensics.correlate.agreement import CALL
from authforensics.correlate.identity import LADDER, PAIR
from authforensics.schema import REQUESTS, TEXT

#: Of each log so much of its clients and calls the others have, too; and so many clients, for some use everything.
_CLIENTS, _CALLS, _SOME = 0.5, 0.8, 5
#: Of more requests that two logs tell of it is not asked who answered them: the answers are kept in memory.
_MOST = 2_000_000
#: What tells a request in the logs of a proxy and a server alike.
_CALLED = [*CALL, "status", *PAIR, "second"]
_ANSWERED: dict[str, pl.DataType] = {
    **{name: REQUESTS[name] for name in _CALLED[:-1]},
    "second": pl.Int64(),
    "upstream": TEXT,
}


@dataclass(frozen=True)
class Instances:
    """Who answered, where no line says it: the name by the source of a request, and by what another log tells of it.

    `answered`: the `upstream` by client, call, status and `second`, of requests that a proxy's log counts and those of
    several servers behind it tell of, too.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    answered: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_ANSWERED))

    def filled(self, requests: pl.DataFrame) -> pl.DataFrame:
        """REQUESTS with the name of the instance in place of an `upstream` that isn't known."""
        if not self.names and self.answered.is_empty():
            return requests
        source = pl.col("source").cast(pl.String)
        name = source.replace_strict(dict(self.names), default=None, return_dtype=pl.String).cast(TEXT)
        told = [pl.col("upstream").cast(TEXT), name]
        if not self.answered.is_empty():
            requests = requests.with_columns(second=pl.col("timestamp").dt.epoch("s"))
            # A proxy is done a little later than the server.
            for late in (0, 1):
                at = self.answered.with_columns(pl.col("second") + late).rename({"upstream": f"_late{late}"})
                requests = requests.join(at, on=_CALLED, how="left", nulls_equal=True, maintain_order="left")
            told += [pl.col("_late0"), pl.col("_late1")]
        return requests.with_columns(upstream=pl.coalesce(told)).drop("second", "_late0", "_late1", strict=False)


def found(
    requests: pl.LazyFrame,
    echoed: pl.LazyFrame,
    originals: Mapping[str, str],
    sets: Mapping[str, str],
    kinds: Mapping[str, str],
) -> Instances:
    """What tells who answered.

    Args:
        requests: the REQUESTS that count, by system.
        echoed: those that don't, as another log has them, too.
        originals: by source of these, the log that counts.
        sets: by source, what its rotated set is called.
        kinds: by source, its format.
    """
    return Instances(instances(requests, sets, kinds), _answered(echoed, originals, sets))


def _answered(echoed: pl.LazyFrame, originals: Mapping[str, str], sets: Mapping[str, str]) -> pl.DataFrame:
    """Who answered requests of which a proxy's log tells, by the files of the servers, if these know its clients."""
    names: dict[str, str] = {}
    for original in dict.fromkeys(originals.values()):
        files = [source for source, other in originals.items() if other == original]
        logs = pl.DataFrame({"source": files, "log": [sets.get(file, file) for file in files]})
        logs = logs.group_by("log").agg(pl.col("source").sort()).sort("log")
        names |= _named(logs) if logs.height > 1 else {}
    if not names:
        return pl.DataFrame(schema=_ANSWERED)
    source = pl.col("source").cast(pl.String)
    mine = echoed.filter(source.is_in(list(names)))
    clients = mine.group_by("client_ip").len().collect(engine="streaming")
    if len(proxies(clients)) or int(clients["len"].sum()) > _MOST:
        return pl.DataFrame(schema=_ANSWERED)
    told = mine.with_columns(
        second=pl.col("timestamp").dt.epoch("s"),
        upstream=pl.coalesce(pl.col("upstream").cast(pl.String), source.replace_strict(names, default=None)).cast(TEXT),
    )
    one = told.group_by(_CALLED).agg(pl.col("upstream").first(), names=pl.col("upstream").n_unique())
    alone = one.filter(pl.col("names") == 1).collect(engine="streaming")
    return alone.select(pl.col(name).cast(dtype) for name, dtype in _ANSWERED.items())


def instances(requests: pl.LazyFrame, sets: Mapping[str, str], kinds: Mapping[str, str]) -> dict[str, str]:
    """What the instance is called whose requests a source has; without those of which that is not known.

    Args:
        requests: the REQUESTS that count, by system.
        sets: by source, what its rotated set is called.
        kinds: by source, its format.
    """
    at = pl.col("timestamp")
    told = (
        requests.group_by(pl.col("system", "source").cast(pl.String))
        .agg(pl.col("upstream").count(), begin=at.min(), end=at.max())
        .collect(engine="streaming")
        .filter(pl.col("upstream").sum().over("system") == 0)
    )
    known = told.with_columns(
        log=pl.col("source").replace_strict(dict(sets), default=pl.col("source")),
        kind=pl.col("source").replace_strict(dict(kinds), default=None, return_dtype=pl.String),
    )
    logs = known.group_by("system", "kind", "log").agg(
        pl.col("source").sort(), pl.col("begin").min(), pl.col("end").max()
    )
    logs = logs.filter(pl.len().over("system", "kind") > 1).sort("system", "kind", "log")
    found: dict[str, str] = {}
    for _, some in logs.group_by("system", "kind", maintain_order=True):
        dealt = _dealt(requests, _at_once(some))
        found |= _named(dealt) if dealt.height > 1 else {}
    return found


def _at_once(logs: pl.DataFrame) -> pl.DataFrame:
    """Those that were written while another one was: most of the shorter one's time."""
    pairs = logs.join(logs.select("log", "begin", "end"), how="cross", suffix="_other")
    shared = pl.min_horizontal("end", "end_other") - pl.max_horizontal("begin", "begin_other")
    shorter = pl.min_horizontal(pl.col("end") - pl.col("begin"), pl.col("end_other") - pl.col("begin_other"))
    beside = pairs.filter(
        pl.col("log") != pl.col("log_other"), 2 * shared.dt.total_seconds() > shorter.dt.total_seconds()
    )
    return logs.join(beside, on="log", how="semi", maintain_order="left")


def _dealt(requests: pl.LazyFrame, logs: pl.DataFrame) -> pl.DataFrame:
    """Those of some logs among which the requests of one fleet were dealt out."""
    of = dict(logs.explode("source").select("source", "log").rows())
    log = pl.col("source").cast(pl.String).replace_strict(of, default=None, return_dtype=pl.String)
    mine = requests.with_columns(log=log).filter(pl.col("log").is_not_null())
    clients = mine.select("log", thing=pl.struct(*LADDER, *PAIR).hash(), len=1).unique()
    calls = mine.group_by("log", thing=pl.struct(CALL).hash()).len()
    client, call = (_shared(frame.collect(engine="streaming")) for frame in (clients, calls))
    enough = client.filter(pl.col("share") >= _CLIENTS, pl.col("common") >= _SOME)
    alike = call.filter(pl.col("share") >= _CALLS)
    return logs.join(enough, on="log", how="semi").join(alike, on="log", how="semi").sort("log")


def _shared(counted: pl.DataFrame) -> pl.DataFrame:
    """Per log, how many things other logs have, too, and their share of all."""
    both = pl.len().over("thing") > 1
    return (
        counted.with_columns(both=both)
        .group_by("log")
        .agg(common=pl.col("both").sum(), share=pl.col("len").filter("both").sum() / pl.col("len").sum())
    )


def _named(logs: pl.DataFrame) -> dict[str, str]:
    """The name of the instance by source: the folder, if each log is in another one; else the log."""
    folders: Sequence[set[str]] = [{one.rpartition("/")[0] for one in sources} for sources in logs["source"]]
    every = {folder for some in folders for folder in some}
    apart = len(every) == logs.height and all(len(some) == 1 for some in folders)
    names = [min(some) for some in folders] if apart else logs["log"].to_list()
    common = commonpath(names) if all("/" in name for name in names) else ""
    short = [name.removeprefix(f"{common}/") if common else name for name in names]
    return {source: name for name, sources in zip(short, logs["source"], strict=True) for source in sources}
