"""What it takes to read a log: `reading.py LOG FORMAT [LOG_FORMAT]` prints seconds of all processors, and lines."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from authforensics.__main__ import tune

tune()

from authforensics import collect  # noqa: E402 - polars reads at its import what was set
from authforensics.correlate import condense  # noqa: E402


def main() -> None:
    """Read the log with all that an analysis wants of it; it must be of that format to the last line."""
    log, expected, *layout = sys.argv[1:]
    options = collect.Options(log_format=layout[0] if layout else None)
    digest = collect.Digest(condense.COLUMNS, lambda events: events.height)
    taken: list[int] = []
    begin = time.process_time()
    collected = collect.collect(collect.discover([Path(log)]), digest, taken.append, options)
    seconds = time.process_time() - begin
    (source,) = collected.sources
    assert source.format == expected, source.format
    assert not source.rejects, source.reject_samples
    print(json.dumps({"seconds": seconds, "lines": source.lines, "events": sum(taken)}))


if __name__ == "__main__":
    main()
