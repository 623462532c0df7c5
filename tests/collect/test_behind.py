"""What stands behind a combined line: pairs by their keys, bare words by what they are like in all lines."""

from __future__ import annotations

import pytest

from collecting import collect

FRONT = '10.0.0.9 - - [25/Dec/2025:13:00:{:02} +0000] "GET /a HTTP/1.1" 401 5 "-" "curl/8.5.0"'
FIELDS = ("client_ip", "user_agent", "upstream", "request_id", "reason_text", "duration_ms", "device_id", "user_id")


def read(tmp_path, *behind):
    """What lines with this behind them say, by field, if any says something."""
    log = tmp_path / "access.log"
    lines = [f"{FRONT.format(number % 60)} {text}\n" for number, text in enumerate(behind)]
    log.write_text("".join(lines), encoding="utf-8")
    events = collect([log]).events.select(FIELDS)
    assert events.height == len(behind)
    common = {"client_ip": "10.0.0.9", "user_agent": "curl/8.5.0"}
    return {
        name: events[name].to_list()
        for name in FIELDS
        if events[name].null_count() < len(behind) and set(events[name]) != {common.get(name)}
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        # NGINX Amplify's main_ext.
        (
            'rt=0.013 uct="0.001" urt="0.012" ua="127.0.0.1:24161" us="200"',
            {"duration_ms": 13.0, "upstream": "127.0.0.1:24161"},
        ),
        ('urt="0.001" rt=0.013 ua="okhttp/4.12.0"', {"duration_ms": 13.0}),
        ("rt=0.007 uaddr=127.0.0.1:22602", {"duration_ms": 7.0, "upstream": "127.0.0.1:22602"}),
        ("upstream=10.0.0.1:80, 10.0.0.2:80 rt=0.5", {"duration_ms": 500.0, "upstream": "10.0.0.2:80"}),
        ('upstream_addr="unix:/run/a.sock" request_time_ms=12', {"duration_ms": 12.0, "upstream": "unix:/run/a.sock"}),
        ("upstream: 10.0.0.1:80 request_time: 0.250", {"duration_ms": 250.0, "upstream": "10.0.0.1:80"}),
        ('request_id=r-1 device_id="d-1" sub=42', {"request_id": "r-1", "device_id": "d-1", "user_id": "42"}),
        ('xff="198.51.100.1, 203.0.113.7"', {"client_ip": "203.0.113.7"}),
        (
            r'www_authenticate="Bearer error=\"invalid_token\"" upstream="-"',
            {"reason_text": 'Bearer error="invalid_token"'},
        ),
        (
            r'"Bearer error=\x22invalid_token\x22, error_description=\x22jwt expired\x22"',
            {"reason_text": 'Bearer error="invalid_token", error_description="jwt expired"'},
        ),
        ('"Bearer abc" "Bearer" uid=42 a=b', {}),
        ('"https://shop.example/?request_id=1&device_id=2"', {}),
    ],
)
def test_pairs_say_what_their_keys_say_elsewhere(text, said, tmp_path):
    assert read(tmp_path, text) == {name: [value] for name, value in said.items()}


def test_bare_addresses_of_a_few_are_upstreams(tmp_path):
    texts = [f'"198.51.100.7" 10.0.0.{number % 2}:8000 0.250' for number in range(20)]
    assert read(tmp_path, *texts)["upstream"] == [f"10.0.0.{number % 2}:8000" for number in range(20)]
    quoted = read(tmp_path, *(f'"198.51.100.{number % 2}:8000"' for number in range(20)))
    assert quoted == {"upstream": [f"198.51.100.{number % 2}:8000" for number in range(20)]}


def test_bare_addresses_of_many_are_clients(tmp_path):
    clients = read(tmp_path, *(f'"198.51.100.{number}:{50_000 + number}"' for number in range(20)))
    assert clients == {"client_ip": [f"198.51.100.{number}" for number in range(20)]}
    assert read(tmp_path, "10.0.0.1:8000", "10.0.0.1:8000") == {}


def test_bare_ids_that_are_new_every_time_are_of_requests(tmp_path):
    ids = [f"{number:032x}" for number in range(20)]
    assert read(tmp_path, *(f"0.250 {one}" for one in ids))["request_id"] == ids
    # What stays the same is a session's, or a checksum.
    assert "request_id" not in read(tmp_path, *(f"0.250 {ids[number % 3]}" for number in range(20)))
