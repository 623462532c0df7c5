"""A proxy's log beside that of the server behind it, which knows reasons and no addresses; shared by tests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from authforensics.simulate.writer import MILLISECONDS, REASON, writers
from simulate_small import SMALL


def by_proxy(text: Sequence[str]) -> list[str]:
    """Lines as the server behind the proxy writes them: all calls are the proxy's."""
    return [re.sub(r"\b\d+\.\d+\.\d+\.\d+\b", "172.17.0.2", line, count=1) for line in text]


def write(folder: Path, proxy: str = "access.log", server: str = "app.log") -> int:
    """Write both; how many requests each tells of."""
    logs = {
        proxy: SMALL.lines(writers()["combined"], ()),
        server: by_proxy(SMALL.lines(writers()["nginx_json"], (REASON, MILLISECONDS))),
    }
    for name, lines in logs.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return len(logs[server])
