"""When a server was started, by what it says of itself: as telling as a deploy that somebody wrote down."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

from authforensics.findings import Deploy

_AT_WORK = r"(?:(?:listening|running|serving|(?:starting|development) server) (?:on|at)|starting on)"
#: The same with no more than the number of a port, and nothing behind it: others listen on many things.
_PORT_ALONE = r"(?:listening|running|serving) on [0-9]{3,5}\W*$"
_ADDRESS = r"(?:https?://|\bport [0-9]|(?:\.[0-9]{1,3}|localhost|[\]* ]):[0-9]{2,5}\b)"
#: What each server says once whenever it is started or reads its configuration anew, the most telling first.
#: Reference: gunicorn/arbiter.py, uvicorn/server.py, uwsgi/core/uwsgi.c, StartupInfoLogger.java (Spring Boot),
#: Catalina.java, Puma's runner.rb, nginx's ngx_process_cycle.c, Apache's mpm_common.c, fpm.c, PM2's God.js,
#: HAProxy's proxy.c and mworker.c, InfluxDB's cmd/influxd/run/command.go, etcd's server/embed/etcd.go.
PATTERNS: tuple[tuple[str, str], ...] = (
    ("gunicorn", r"\bStarting gunicorn [0-9]"),
    ("uWSGI", r"\*\*\* Starting uWSGI "),
    ("uvicorn", r"\bStarted (?:server|parent|reloader) process \["),
    ("Spring Boot", r"\bStarted [A-Za-z0-9_]+ in [0-9.]+ seconds \("),
    ("Quarkus", r"\bstarted in [0-9.]+s\. Listening on"),
    ("WildFly", r"\bWFLYSRV0025\b"),
    ("Tomcat", r"\bServer startup in \[?[0-9,]+"),
    ("Puma", r"\bPuma starting in (?:single|cluster) mode"),
    ("nginx", r"\bstart worker processes\b"),
    ("Apache", r"\bresuming normal operations\b"),
    ("PHP-FPM", r"\bready to handle connections\b"),
    ("Caddy", r"\bserving initial configuration\b"),
    ("Envoy", r"\bstarting main dispatch loop\b"),
    ("Nest", r"\bNest application successfully started\b"),
    ("ASP.NET Core", r"\bApplication started\. Press Ctrl\+C"),
    ("an app of pm2", r"\bApp \[[^\]]{1,60}\] online\b"),
    ("HAProxy", r"\bNew worker (?:#[0-9]+ )?\([0-9]+\) forked|\bProxy \S{1,60} stopped \(cumulated conns"),
    ("InfluxDB", r"\bInfluxDB starting\b"),
    ("etcd", r"\bstarting an etcd server\b"),
    (
        "the server",
        rf"(?i)^\W*(?:[A-Za-z0-9_.-]+:? ){{0,4}}(?:{_AT_WORK}\b[^?=]{{0,60}}{_ADDRESS}|{_PORT_ALONE})",
    ),
)
#: Who says so speaks of another server, one that it doesn't reach.
_OTHERS = r"(?i)\b(?:is the|upstream|refused|failed|failure|error|is down|unable|cannot|connection|waiting)\b"
#: How `hint` begins where a message tells of a start.
_HINT = "start of "
# Words are ASCII: a pattern that asks all of Unicode is several times slower.
_PATTERNS = tuple((_HINT + name, pattern.replace(r"\b", r"(?-u:\b)")) for name, pattern in PATTERNS)
_ANY = "|".join(f"(?:{pattern})" for _, pattern in _PATTERNS)
#: One start is told in several lines, and by each worker or instance.
_APART = timedelta(seconds=60)
#: A start so soon after a deploy is that deploy's: containers are drawn, migrations run.
_OF_DEPLOY = timedelta(seconds=300)


def hints(texts: pl.Series) -> pl.Series:
    """`start of ...`, of what tells of a start, for each text; null for all others."""
    hit = (texts.str.contains(_ANY) & ~texts.str.contains(_OTHERS)).fill_null(value=False)
    at = hit.arg_true()
    few = texts.gather(at).to_frame("text")
    said = pl.coalesce(
        *(pl.when(pl.col("text").str.contains(pattern)).then(pl.lit(hint)) for hint, pattern in _PATTERNS)
    )
    return pl.repeat(None, len(texts), dtype=pl.String, eager=True).scatter(at, few.select(said).to_series())


def tell(hint: pl.Expr) -> pl.Expr:
    """Whether a message tells of a start."""
    return hint.cast(pl.String).str.starts_with(_HINT)


def restarts(messages: pl.DataFrame, deploys: Sequence[Deploy]) -> tuple[Deploy, ...]:
    """The starts that messages tell of, in order of time; those that belong to one of `deploys` are left out.

    Args:
        messages: MESSAGES, by system, their clocks set right.
        deploys: what is known to have been deployed.
    """
    order = {hint: number for number, (hint, _) in enumerate(_PATTERNS)}
    told = messages.filter(tell(pl.col("hint")).fill_null(value=False)).select(
        pl.col("system", "hint").cast(pl.String), "timestamp"
    )
    begun = (pl.col("timestamp").diff() > _APART).fill_null(value=True)
    found = (
        told.sort("system", "timestamp")
        .with_columns(run=begun.cum_sum().over("system"), rank=pl.col("hint").replace_strict(order, default=len(order)))
        .group_by("system", "run")
        .agg(pl.col("timestamp").min(), pl.col("hint").sort_by("rank").first())
        .sort("timestamp", "system")
    )
    return tuple(
        Deploy(time=time, name=f"re{hint}")
        for time, hint in found.select("timestamp", "hint").rows()
        if not any(timedelta(0) <= time - one.time <= _OF_DEPLOY for one in deploys)
    )
