"""Starts that logs themselves tell of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

import authforensics
from authforensics.correlate import restarts, starts
from authforensics.findings import Deploy
from authforensics.schema import MESSAGES

BEGIN = datetime(2026, 3, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Starting gunicorn 23.0.0", "gunicorn"),
        ("*** Starting uWSGI 2.0.28 (64bit) on [Sun Mar  1 10:00:00 2026] ***", "uWSGI"),
        ("Started server process [41]", "uvicorn"),
        ("Started ShopApplication in 5.312 seconds (process running for 6.1)", "Spring Boot"),
        (
            "Keycloak 26.0.7 on JVM (powered by Quarkus 3.15.1) started in 5.178s. Listening on: http://0.0.0.0:8080",
            "Quarkus",
        ),
        ("WFLYSRV0025: WildFly Full 34.0.1.Final (WildFly Core 26.0.1.Final) started in 4321ms", "WildFly"),
        ("Server startup in [1,234] milliseconds", "Tomcat"),
        ("Puma starting in single mode...", "Puma"),
        ("start worker processes", "nginx"),
        ("AH00489: Apache/2.4.62 (Debian) configured -- resuming normal operations", "Apache"),
        ("ready to handle connections", "PHP-FPM"),
        ("serving initial configuration", "Caddy"),
        ("Nest application successfully started", "Nest"),
        ("Application started. Press Ctrl+C to shut down.", "ASP.NET Core"),
        ("App [shop-api:0] online", "an app of pm2"),
        ("Server listening at http://127.0.0.1:3000", "the server"),
        ("Listening on TCP address 0.0.0.0:8000", "the server"),
        (" * Running on http://127.0.0.1:5000", "the server"),
        ("Example app listening on port 3000", "the server"),
        ("Starting development server at http://127.0.0.1:8000/", "the server"),
        ("listening on [::]:5000", "the server"),
        ("server listening on :8080", "the server"),
        ("Serving on localhost:6543", "the server"),
        ("listening on 21102", "the server"),
        ("tokensvc: tokensvc starting on port 23401", "the server"),
        ("New worker (12982) forked", "HAProxy"),
        ("Proxy fe_api stopped (cumulated conns: FE: 142, BE: 0).", "HAProxy"),
        ("InfluxDB starting", "InfluxDB"),
        ("starting an etcd server", "etcd"),
        # Workers come and go; others only speak of such things.
        ("Booting worker with pid: 41", None),
        ("Session started at 10:00", None),
        ("GET /jobs?started=1 running on node", None),
        ("Token refresh started", None),
        ("job started at 2026-03-01", None),
        ("clean-up running at 10:00", None),
        ('Is the server running on host "db" (10.0.0.3) and accepting TCP/IP connections on port 5432?', None),
        ("dependency redis running on localhost:6379 is down", None),
        ("connection to server running at 10.0.0.3:5432 refused", None),
        ("proxying to upstream listening on 10.0.0.4:8080 took 3ms", None),
        ("we have seen that the primary is now listening on 10.0.0.4:8080", None),
        ("listening on 3 channels", None),
        ("listening on 4096 topics", None),
        ("the nightly job is starting on 2026-03-01", None),
        ("starting an etcd server failed", None),
        ("Proxy fe_api started.", None),
        (None, None),
    ],
)
def test_what_a_server_says_when_it_starts(text, what):
    assert starts.hints(pl.Series([text], dtype=pl.String)).to_list() == [what and f"start of {what}"]


def told(*lines: tuple[str, float, str | None]) -> pl.DataFrame:
    rows = [{"system": system, "timestamp": BEGIN + timedelta(seconds=at), "hint": hint} for system, at, hint in lines]
    return pl.DataFrame(rows, schema=MESSAGES)


def test_lines_of_one_start_are_one():
    messages = told(
        ("a", 5, "start of the server"),
        ("a", 4, "start of gunicorn"),
        ("a", 50, "start of gunicorn"),
        ("a", 111, "start of uvicorn"),
        ("b", 6, "start of nginx"),
        ("a", 7, "refresh"),
        ("a", 8, None),
    )
    found = [((one.time - BEGIN).total_seconds(), one.name) for one in restarts(messages, ())]
    assert found == [(4, "restart of gunicorn"), (6, "restart of nginx"), (111, "restart of uvicorn")]


def test_a_start_soon_after_a_deploy_is_its():
    messages = told(("a", 0, "start of gunicorn"), ("a", 200, "start of gunicorn"), ("a", 500, "start of gunicorn"))
    deployed = Deploy(time=BEGIN + timedelta(seconds=100), name="v42")
    assert [(one.time - BEGIN).total_seconds() for one in restarts(messages, [deployed])] == [0, 500]


def test_a_restart_just_before_stands_in_the_verdict(tmp_path: Path):
    access, app = [], []
    for minute in range(40):
        for phone in range(8):
            at = BEGIN + timedelta(minutes=minute, seconds=2 * phone + 5)
            status = 200 if minute < 20 else 401
            access.append(
                f'10.1.0.{phone} - - [{at:%d/%b/%Y:%H:%M:%S} +0000] "GET /api/me HTTP/1.1" {status} 9 "-" "app"'
            )
    for minute in (0, 20):
        app.append(f"[{BEGIN + timedelta(minutes=minute):%Y-%m-%d %H:%M:%S} +0000] [7] [INFO] Starting gunicorn 23.0.0")
        app.append(
            f"[{BEGIN + timedelta(minutes=minute):%Y-%m-%d %H:%M:%S} +0000] [7] [INFO] Listening at: http://0.0.0.0:80 (7)"
        )
    (tmp_path / "access.log").write_text("".join(f"{line}\n" for line in access))
    (tmp_path / "error.log").write_text("".join(f"{line}\n" for line in app))
    document = authforensics.analyze(tmp_path).document
    assert [one.name for one in document.deploys] == ["restart of gunicorn"] * 2
    assert "(5 s after restart of gunicorn)" in document.verdict.headline


def test_a_start_of_uwsgi_stands_among_its_requests(tmp_path: Path):
    call = (
        "[pid: 17|app: 0|req: 1/1] 10.1.0.7 () {40 vars in 512 bytes} [Sun Mar  1 10:00:08 2026] GET /api/me =>"
        " generated 14 bytes in 3 msecs (HTTP/1.1 401) 3 headers in 120 bytes (1 switches on core 0)"
    )
    start = "*** Starting uWSGI 2.0.28 (64bit) on [Sun Mar  1 10:00:00 2026] ***"
    (tmp_path / "uwsgi.log").write_text("".join(f"{line}\n" for line in (start, *[call] * 20)))
    document = authforensics.analyze(tmp_path).document
    assert [(one.name, one.time) for one in document.deploys] == [("restart of uWSGI", BEGIN)]
