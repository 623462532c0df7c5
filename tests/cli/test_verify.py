"""`verify` and `timeline`: exit codes, what they print, what they write, and what they refuse before reading anything."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from authforensics.cli import app
from authforensics.document import Document

ROW = '{{"time": "2026-03-01T{at}Z", "method": "{method}", "path": "{path}", "status": {status}, "device_id": "{device}"}}'


def _line(at: str, device: str, path: str, status: int, method: str = "GET") -> str:
    return ROW.format(at=at, method=method, path=path, status=status, device=device)


def _life(device: str) -> list[str]:
    """Well, then refused for a quarter of an hour, with refreshes that are granted."""
    lines = [_line(f"08:{minute:02}:00", device, "/api/items", 200) for minute in range(30)]
    for minute in range(15):
        lines.append(_line(f"09:{minute:02}:00", device, "/api/items", 401))
        lines.append(_line(f"09:{minute:02}:10", device, "/auth/refresh", 200, "POST"))
        lines.append(_line(f"09:{minute:02}:20", device, "/api/items", 401))
    return lines


@pytest.fixture
def log(tmp_path, monkeypatch) -> Callable[..., None]:
    """Writes a log of four devices, what is `well` since and what is `ill`, in an empty directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")

    def write(well: tuple[str, ...] = (), ill: tuple[str, ...] = ()) -> None:
        lines = [line for device in ("d1", "d2", "d3", "d4") for line in _life(device)]
        lines += [_line("10:30:00", "somebody", "/api/items", 200)]
        for device in well:
            lines += [_line("10:00:00", device, "/api/items", 200), _line("10:20:00", device, "/api/items", 200)]
        for device in ill:
            lines += [_line(f"10:0{minute}:00", device, "/api/items", 401) for minute in range(5)]
        (tmp_path / "access.log").write_text("\n".join(sorted(lines)) + "\n", encoding="utf-8")

    return write


@pytest.fixture
def run(capsysbinary) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = app.run([*arguments, "--no-progress"])
        out, err = capsysbinary.readouterr()
        return code, out.decode(), err.decode()

    return call


def test_proven_is_zero(log, run):
    log(well=("d1", "d2"))
    code, out, _ = run("verify", "access.log", "--after", "2026-03-01T09:50Z")
    assert code == 0
    assert out.startswith(
        "Recovered: of 4 devices ill before 2026-03-01 09:50:00 UTC, 2 proven well, 2 not seen since; none"
    )


def test_still_ill_is_twenty_and_says_whom_to_look_at(log, run):
    log(well=("d1",), ill=("d2", "d3"))
    code, out, _ = run("verify", "access.log", "--after", "2026-03-01T09:50Z")
    assert code == 20
    assert out.startswith(
        "Not recovered: 2 devices still refused; of 4 devices ill before 2026-03-01 09:50:00 UTC, 1 proven"
    )
    assert "  d2    5 refusals since; last 2026-03-01 10:04:00 by GET /api/items" in out
    assert out.splitlines()[-1] == "See one: authforensics timeline access.log --device d2"


def test_nobody_seen_is_twenty_one_and_says_what_to_wait_for(log, run):
    log()
    code, out, _ = run("verify", "access.log", "--after", "30m")
    assert code == 21
    assert "no device of unknown platform was seen since" in out
    assert "run this again on the newer log" in " ".join(out.split())


def test_the_document_has_it(log, run):
    log(well=("d1",), ill=("d2",))
    code, out, _ = run("verify", "access.log", "--after", "2026-03-01T09:50Z", "--json", "-")
    assert code == 20
    found = Document.from_json(out).recovery
    assert (found.outcome, found.devices, found.well, found.ill, found.unseen) == ("ill", 4, 1, 1, 2)
    assert json.loads(out)["recovery"]["after"] == "2026-03-01T09:50:00.000000Z"


def test_quiet_is_one_line(log, run):
    log(well=("d1",))
    assert run("verify", "access.log", "--after", "2026-03-01T09:50Z", "-q")[1].count("\n") == 1


@pytest.mark.parametrize(
    ("after", "told"),
    [
        ("yesterday", "--after: can't read the time 'yesterday'"),
        ("2026-03-01T08:00Z", "--after: nothing was logged before 2026-03-01T08:00:00.000000Z"),
    ],
)
def test_a_moment_that_means_nothing_is_refused(log, run, after, told):
    log()
    code, out, err = run("verify", "access.log", "--after", after)
    assert (code, out) == (2, "")
    assert told in err


def test_a_timeline_is_printed(log, run):
    log(well=("d1",))
    code, out, _ = run("timeline", "access.log", "--device", "d1")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "d1"
    assert any("… 29 more accepted calls until 08:29:00 …" in line for line in lines)
    assert any(line.startswith("┌ refresh_loop (critical)") for line in lines)
    assert sum("x API denied" in line for line in lines) == 30
    assert sum("+ refresh OK" in line for line in lines) == 15


def test_a_timeline_can_be_a_page(log, run, tmp_path):
    log()
    code, out, err = run("timeline", "access.log", "--device", "d1", "--html", "d1.html")
    assert (code, out) == (0, "")
    assert "wrote d1.html" in err
    page = (tmp_path / "d1.html").read_text(encoding="utf-8")
    assert page.count('<td class="when">') == 46
    assert "refresh_loop" in page


def test_an_unknown_device_is_a_usage_error_with_the_nearest(log, run):
    log()
    code, out, err = run("timeline", "access.log", "--device", "d")
    assert (code, out) == (2, "")
    assert "unknown device 'd'; did you mean 'd1' or 'd2' or 'd3'?" in err


def test_a_page_that_cannot_be_written_is_refused_before_the_logs_are_read(log, run):
    log()
    code, _, err = run("timeline", "access.log", "--device", "d1", "--html", "no/such/d1.html")
    assert code == 2
    assert "--html: no directory no/such" in err
