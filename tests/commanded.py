"""Runs the real command line in a working directory of its own, on lines of a common format."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess, run

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
COMMAND = (sys.executable, "-m", "authforensics", "analyze")

Analyze = Callable[..., CompletedProcess[str]]


def runner(work: Path) -> Analyze:
    work.mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "200", "PYTHONUTF8": "1"}
    environment.pop("NO_COLOR", None)

    def call(*arguments: str | Path, before: tuple[str, ...] = ()) -> CompletedProcess[str]:
        command = [*before, *COMMAND, *map(str, arguments)]
        return run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)

    return call


def combined(second: int, path: str, status: int = 200, *, ip: str = "192.0.2.1", agent: str = "shop/1.0") -> str:
    at = START + timedelta(seconds=second)
    method = "POST" if "refresh" in path else "GET"
    return f'{ip} - - [{at:%d/%b/%Y:%H:%M:%S} +0000] "{method} {path} HTTP/1.1" {status} 12 "-" "{agent}"'
