"""`read_events` reads as `analyze` does: it takes the same options, and says the same where they can't be used."""

from __future__ import annotations

import inspect
import json

import pytest

from authforensics import analyze, read_events
from authforensics.config import load
from authforensics.errors import BadValue, MissingInput

#: What says how to judge, not how to read.
_JUDGING = {"deploys", "memory", "only", "skip"} | {"env_file", "secrets", "jwks", "show_claims", "fingerprint_key"}
_CONF = (
    "http {\n  log_format own '$msec|$status|$request|$remote_addr';\n  access_log /var/log/nginx/shop.log own;\n}\n"
)
_LINE = "1766635200.500|401|GET /api/me HTTP/1.1|203.0.113.7\n"


def test_it_takes_every_option_that_concerns_reading():
    judging, reading = (inspect.signature(one).parameters for one in (analyze, read_events))
    assert {*judging} - {*reading} == _JUDGING
    assert all(reading[name] == judging[name] for name in reading)


def test_layouts_of_nginxs_configuration(tmp_path):
    (tmp_path / "nginx.conf").write_text(_CONF)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "shop.log").write_text(_LINE * 3)
    events = read_events(tmp_path / "logs", nginx_conf=tmp_path / "nginx.conf")
    assert events["status"].to_list() == [401] * 3
    with pytest.raises(MissingInput, match="--nginx-conf"):
        read_events(tmp_path / "logs", nginx_conf=tmp_path / "nowhere.conf")


def test_the_configuration_file_counts_and_arguments_win_over_it(tmp_path):
    (tmp_path / "authforensics.toml").write_text('tz = "Asia/Tokyo"\nstatus = "401"\n')
    config = load(tmp_path / "authforensics.toml")
    entry = {"time": "2025-12-25T13:00:00", "method": "GET", "path": "/a", "status": 401}
    (tmp_path / "a.log").write_text("".join(json.dumps({**entry, "status": code}) + "\n" for code in (200, 401, 401)))
    assert [f"{time:%H}" for time in read_events(tmp_path / "a.log", config=config)["timestamp"]] == ["04", "04"]
    assert read_events(tmp_path / "a.log", config=config, status="200", tz="UTC")["timestamp"][0].hour == 13


def test_a_field_of_the_log_holds_the_device(tmp_path):
    entry = {"time": "2025-12-25T13:00:00Z", "method": "GET", "path": "/a", "status": 401, "kiosk": "k-1"}
    (tmp_path / "a.log").write_text(json.dumps(entry) + "\n")
    assert read_events(tmp_path, device_key="kiosk")["device_id"].to_list() == ["k-1"]
    assert read_events(tmp_path, device_key="user_id").height == 1
    with pytest.raises(BadValue, match="no line has a field 'kiosks'"):
        read_events(tmp_path, device_key="kiosks")


def test_what_is_put_aside_is_gone_at_the_end_and_progress_is_told(tmp_path):
    import zipfile

    work = tmp_path / "work"
    work.mkdir()
    with zipfile.ZipFile(tmp_path / "logs.zip", "w") as archive:
        archive.writestr("a.log", '203.0.113.7 - - [25/Dec/2025:13:00:09 +0900] "GET /a HTTP/1.1" 401 5 "-" "-"\n')
    steps = []
    assert read_events(tmp_path / "logs.zip", work_dir=work, progress=steps.append).height == 1
    assert steps
    assert not list(work.iterdir())
