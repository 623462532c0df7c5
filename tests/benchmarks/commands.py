"""The command lines that are measured, and which of them can be run here."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib import metadata, util
from pathlib import Path

from benchmarks.forms import Form

PEERS = Path(__file__).parent / "peers"
ANALYZE, SHARE, WC = "authforensics analyze", "states and detectors", "wc -l"
COUNT, BYTES = "pl.scan_lines, count", "pl.scan_lines, bytes of each"
GOACCESS, SQL, SQL_CSV = "GoAccess", "DuckDB, regexp", "DuckDB, read as CSV"


def source_path() -> str:
    """The PYTHONPATH of what is measured: where this process finds the package and the benchmarks."""
    package = util.find_spec("authforensics")
    assert package is not None
    assert package.origin is not None
    return f"{Path(package.origin).parent.parent}:{Path(__file__).parent.parent}"


def analyze(log: Path, folder: Path) -> list[str]:
    """An analysis as a user runs it, with both outputs, into `folder`."""
    outputs = ["--json", str(folder / "analysis.json"), "--html", str(folder / "analysis.html")]
    return [sys.executable, "-m", "authforensics", "analyze", str(log), *outputs, "--no-progress", "--quiet"]


def shares(log: Path) -> list[str]:
    """The same analysis, which tells what its inner steps took."""
    return [sys.executable, str(Path(__file__).parent / "shares.py"), str(log)]


def generate(folder: Path, lines: int, kinds: str) -> list[str]:
    """Have the logs of `lines` lines in `folder`."""
    return [sys.executable, "-m", "benchmarks.logs", str(folder), str(lines), "--kinds", kinds]


def generate_forms(folder: Path, lines: int) -> list[str]:
    """Have the same traffic in every layout in `folder`."""
    return [sys.executable, "-m", "benchmarks.forms", str(folder), str(lines)]


def reading(log: Path, form: Form) -> list[str]:
    """Read a log of that layout and nothing more; tells what it took."""
    layout = [form.log_format] if form.log_format else []
    return [sys.executable, "-m", "benchmarks.reading", str(log), form.format, *layout]


def raw(log: Path) -> dict[str, list[str]]:
    """What no tool can be quicker than."""
    count = [sys.executable, str(PEERS / "count_lines.py"), str(log)]
    counters = {COUNT: count, BYTES: [*count, "bytes"]}
    return counters | ({WC: ["wc", "-l", str(log)]} if shutil.which("wc") else {})


def peers(log: Path, folder: Path) -> dict[str, list[str]]:
    """Other tools on the same combined log, as far as they are installed."""
    found = {}
    if shutil.which("goaccess"):
        page = str(folder / "goaccess.html")
        found[GOACCESS] = ["goaccess", str(log), "--log-format=COMBINED", "--no-progress", "-o", page]
    if util.find_spec("duckdb"):
        sql = [sys.executable, str(PEERS / "duckdb_loops.py"), str(log)]
        found |= {SQL: [*sql, "regexp"], SQL_CSV: [*sql, "csv"]}
    return found


def missing() -> list[str]:
    """Why a peer is not in the table."""
    reasons = []
    if not shutil.which("goaccess"):
        reasons.append("GoAccess is not installed (apt-get install goaccess)")
    if not util.find_spec("duckdb"):
        reasons.append("DuckDB is not installed (pip install duckdb)")
    return reasons


def versions() -> dict[str, str]:
    """What was measured, by name."""
    found = {"Python": sys.version.split()[0], "polars": metadata.version("polars")}
    if shutil.which("goaccess"):
        text = subprocess.run(["goaccess", "--version"], capture_output=True, text=True, check=True).stdout
        found["GoAccess"] = text.splitlines()[0].removeprefix("GoAccess - ").rstrip(".")
    if util.find_spec("duckdb"):
        found["DuckDB"] = metadata.version("duckdb")
    return found
