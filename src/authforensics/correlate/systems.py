"""Which folders are one system: those that share ids, or clients and routes, or that the configuration names.

Those whose logs tell of the same requests are, too: see `echoes`. A folder with messages only is of the one system that
has requests at its time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatch

import polars as pl

from authforensics.correlate import endpoints
from authforensics.schema import EndpointClass

#: Two folders are one system when this share of the ids of the one with fewer is seen in the other …
SHARED = 0.3
#: … and at least this many ids: small numbers that any system has (user 1) prove nothing.
SHARED_IDS = 5
#: Servers among which requests are dealt out have this share of their clients (address and user agent) in common …
SHARED_CLIENTS, SHARED_COUNT = 0.5, 20
#: … and answer this share of all calls at the same routes. One of the two isn't enough: users of one service use
#: others, and products have the same routes everywhere.
SHARED_CALLS = 0.8
#: What is called everywhere by the same callers.
_EVERYWHERE = (EndpointClass.PROBE.value, EndpointClass.STATIC.value, EndpointClass.PREFLIGHT.value)
#: Clients and routes a folder that are compared, and how many pairs of such at most; of many folders fewer.
_COMPARED, _ROUTES, _PAIRS, _LEAST = 1000, 300, 2_000_000, 50
#: Of the clients that are compared so many must be the same.
_SAMPLED = 3
#: By how much times may be wrong that carry no zone.
_ZONES = timedelta(hours=14)
Span = tuple[datetime, datetime]


def join_folders(
    folders: Sequence[str],
    requests: pl.LazyFrame,
    messages: pl.DataFrame,
    called: pl.DataFrame,
    configured: Mapping[str, Sequence[str]],
) -> dict[str, str]:
    """The system of every folder; joined folders take the name of the first.

    Args:
        folders: all of them.
        requests: REQUESTS, `system` being the folder.
        messages: MESSAGES, likewise.
        called: what `endpoints.seen` says of each folder.
        configured: system name to globs of folders.
    """
    named = named_folders(folders, configured)
    free = [folder for folder in sorted(folders) if folder not in named]
    parent = {folder: folder for folder in free}

    def root(folder: str) -> str:
        while parent[folder] != folder:
            folder = parent[folder]
        return folder

    def unite(first: str, second: str) -> None:
        one, other = sorted((root(first), root(second)))
        parent[other] = one

    if len(free) > 1:
        served = requests.select(pl.col("system").unique()).collect(engine="streaming")["system"].cast(pl.String)
        serving = set(served.to_list())
        for column in ("request_id", "device_id", "user_id"):
            for first, second in _sharing(requests, messages, column, free):
                # Users are numbered from 1 everywhere: they tie a log of messages to an access log, not two of those.
                if column != "user_id" or not {first, second} <= serving:
                    unite(first, second)
        for first, second in _dealt_out(requests, called, [name for name in free if name in serving]):
            unite(first, second)
    return named | {folder: root(folder) for folder in free}


def named_folders(folders: Sequence[str], configured: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The system of every folder that the configuration names."""
    return {
        folder: name
        for name, globs in configured.items()
        for folder in sorted(folders)
        if any(fnmatch(folder, glob) or fnmatch(folder.rsplit("/", 1)[-1], glob) for glob in globs)
    }


def with_messages(
    folders: Mapping[str, str],
    extents: Mapping[str, Span],
    served: Mapping[str, Span],
    naive: Collection[str],
    fixed: Collection[str],
) -> dict[str, str]:
    """The system of every folder, where what an application says in a folder of its own belongs to a proxy's requests.

    It does where there is just one system with requests at its time: then what it says is of no others that are known.

    Args:
        folders: the system of every folder.
        extents: first and last event of each folder.
        served: first and last request of each system that has some.
        naive: folders with messages that carry no zone: their times may be those of any.
        fixed: systems that the configuration names.
    """
    found = dict(folders)
    free = {system: span for system, span in served.items() if system not in fixed}
    for name in sorted({*folders.values()} - {*served} - {*fixed}):
        mine = [folder for folder, system in folders.items() if system == name]
        begin, end = min(extents[one][0] for one in mine), max(extents[one][1] for one in mine)
        meeting = [system for system, (first, last) in free.items() if begin <= last and first <= end]
        if not meeting and not {*mine}.isdisjoint(naive):
            meeting = [
                system for system, (first, last) in free.items() if begin <= last + _ZONES and first - _ZONES <= end
            ]
        if len(meeting) == 1:
            found |= dict.fromkeys(mine, meeting[0])
    return found


def _sharing(requests: pl.LazyFrame, messages: pl.DataFrame, column: str, free: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs of folders that share enough ids."""
    known = [
        frame.select("system", column).filter(pl.col(column).is_not_null()).unique()
        for frame in (requests, messages.lazy())
    ]
    ids = pl.concat(known).unique().collect(engine="streaming").with_columns(pl.col("system").cast(pl.String))
    ids = ids.filter(pl.col("system").is_in(free))
    sizes = ids.group_by("system").len()
    shared = ids.join(ids, on=column, suffix="_other").filter(pl.col("system") < pl.col("system_other"))
    pairs = (
        shared.group_by("system", "system_other")
        .agg(common=pl.len())
        .join(sizes, on="system")
        .join(sizes, left_on="system_other", right_on="system", suffix="_other")
    )
    enough = pl.min_horizontal("len", "len_other") * SHARED
    found = pairs.filter(pl.col("common") >= SHARED_IDS, pl.col("common") >= enough).sort("system", "system_other")
    return found.select("system", "system_other").rows()


def _dealt_out(requests: pl.LazyFrame, called: pl.DataFrame, free: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs of folders whose requests one fleet of clients made of one service."""
    own = called.with_columns(pl.col("system").cast(pl.String)).filter(pl.col("system").is_in(free))
    named = endpoints.by_pattern(own.select("method", "route").unique(), {})
    everywhere = named.filter(pl.col("endpoint_class").is_in(_EVERYWHERE))
    own = own.join(everywhere, on=["method", "route"], how="anti", nulls_equal=True)
    most = max(_PAIRS // len(free) ** 2, _LEAST) if free else 0
    counted = own.select(
        "system", "method", "route", share=pl.col("requests") / pl.col("requests").sum().over("system")
    )
    counted = counted.sort("share", "method", pl.col("route").cast(pl.String), descending=[True, False, False])
    routes = _in_common(counted.group_by("system").head(min(most, _ROUTES)))
    alike = routes.filter(pl.min_horizontal("share", "share_other") >= SHARED_CALLS)
    if alike.is_empty():
        return []
    client = pl.struct("client_ip", "user_agent").hash()
    known = requests.select(pl.col("system").cast(pl.String), client=client).unique().collect(engine="streaming")
    known = known.filter(pl.col("system").is_in([*alike["system"], *alike["system_other"]]))
    # The same ones of all folders.
    every = max(1, known.height // (min(most, _COMPARED) * max(1, known["system"].n_unique())))
    known = known.filter(pl.col("client") % every == 0)
    clients = _in_common(known.with_columns(share=1 / pl.len().over("system")))
    found = clients.filter(
        pl.max_horizontal("share", "share_other") >= SHARED_CLIENTS,
        pl.col("common") >= max(_SAMPLED, SHARED_COUNT // every),
    ).join(alike, on=["system", "system_other"], how="semi")
    return found.select("system", "system_other").sort("system", "system_other").rows()


def _in_common(counted: pl.DataFrame) -> pl.DataFrame:
    """What each two systems share, of things that are told by all columns but `system` and `share`.

    Returns:
        `system`, `system_other`, how many things are `common`, and the `share` of each system that these make.
    """
    key = [name for name in counted.columns if name not in {"system", "share"}]
    pairs = counted.join(counted, on=key, nulls_equal=True, suffix="_other")
    return (
        pairs.filter(pl.col("system") < pl.col("system_other"))
        .group_by("system", "system_other")
        .agg(pl.col("share", "share_other").sum(), common=pl.len())
    )
