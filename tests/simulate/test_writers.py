"""Every log writer against our own reader: what is read is what was simulated, line by line."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from authforensics import simulate
from authforensics.simulate.scenario import Logs
from authforensics.simulate.writer import DEVICE_ID, MILLISECONDS, REQUEST_ID, writers
from collecting import collect
from simulate_small import SMALL

ACCESS = [name for name, writer in writers().items() if not writer.application]
APPLICATION = [name for name, writer in writers().items() if writer.application]


def test_the_formats_of_access_and_application_logs():
    assert set(ACCESS) == {"combined", "nginx_json", "alb", "haproxy", "envoy_json", "ltsv"}
    assert set(APPLICATION) == {"pino", "php", "python"}


@pytest.mark.parametrize("resolution", ["ms", "s"])
@pytest.mark.parametrize("name", ACCESS)
def test_an_access_log_is_read_as_the_requests_that_were_made(name, resolution, tmp_path):
    writer = writers()[name]
    SMALL.write(tmp_path, Logs(format=name, application=None, resolution=resolution))
    read = collect([str(tmp_path / "logs")])
    (source,) = read.sources
    assert source.format == writer.reads
    assert (source.lines, source.events, source.rejects) == (len(SMALL.written), len(SMALL.written), 0)
    events = read.events.sort("line_number")
    written = SMALL.written
    for column, expected in {
        "status": [one.status for one in written],
        "method": [one.method for one in written],
        "client_ip": [one.address for one in written],
        "user_agent": [one.agent for one in written],
    }.items():
        assert events[column].cast(pl.String).to_list() == [str(value) for value in expected], column
    assert events["path"].to_list() == [one.path.partition("?")[0] for one in written]
    _same_times(events, written, exact=resolution == "ms" and MILLISECONDS in writer.tells)
    _same_ids(events, written, writer)


def _same_times(events, written, *, exact):
    tolerance = timedelta(milliseconds=3) if exact else timedelta(seconds=1.001)
    start = SMALL.scenario.start
    for read, one in zip(events["timestamp"], written, strict=True):
        assert abs(read - (start + timedelta(seconds=one.ended))) <= tolerance


def _same_ids(events, written, writer):
    if DEVICE_ID in writer.tells:
        assert events["device_id"].cast(pl.String).to_list() == [one.actor.device_id for one in written]
    else:
        assert events["device_id"].null_count() == len(written)
    if REQUEST_ID in writer.tells:
        assert events["request_id"].n_unique() == len(written)


@pytest.mark.parametrize("name", APPLICATION)
def test_an_application_log_is_read_as_what_the_servers_refused(name, tmp_path):
    SMALL.write(tmp_path, Logs(application=name))
    (tmp_path / "logs" / "access.log").unlink()
    read = collect([str(tmp_path / "logs")])
    (source,) = read.sources
    said = [one for one in SMALL.written if writers()[name].line(one, _page()) is not None]
    assert source.format == writers()[name].reads
    assert (source.lines, source.events, source.rejects) == (len(said), len(said), 0)
    assert {one.request_id for one in SMALL.written if one.explained and one.instance} <= {
        one.request_id for one in said
    }


def _page():
    from authforensics.simulate.writer import Page

    return Page(SMALL.scenario.start, frozenset())


def test_the_reasons_that_applications_tell_are_read_as_those_that_servers_had():
    from authforensics.correlate.reasons import classify
    from authforensics.schema import Reason
    from authforensics.simulate.writer import JSONWEBTOKEN, PHP_JWT, PYJWT, REFRESH

    for words in (JSONWEBTOKEN, PYJWT, PHP_JWT, REFRESH):
        for reason, text in words.items():
            if reason is not Reason.OTHER:
                assert classify(pl.Series([text])).to_list() == [reason.value], text


def test_no_token_is_in_a_log_unless_a_scenario_puts_it_there(tmp_path):
    assert all(one.token is None and "token=" not in one.path for one in SMALL.written)


def test_tokens_in_addresses_are_signed_with_the_key_that_they_name():
    import jwt

    from authforensics.simulate.credentials import _TUTORIAL_KEY, TUTORIAL

    shown = [one.token for one in simulate.simulate("default_secret").written if one.token]
    named = [token for token in shown if jwt.get_unverified_header(token)["kid"] == TUTORIAL]
    assert 0 < len(named) < len(shown)
    claims = jwt.decode(named[0], _TUTORIAL_KEY, ["HS256"], audience="api", options={"verify_exp": False})
    assert claims["exp"] - claims["iat"] == 900
    other = next(token for token in shown if token not in named)
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(other, _TUTORIAL_KEY, ["HS256"], audience="api", options={"verify_exp": False})
