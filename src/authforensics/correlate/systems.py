"""Which folders are one system: those that share request, device or user ids, or that the configuration names.

Those whose logs tell of the same requests are, too: see `echoes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatch

import polars as pl

#: Two folders are one system when this share of the ids of the one with fewer is seen in the other …
SHARED = 0.3
#: … and at least this many ids: small numbers that any system has (user 1) prove nothing.
SHARED_IDS = 5


def join_folders(
    folders: Sequence[str], requests: pl.LazyFrame, messages: pl.DataFrame, configured: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """The system of every folder; joined folders take the name of the first.

    Args:
        folders: all of them.
        requests: REQUESTS, `system` being the folder.
        messages: MESSAGES, likewise.
        configured: system name to globs of folders.
    """
    named = named_folders(folders, configured)
    free = [folder for folder in sorted(folders) if folder not in named]
    parent = {folder: folder for folder in free}

    def root(folder: str) -> str:
        while parent[folder] != folder:
            folder = parent[folder]
        return folder

    if len(free) > 1:
        served = requests.select(pl.col("system").unique()).collect(engine="streaming")["system"].cast(pl.String)
        for column in ("request_id", "device_id", "user_id"):
            for first, second in _sharing(requests, messages, column, free):
                # Users are numbered from 1 everywhere: they tie a log of messages to an access log, not two of those.
                if column == "user_id" and {first, second} <= set(served.to_list()):
                    continue
                one, other = sorted((root(first), root(second)))
                parent[other] = one
    return named | {folder: root(folder) for folder in free}


def named_folders(folders: Sequence[str], configured: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The system of every folder that the configuration names."""
    return {
        folder: name
        for name, globs in configured.items()
        for folder in sorted(folders)
        if any(fnmatch(folder, glob) or fnmatch(folder.rsplit("/", 1)[-1], glob) for glob in globs)
    }


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
