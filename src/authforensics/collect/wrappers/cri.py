"""Owns `cri`: what containerd and CRI-O write for Kubernetes; parts of a long line are marked P, its end F."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from authforensics.collect.format import Settings
from authforensics.collect.peel_text import ISO, groups, with_time
from authforensics.collect.wrapper import Peel, Wrapper, peeled

# Reference: https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md
_LINE = rf"^(?P<at>{ISO}) (?P<stream>stdout|stderr) (?P<tag>[FP])(?::\S*)?(?: (?P<inner>.*))?$"


def _prepare(sample: Sequence[str], settings: Settings) -> Peel | None:
    if not any(" stdout " in line[:60] or " stderr " in line[:60] for line in sample):
        return None

    def peel(lines: pl.Series) -> pl.DataFrame:
        parts = groups(lines, _LINE).with_columns(open=pl.col("tag") == "P")
        return peeled(with_time(parts, settings.tz))

    return peel


WRAPPER = Wrapper(
    name="cri",
    title="containerd and CRI-O (Kubernetes)",
    samples=("2026-03-01T10:02:03.123456789Z stdout F hello world",),
    prepare=_prepare,
    parts=True,
    at_once=True,
)
