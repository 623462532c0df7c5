"""Who wrote a wrapped line is the instance that served the request, if the line doesn't say another."""

from __future__ import annotations

import json

import pytest

from collecting import collect

COMBINED = '203.0.113.9 - - [01/Mar/2026:10:02:{:02} +0000] "GET /api HTTP/1.1" 401 12 "-" "app/1"'
INGRESS = (
    '203.0.113.9 - - [01/Mar/2026:10:02:{:02} +0000] "GET /api HTTP/1.1" 401 12 "-" "app/1" 512 0.004 [shop-api-8080] []'
    " {} 12 0.004 401 7c4a8d09ca3762af61e59520943dc264"
)
JSON = '{{"time":"2026-03-01T10:02:{:02}Z","method":"GET","path":"/api","status":401,"ip":"203.0.113.9"{}}}'


def _upstreams(tmp_path, lines, wrapper="kubectl"):
    (tmp_path / "pods.log").write_text("".join(f"{line}\n" for line in lines))
    read = collect([tmp_path])
    (source,) = read.sources
    assert (source.wrapper, source.events) == (wrapper, len(lines))
    return read.events["upstream"].cast(str).to_list()


def test_the_pod_that_wrote_a_line_served_the_request(tmp_path):
    lines = [f"[pod/api-{second % 2}/web] {COMBINED.format(second)}" for second in range(6)]
    assert _upstreams(tmp_path, lines) == ["api-0", "api-1"] * 3


@pytest.mark.parametrize("own", ["10.0.0.2:3000", "10.0.0.2:3000, 10.0.0.3:3000"])
def test_an_upstream_of_its_own_counts_more(tmp_path, own):
    lines = [f"[pod/ingress-0/nginx] {INGRESS.format(second, own)}" for second in range(6)]
    assert _upstreams(tmp_path, lines) == [own.rpartition(" ")[2]] * 6


@pytest.mark.parametrize("said", ['"upstream_addr":"-"', '"upstream_addr":""'])
def test_a_proxy_that_says_it_had_none_is_not_taken_for_one(tmp_path, said):
    lines = [f"[pod/proxy-0/nginx] {JSON.format(second, f',{said}')}" for second in range(3)]
    lines += ["[pod/proxy-0/nginx] " + JSON.format(5, ',"upstream_addr":"10.0.0.2:80"')]
    assert _upstreams(tmp_path, lines) == [None] * 3 + ["10.0.0.2:80"]


def test_a_message_tells_its_instance_too(tmp_path):
    line = "2026-03-01 10:02:0{},000 - app.auth - WARNING - token rejected"
    lines = [f"[pod/api-{second % 2}/web] {line.format(second)}" for second in range(4)]
    assert _upstreams(tmp_path, lines) == ["api-0", "api-1"] * 2


def test_the_wrapper_next_to_the_line_tells_best(tmp_path):
    lines = [
        json.dumps({"log": f"<190>Mar  1 10:02:03 web{second % 2} nginx: {COMBINED.format(second)}", "stream": "stdout",
                    "kubernetes": {"pod_name": "collector-0"}})
        for second in range(4)
    ]  # fmt: skip
    assert _upstreams(tmp_path, lines, "fluent_bit > syslog") == ["web0", "web1"] * 2


def test_bare_lines_have_none(tmp_path):
    lines = [COMBINED.format(second) for second in range(3)]
    assert _upstreams(tmp_path, lines, None) == [None] * 3
