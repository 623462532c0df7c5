"""An nginx configuration says which log has which layout."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from authforensics.collect import Options
from authforensics.collect.found import Found
from authforensics.collect.nginx_conf import Log, layout_for, logs_of
from authforensics.errors import BadValue, MissingInput
from authforensics.pipeline import analyze
from collecting import collect

_CONF = r"""
http {
  include /nowhere/mime.types;
  log_format main '$remote_addr "$request" '
                  "\"$http_user_agent\" $status [$time_local]";
  log_format js escape=json '{"t":"$time_iso8601","s":$status,"ip":"$remote_addr"}';
  log_format bare '$remote_addr $request';
  access_log /var/log/nginx/access.log main buffer=32k if=$loggable;
  error_log /var/log/nginx/error.log;
  include conf.d/*.conf;
}
"""
_SERVER = """
server {
  access_log off;
  access_log /var/log/nginx/plain.log;
  location / {
    access_log logs/${host}.json js;
    access_log syslog:server=192.0.2.1 main;
    access_log /var/log/nginx/bare.log bare;
    access_log /var/log/nginx/unknown.log nowhere;
  }
}
"""
_MAIN = '$remote_addr "$request" "$http_user_agent" $status [$time_local]'
_LINE = '203.0.113.7 "GET /a HTTP/1.1" "curl/8" 401 [01/Mar/2026:10:00:00 +0000]\n'
_OBJECT = '{"t":"2026-03-01T10:00:00+00:00","s":200,"ip":"203.0.113.7"}\n'


@pytest.fixture
def conf(tmp_path):
    folder = tmp_path / "etc"
    (folder / "conf.d").mkdir(parents=True)
    (folder / "conf.d" / "shop.conf").write_text(_SERVER)
    (folder / "nginx.conf").write_text(_CONF)
    return folder / "nginx.conf"


def test_logs_and_their_layouts_are_read_with_what_is_included(conf):
    logs = logs_of(conf)
    assert logs[0] == Log("/var/log/nginx/access.log", _MAIN)
    assert [(log.path, log.layout is None) for log in logs[1:]] == [
        ("/var/log/nginx/plain.log", True),
        ("logs/*.json", False),
    ]


def test_each_file_has_the_layout_of_its_log(conf, tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "access.log").write_text(_LINE * 3)
    (logs / "access.log.2.gz").write_bytes(gzip.compress(_LINE.replace("01/", "02/").encode() * 2))
    (logs / "shop.example.json").write_text(_OBJECT)
    (logs / "plain.log").write_text('203.0.113.7 - - [01/Mar/2026:10:00:00 +0000] "GET /a HTTP/1.1" 200 1 "-" "-"\n')
    sources = {one.source: one for one in collect([logs], Options(nginx_conf=str(conf))).sources}
    assert {name: (one.format, one.events) for name, one in sources.items()} == {
        "access.log": ("log_format", 3),
        "access.log.2.gz": ("log_format", 2),
        "shop.example.json": ("log_format", 1),
        "plain.log": ("combined", 1),
    }


def test_a_path_counts_more_than_a_name():
    logs = (Log("/a/access.log", "one"), Log("/b/access.log", "other"))
    assert layout_for(logs, Found(Path("/b/access.log.1"), "access.log.1", "b", named=True)) == "other"
    assert layout_for(logs, Found(Path("/c/access.log.1"), "access.log.1", "c", named=True)) is None
    assert layout_for(logs, Found(Path("/c/other.log"), "other.log", "c", named=True)) is None


@pytest.mark.parametrize("text", ["", "}", "http { access_log off; }", "user nginx"])
def test_what_says_nothing_of_logs_is_refused(text, tmp_path):
    conf = tmp_path / "nginx.conf"
    conf.write_text(text)
    with pytest.raises(BadValue, match="--nginx-conf"):
        logs_of(conf)


def test_a_configuration_that_is_not_there(tmp_path):
    with pytest.raises(MissingInput, match="--nginx-conf"):
        logs_of(tmp_path / "nginx.conf")


def test_the_pipeline_takes_a_configuration(conf, tmp_path):
    log = tmp_path / "access.log"
    log.write_text(_LINE)
    (source,) = analyze(log, nginx_conf=conf).document.sources
    assert (source.format, source.events) == ("log_format", 1)
