"""Which folders are one system: those that share request, device or user ids, or that the configuration names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from itertools import combinations

import polars as pl

from authforensics.schema import Kind

#: Two folders are one system when this share of the ids of the one with fewer is seen in the other …
SHARED = 0.3
#: … and at least this many ids: small numbers that any system has (user 1) prove nothing.
SHARED_IDS = 5


def join_folders(events: pl.DataFrame, configured: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The system of every folder in `events["system"]`; joined folders take the name of the first.

    Args:
        events: COLLECTED events.
        configured: system name to globs of folders.
    """
    folders = events["system"].unique().sort().to_list()
    named = {
        folder: name
        for name, globs in configured.items()
        for folder in folders
        if any(fnmatch(folder, glob) or fnmatch(folder.rsplit("/", 1)[-1], glob) for glob in globs)
    }
    free = [folder for folder in folders if folder not in named]
    parent = {folder: folder for folder in free}

    def root(folder: str) -> str:
        while parent[folder] != folder:
            folder = parent[folder]
        return folder

    served = set(events.filter(pl.col("kind").cast(pl.String) == Kind.REQUEST.value)["system"].unique().to_list())
    if len(free) > 1:
        for column in ("request_id", "device_id", "user_id"):
            ids = {
                folder: set(part[column].drop_nulls().unique().to_list())
                for (folder,), part in events.select("system", column).partition_by("system", as_dict=True).items()
            }
            for first, second in combinations(free, 2):
                # Users are numbered from 1 everywhere: they tie a log of messages to an access log, not two of those.
                if column == "user_id" and {first, second} <= served:
                    continue
                common = len(ids[first] & ids[second])
                if common >= SHARED_IDS and common >= SHARED * min(len(ids[first]), len(ids[second])):
                    one, other = sorted((root(first), root(second)))
                    parent[other] = one
    return named | {folder: root(folder) for folder in free}
