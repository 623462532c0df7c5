"""Collects in one piece: what `collect` hands over block by block, beside what it says of the files."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from authforensics import collect as stage


@dataclass(frozen=True)
class Read:
    events: pl.DataFrame
    account: stage.Collected

    @property
    def sources(self):
        return self.account.sources

    @property
    def rejects(self):
        return self.account.rejects

    @property
    def files(self):
        return self.account.files


DEFAULTS = stage.Options()


def collect(paths, options=DEFAULTS):
    return Read(*stage.gather(paths, options))
