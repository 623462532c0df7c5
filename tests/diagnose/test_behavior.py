"""Behavior of app versions: who refreshes once and then logs in does right; what others do is counted, each kind."""

from __future__ import annotations

import polars as pl
import pytest

from authforensics.correlate import Options, correlate
from authforensics.diagnose import behavior
from script import ENDPOINTS, play

#: Somebody refreshes, and the log goes on.
OTHERS = "\n08:00:00 other refresh_ok\n12:00:00 other api_ok\n"
FLAGS = ("refreshed_again", "looped", "never_refreshed", "kept_calling", "kept_writing", "unauthenticated")


def observed(text: str, devices: int = 1) -> tuple[pl.DataFrame, pl.DataFrame]:
    sessions = correlate(play(text + OTHERS, devices), Options(endpoints=ENDPOINTS)).sessions
    return behavior.observe(sessions), sessions.counts


def clients(text: str, devices: int = 1):
    seen, counts = observed(text, devices)
    return behavior.merge([seen], counts)[0]


def only(text: str):
    (client,) = clients(text)
    return client


@pytest.mark.parametrize(
    "after",
    [
        "09:10:01 a refresh_ok\n09:10:02 a api_ok",
        "09:10:01 a refresh_denied\n09:10:20 a login_ok\n09:10:30 a api_ok",
        "09:10:01 a refresh_denied",  # then silence: the login is shown, nobody logs in
        "09:10:01 a refresh_ok\n09:10:02 a api_denied reason=signature_invalid\n09:10:30 a login_ok\n09:10:31 a api_ok",
        "09:10:01 a refresh_denied\n09:10:01 a api_denied took=3\n09:10:20 a login_ok\n09:10:30 a api_ok",  # in flight
        "09:10:01 a refresh_failed\n09:10:31 a refresh_ok\n09:10:32 a api_ok",  # no verdict: to try again is right
        "09:10:05 a login_ok\n09:10:06 a api_ok",
    ],
)
def test_right(after):
    client = only(f"09:00:00 a api_ok\n09:10:00 a api_denied\n{after}")
    assert (client.devices, client.right, client.wrong, client.undecided) == (1, 1, 0, 0)


@pytest.mark.parametrize(
    ("after", "flags"),
    [
        ("09:10:01 a refresh_denied every=30 times=4", {"refreshed_again"}),
        (
            "09:10:01 a refresh_ok every=30 times=3\n09:10:06 a api_denied reason=signature_invalid every=30 times=3",
            {"refreshed_again", "looped"},
        ),
        ("09:10:30 a api_denied every=30 times=5", {"never_refreshed"}),
        ("09:10:01 a refresh_denied\n09:10:30 a api_denied every=30 times=5", {"kept_calling"}),
        ("09:10:01 a refresh_denied\n09:10:30 a write_denied every=30 times=5", {"kept_calling", "kept_writing"}),
        (
            "09:10:01 a refresh_denied\n09:10:30 a api_anonymous every=30 times=5",
            {"kept_calling", "unauthenticated"},
        ),
    ],
)
def test_wrong(after, flags):
    client = only(f"09:00:00 a api_ok\n09:10:00 a api_denied\n{after}")
    assert {name for name in FLAGS if getattr(client, name)} == flags
    assert (client.devices, client.right, client.wrong) == (1, 0, 1)


@pytest.mark.parametrize("after", ["", "09:10:02 a api_denied\n", "12:00:00 a refresh_denied"])
def test_what_the_log_does_not_show_is_not_judged(after):
    client = only(f"09:00:00 a api_ok\n09:10:00 a api_denied\n{after}")
    assert (client.devices, client.undecided) == (1, 1)


def test_who_always_logs_in_again_never_refreshes_where_others_do():
    text = "09:00:00 a api_ok\n" + "".join(
        f"09:{n}0:00 a api_denied\n09:{n}0:10 a login_ok\n09:{n}0:20 a api_ok\n" for n in (1, 2, 3)
    )
    seen, counts = observed(text)
    (client,), _ = behavior.merge([seen], counts)
    assert (client.right, client.never_refreshed, client.wrong) == (0, 1, 1)
    (client,), _ = behavior.merge([seen], counts.filter(pl.col("auth_event") != "refresh_ok"))
    assert (client.right, client.never_refreshed, client.wrong) == (1, 0, 0)


def test_callers_without_a_session_are_no_clients():
    assert clients("09:00:00 scanner api_denied every=1 times=50") == ()


def test_each_version_is_counted_by_itself_as_it_was_when_it_was_refused():
    text = """
    09:00:00 a api_ok version=1 platform=ios
    09:10:00 a api_denied version=1 platform=ios
    09:10:01 a refresh_denied every=30 times=4 version=1 platform=ios
    10:00:00 a login_ok version=2 platform=ios
    10:00:01 a api_ok version=2 platform=ios
    10:30:00 a api_denied version=2 platform=ios
    10:30:01 a refresh_ok version=2 platform=ios
    10:30:02 a api_ok version=2 platform=ios
    """
    old, new = clients(text)
    assert (old.app_version, old.wrong, new.app_version, new.right) == ("1", 1, "2", 1)


def test_partitions_add_up():
    text = "09:00:00 fleet api_ok\n09:10:00 fleet api_denied\n09:10:01 fleet refresh_denied every=30 times=4"
    whole, counts = observed(text, devices=4)
    parts = [observed(text, devices=2)[0], observed(text, devices=2)[0]]
    assert behavior.merge(parts, counts) == behavior.merge([whole], counts)
