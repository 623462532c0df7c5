"""Starts polars as the program does, and with no more threads than the test process has processors to itself."""

from __future__ import annotations

import gc
import os

import pytest

from authforensics.__main__ import _ALLOCATOR, _OBJECTS


def _started() -> None:
    """Load polars while the environment says so: what the tests start finds its own."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(*_ALLOCATOR)
        patch.setenv("POLARS_MAX_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
        import polars as pl

        # Threads are made, and counted, at the first use.
        assert pl.thread_pool_size() >= 1
    gc.set_threshold(_OBJECTS)


_started()
