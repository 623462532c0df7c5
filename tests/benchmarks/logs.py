"""Writes the traffic of a day as nginx would: combined, as JSON, and the combined log as logrotate packs it."""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zlib import crc32

import polars as pl

from benchmarks import traffic
from benchmarks.traffic import LOGIN, ROUTES, Plan, pick, plan, windows

_GENERATOR = f"{crc32(b''.join(Path(file).read_bytes() for file in (__file__, traffic.__file__))):08x}"
DAY_STARTS = datetime(2025, 12, 25, tzinfo=UTC)


def details(lines: pl.DataFrame, day: Plan) -> pl.LazyFrame:
    """What every format writes: `second`, `ip`, `agent`, `method`, `target`, `bytes` beside the columns of a line."""
    draw, route = day.chance.draw, pl.col("route")
    methods, paths = zip(*(text.split(" ") for text in ROUTES), strict=True)
    before = [path.split("{")[0] for path in paths]
    after = [path.partition("}")[2] for path in paths]
    number = (
        pl.when(pick(pl.Series(["{id}" in path for path in paths]), route))
        .then(pl.col("thing") % 900_000 + 100_000)
        .when(pick(pl.Series(["{n}" in path for path in paths]), route))
        .then(pl.col("thing") % 40 + 1)
    )
    size = (
        pl.when(pl.col("status") == 304)
        .then(0)
        .when(pl.col("status") >= 400)
        .then(60 + route)
        .when(route <= LOGIN)
        .then(1_380 + draw("key", "bytes", 12))
        .otherwise(180 + draw("key", "bytes", 24_000))
    )
    return lines.lazy().select(
        "key",
        "status",
        "actor",
        second=pl.col("time") // 1_000,
        ip=pick(day.actors["ip"], pl.col("actor")),
        agent=pick(day.actors["agent"], pl.col("actor")),
        method=pick(list(methods), route),
        target=pl.concat_str(pick(before, route), number.cast(pl.String).fill_null(""), pick(after, route)),
        bytes=size,
    )


def clock(form: str) -> pl.Series:
    """The time of each second of the day."""
    if form == "epoch":
        return pl.int_range(86_400, eager=True).cast(pl.Int64) + int(DAY_STARTS.timestamp())
    return pl.Series([(DAY_STARTS + timedelta(seconds=second)).strftime(form) for second in range(86_400)])


def combined(lines: pl.DataFrame, day: Plan, clock: pl.Series) -> pl.DataFrame:
    """Lines as nginx writes them by itself."""
    return details(lines, day).select(
        pl.format(
            '{} - - [{}] "{} {} HTTP/1.1" {} {} "-" "{}"',
            "ip", pick(clock, pl.col("second")), "method", "target", "status", "bytes", "agent",
        )
    ).collect()  # fmt: skip


def json_lines(lines: pl.DataFrame, day: Plan, clock: pl.Series) -> pl.DataFrame:
    """Lines as nginx writes them with a `log_format … escape=json`, with the duration, request id and device id."""
    draw = day.chance.draw
    digits = [f"{number:04x}" for number in range(2**16)]
    request_id = pl.concat_str([pick(digits, draw("key", f"id {part}", 2**16)) for part in range(8)])
    upstream = ["10.0.3.11:8080", "10.0.3.12:8080", "10.0.3.13:8080"]
    return details(lines, day).select(
        pl.format(
            '{{"time_iso8601":"{}","remote_addr":"{}","request_method":"{}","request_uri":"{}",'
            '"status":{},"body_bytes_sent":{},"request_time":0.{},"http_referer":"",'
            '"http_user_agent":"{}","upstream_addr":"{}","request_id":"{}","http_x_device_id":"{}"}}',
            pick(clock, pl.col("second")), "ip", "method", "target", "status", "bytes",
            (draw("key", "duration", 397) + 3).cast(pl.String).str.zfill(3),
            "agent", pick(upstream, draw("key", "upstream", 3)), request_id,
            pick(day.actors["device_id"], pl.col("actor")),
        )
    ).collect()  # fmt: skip


WRITERS = {"combined": (combined, "%d/%b/%Y:%H:%M:%S +0000"), "json": (json_lines, "%Y-%m-%dT%H:%M:%S+00:00")}


@dataclass(frozen=True)
class Logs:
    """Where the logs of one size are, whether written yet or not; of another generator they have other names."""

    folder: Path
    lines: int

    def _named(self, form: str) -> Path:
        return self.folder / form.format(f"{self.lines}-{_GENERATOR}")

    @property
    def combined(self) -> Path:
        return self._named("access-{}.log")

    @property
    def json(self) -> Path:
        return self._named("access-{}.json.log")

    @property
    def gzip(self) -> Path:
        return self._named("access-{}.log.gz")

    @property
    def planted(self) -> Path:
        return self._named("planted-{}.json")

    def write(self, kinds: tuple[str, ...] = ("combined", "json", "gzip"), seed: int = 1) -> None:
        """Write what is not there yet. A file that is there has been written whole."""
        day = plan(self.lines, seed)
        paths = {"combined": self.combined, "json": self.json}
        for kind in [kind for kind in kinds if kind in paths and not paths[kind].exists()]:
            render, form = WRITERS[kind]
            times, part = clock(form), paths[kind].with_suffix(".part")
            with part.open("wb") as file:
                for lines in windows(day):
                    render(lines, day, times).write_csv(file, include_header=False, quote_style="never")
            part.rename(paths[kind])
        if "gzip" in kinds and not self.gzip.exists():
            _compress(self.combined, self.gzip)
        self.planted.write_text(json.dumps(day.planted), encoding="utf-8")


def _compress(plain: Path, packed: Path) -> None:
    """As logrotate does."""
    part = packed.with_suffix(".part")
    with plain.open("rb") as source, part.open("wb") as target:
        if shutil.which("gzip"):
            subprocess.run(["gzip", "--stdout", "--no-name"], stdin=source, stdout=target, check=True)
        else:
            with gzip.GzipFile("", "wb", 6, target, mtime=0) as stream:
                shutil.copyfileobj(source, stream, 2**20)
    part.rename(packed)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the logs of a benchmark.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("lines", type=int)
    parser.add_argument("--kinds", default="combined,json,gzip")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    Logs(arguments.folder, arguments.lines).write(tuple(arguments.kinds.split(",")))


if __name__ == "__main__":
    main()
