"""How many seconds of an analysis the state machine and the detectors take: `shares.py LOG`.

Partitions are studied side by side, so the clock of the stage is shared out by what each step took within it.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable
from threading import Lock
from typing import Any

from authforensics.__main__ import tune

tune()

from authforensics import correlate, detect, local, pipeline  # noqa: E402 - polars reads at its import what was set

_took: dict[str, float] = defaultdict(float)
_lock = Lock()


def _timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def timed(*args: Any, **kwargs: Any) -> Any:
        begin = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            with _lock:
                _took[name] += time.perf_counter() - begin

    return timed


def main() -> None:
    """Analyse the log with both outputs, and print the seconds."""
    correlate.sessionize = _timed("states", correlate.sessionize)
    detect.observe = _timed("detectors", detect.observe)
    detect.conclude = _timed("conclude", detect.conclude)
    local._Arranged._load = _timed("load", local._Arranged._load)  # type: ignore[method-assign]
    local.study = _timed("study", local.study)
    analysis = pipeline.analyze(sys.argv[1])
    analysis.to_html()
    analysis.to_json()
    inner = (_took["states"] + _took["detectors"]) / (_took["load"] + _took["study"])
    print(inner * analysis.document.run.stages["study"] + _took["conclude"])


if __name__ == "__main__":
    main()
