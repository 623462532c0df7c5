"""How fast: start-up, and lines per second and memory of an analysis beside what polars needs to count the lines."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytestmark = pytest.mark.bench

LINES = int(os.environ.get("AUTHFORENSICS_BENCH_LINES", "1000000"))
START = datetime(2025, 12, 25, tzinfo=UTC)
#: Requests of one device between two expiries of its token; the third of every hundred needs a refresh first.
ROUTES = ("GET /api/me", "GET /api/items/4711", "POST /api/items", "GET /api/feed")

_COUNT = """
import polars as pl
rows = pl.scan_lines(PATH).select(pl.len()).collect().item()
"""
_ANALYZE = """
from authforensics.pipeline import analyze
rows = analyze(PATH).document.sources[0].lines
"""
_MEASURE = """
import json, resource, sys, time
PATH = sys.argv[1]
import polars
before = time.perf_counter()
{code}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({{"rows": rows, "seconds": time.perf_counter() - before, "peak": peak}}))
"""


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Path:
    """A combined log of devices that refresh when their token expires; the same bytes every time."""
    path = tmp_path_factory.mktemp("bench") / "access.log"
    chance = random.Random(1)
    devices = max(10, LINES // 500)
    with path.open("w", encoding="utf-8") as file:
        for number in range(LINES):
            device = chance.randrange(devices)
            clock = (START + timedelta(seconds=number * 86_400 // LINES)).strftime("%d/%b/%Y:%H:%M:%S +0000")
            refresh = number % 100 == 3
            call = "POST /api/auth/refresh" if refresh else chance.choice(ROUTES)
            status = 401 if not refresh and number % 100 == 2 else 200
            address = f"10.{device >> 16}.{device >> 8 & 255}.{device & 255}"
            file.write(f'{address} - - [{clock}] "{call} HTTP/1.1" {status} 512 "-" "Shop/3.4.1 (iOS 18.1)"\n')
    return path


def _measure(code: str, log: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE.format(code=code), str(log)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_throughput(log):
    counted, analyzed = _measure(_COUNT, log), _measure(_ANALYZE, log)
    size = log.stat().st_size / 1e6
    print(f"\n{LINES:,} lines, {size:.0f} MB")
    for name, run in (("pl.scan_lines, count", counted), ("analyze", analyzed)):
        speed = run["rows"] / run["seconds"]
        print(f"{name:22} {run['seconds']:7.2f} s {speed:12,.0f} lines/s {run['peak'] / 1e6:7.0f} MB peak")
    print(f"{'ratio':22} {analyzed['seconds'] / counted['seconds']:7.1f}")
    assert counted["rows"] == analyzed["rows"] == LINES


def test_start_up():
    command = "import sys, time; t = time.perf_counter(); {}; print(time.perf_counter() - t)"
    for name, code in (("import the command line", "import authforensics.cli.app"), ("import polars", "import polars")):
        runs = [
            float(subprocess.run([sys.executable, "-c", command.format(code)], capture_output=True, check=True).stdout)
            for _ in range(5)
        ]
        print(f"\n{name:24} {min(runs) * 1000:6.0f} ms", end="")
    assert runs
