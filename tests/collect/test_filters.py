"""`path`, `status` and `device`: what they let through, and that the rest is counted."""

from __future__ import annotations

import pytest

from authforensics import analyze, read_events
from authforensics.collect import Digest, Options, discover
from authforensics.collect import collect as into
from authforensics.correlate import condense
from authforensics.errors import BadValue, NothingReadable
from collecting import collect

LINES = """\
{"time":"2025-12-25T04:00:00Z","remote_addr":"203.0.113.7","request_method":"GET","request_uri":"/api/orders/17?x=1","status":401,"device_id":"ios-1","user_id":"ada"}
{"time":"2025-12-25T04:00:01Z","remote_addr":"203.0.113.8","request_method":"POST","request_uri":"/api.php?action=refresh_token","status":200,"device_id":"ios-2","http_user_agent":"okhttp/4"}
{"time":"2025-12-25T04:00:02Z","remote_addr":"203.0.113.8","request_method":"GET","request_uri":"/health","status":503}
{"time":"2025-12-25T04:00:03Z","level":"warn","msg":"jwt expired","user_id":"ada"}
{"time":"2025-12-25T04:00:04Z","level":"warn","msg":"jwt expired","session_id":"s-1"}
"""


@pytest.fixture
def log(tmp_path):
    (tmp_path / "a.log").write_text(LINES)
    return tmp_path / "a.log"


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ({"path": "^/api"}, [1, 2, 4, 5]),
        ({"path": "orders/[0-9]+$"}, [1, 4, 5]),
        ({"path": "refresh_token"}, [2, 4, 5]),
        ({"path": r"\?x="}, [4, 5]),
        ({"status": "401"}, [1, 4, 5]),
        ({"status": "4xx, 503"}, [1, 3, 4, 5]),
        ({"status": "200-299,5XX"}, [2, 3, 4, 5]),
        ({"status": "418"}, [4, 5]),
        ({"device": ("ios-1",)}, [1]),
        ({"device": ("ada",)}, [1, 4]),
        ({"device": ("203.0.113.8",)}, [2, 3]),
        ({"device": ("203.0.113.8|okhttp/4",)}, [2]),
        ({"device": ("203.0.113.8|-",)}, [3]),
        ({"device": ("ios-1", "s-1", "nobody")}, [1, 5]),
        ({"device": ("203.0.113.8",), "status": "5xx", "path": "health"}, [3]),
        ({"device": ("203.0.113.8",), "since": "2025-12-25T04:00:02Z"}, [3]),
    ],
    ids=str,
)
def test_what_is_wanted_stays_and_the_rest_is_counted(log, options, lines):
    read = collect([log], Options(**options))
    assert read.events["line_number"].to_list() == lines
    (source,) = read.sources
    assert (source.events, source.filtered, source.rejects) == (len(lines), 5 - len(lines), 0)
    assert source.lines == source.accounted == 5


def test_a_digest_gets_its_own_columns_only(log):
    met = []
    digest = Digest(condense.COLUMNS, lambda events: met.append(tuple(events.columns)))
    into(discover([log]), digest, lambda _taken: None, Options(path="orders"))
    assert met == [condense.COLUMNS]


@pytest.mark.parametrize("agent", ['Café "beta" \\x22', r"Caf\xC3\xA9 \x22beta\x22 \x5Cx22"])
def test_an_agent_is_asked_for_as_it_is_shown_or_as_the_log_has_it(tmp_path, agent):
    line = '203.0.113.7 - - [25/Dec/2025:04:00:0{} +0000] "GET /a HTTP/1.1" 401 5 "-" "{}"\n'
    logged = r"Caf\xC3\xA9 \x22beta\x22 \x5Cx22"
    (tmp_path / "a.log").write_text(line.format(1, logged) + line.format(2, "okhttp/4"))
    assert read_events(tmp_path, device=f"203.0.113.7|{agent}")["line_number"].to_list() == [1]


def test_a_secret_is_asked_for_as_the_log_has_it(tmp_path):
    secret = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLXRoYXQtaXMtbG9uZw"
    (tmp_path / "a.log").write_text(LINES.replace('"ios-1"', f'"{secret}"'))
    (device,) = read_events(tmp_path, device=secret)["device_id"]
    assert device.startswith("redacted:")
    assert read_events(tmp_path, device=device)["line_number"].to_list() == [1]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"path": "("}, "--path: expected a regular expression, found '('"),
        ({"path": ""}, "--path: expected a regular expression, found nothing"),
        ({"status": "4x"}, "--status: expected codes such as 401, 4xx or 200-299"),
        ({"status": "299-200"}, "299 is greater than 200"),
        ({"status": "401,"}, "found '401,'"),
        ({"device": (" ",)}, "--device: expected an id, found nothing"),
    ],
    ids=str,
)
def test_what_cant_be_understood_is_said(log, options, told):
    with pytest.raises(BadValue) as raised:
        collect([log], Options(**options))
    assert told in str(raised.value)


@pytest.mark.parametrize("options", [{"device": "nobody"}, {"since": "2099-01-01"}], ids=str)
def test_nothing_left_is_no_log_without_trouble(log, options):
    with pytest.raises(NothingReadable) as raised:
        analyze(log, **options)
    assert "no event is left" in str(raised.value)
