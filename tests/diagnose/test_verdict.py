"""The sentence at the top: it counts what was refused and claims no more."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from authforensics.diagnose import Tally, diagnose, infer, tally, verdict
from script import play

NOTHING = pl.DataFrame(schema={"timestamp": pl.Datetime("us", "UTC"), "reason": pl.String})
ENDPOINTS = pl.DataFrame(
    schema={"endpoint_class": pl.String, "requests": pl.UInt32, "refused": pl.UInt32, "forbidden": pl.UInt32}
)
NONE = dict.fromkeys(set(Tally.__dataclass_fields__) - {"row", "failing", "ended"}, 0)


def judge(messages: pl.DataFrame = NOTHING, **counts: int) -> tuple[str, str]:
    told = verdict([], Tally(**{**NONE, **counts}), systems=1, told=messages)
    return str(told.severity), told.headline


@pytest.mark.parametrize(
    ("counts", "headline"),
    [
        (
            {"devices": 1, "requests": 20, "accepted": 20},
            "No incident: 1 device, 20 requests; no call was refused for its token.",
        ),
        (
            {"devices": 80, "requests": 12480, "accepted": 900, "refused": 398, "healed": 398},
            "No incident: 80 devices, 12,480 requests; 398 calls refused, all of devices that were accepted again.",
        ),
        (
            {"devices": 1, "requests": 9, "accepted": 8, "refused": 1, "healed": 1, "logins_refused": 1},
            "No incident: 1 device, 9 requests; 1 call refused, of a device that was accepted again; 1 login refused.",
        ),
        (
            {
                "devices": 8,
                "requests": 99,
                "accepted": 9,
                "refused": 9,
                "healed": 5,
                "strangers": 3,
                "logins_refused": 3000,
            },
            (
                "No incident: 8 devices, 99 requests; 9 calls refused, 5 of devices that were accepted again,"
                " 3 of callers without a session, 1 with no call after them to tell; 3,000 logins refused."
            ),
        ),
        (
            {"devices": 8, "requests": 99, "accepted": 9, "refreshes_refused": 7, "refreshes_failed": 5},
            (
                "No incident: 8 devices, 99 requests; no call was refused for its token; 7 refreshes refused;"
                " 5 refreshes without a verdict (5xx, 429, timeout)."
            ),
        ),
        (
            {"devices": 8, "requests": 1000, "accepted": 9, "challenged": 300, "forbidden": 10},
            (
                "No incident: 8 devices, 1,000 requests; no call is known to be refused for its token;"
                " 300 calls answered 401 as container registries and git ask for credentials, not judged;"
                " 10 calls (1%) answered 403 by routes that never answer 401, not judged."
            ),
        ),
        (
            {"devices": 8, "requests": 1000, "accepted": 9, "forbidden": 9},
            "No incident: 8 devices, 1,000 requests; no call was refused for its token.",
        ),
    ],
)
def test_without_an_incident_facts_are_told(counts, headline):
    assert judge(**counts) == ("none", headline)


@pytest.mark.parametrize(
    ("reason", "counts", "severity", "words"),
    [
        ("revoked", {}, "unknown", "No call is known to be refused for its token, but there are 3 messages of revoked"),
        ("token_expired", {}, "none", "for its token. Yet there are 3 messages of token_expired from 2026-03-01 10:00"),
        ("token_expired", {"forbidden": 50}, "unknown", "UTC; 50 calls (50%) answered 403 by routes that never"),
        ("token_expired", {"challenged": 5}, "unknown", "UTC; 5 calls answered 401 as container registries and git"),
        ("revoked", {"refused": 3, "healed": 3}, "none", "3 calls refused, all of devices"),
        ("refresh_revoked", {"refreshes_refused": 3}, "none", "3 refreshes refused"),
        ("other", {}, "none", "no call was refused for its token."),
    ],
)
def test_messages_that_speak_of_tokens_are_no_all_clear(reason, counts, severity, words):
    times = [datetime(2026, 3, 1, 10, minute, tzinfo=UTC) for minute in range(3)]
    messages = pl.DataFrame({"timestamp": times, "reason": [reason] * 3})
    told, headline = judge(messages, **{"devices": 8, "requests": 100, "accepted": 9, **counts})
    assert told == severity
    assert words in headline
    assert judge(messages.head(2), devices=8, requests=100, accepted=9)[0] == "none"
    assert judge(messages, devices=8, requests=100_000, accepted=9)[0] == "none"


def test_where_nothing_is_accepted_nothing_is_claimed():
    severity, headline = judge(devices=2, requests=200, refused=200)
    assert severity == "unknown"
    assert headline.startswith("200 calls refused and none accepted")


def test_without_requests_nothing_is_claimed():
    assert judge()[0] == "unknown"


def test_where_much_is_forbidden_and_nothing_refused_nothing_is_claimed():
    severity, headline = judge(devices=2, requests=200, forbidden=10)
    assert severity == "unknown"
    assert headline.startswith("No call of the API is answered 401, but 10 of 200 calls of 2 devices are answered 403:")
    assert judge(devices=2, requests=200, forbidden=10, accepted=9, refused=1, healed=1)[0] == "none"
    assert judge(devices=2, requests=200, forbidden=9)[0] == "none"


def test_messages_alone_are_counted_by_reason():
    times = [datetime(2026, 3, 1, 10, minute, tzinfo=UTC) for minute in range(4)]
    messages = pl.DataFrame({"timestamp": times, "reason": ["signature_invalid"] * 3 + [None]})
    severity, headline = judge(messages)
    assert severity == "unknown"
    assert "3 messages of signature_invalid from 2026-03-01 10:00:00 to 10:02:00 UTC" in headline
    assert "Add the access log" in headline


def test_what_is_forbidden_always_is_no_refusal_of_a_token(past):
    history, _ = past(play("10:00:00 a api_ok"))
    rows = [("public", 9, 0, 4), ("public", 5, 0, 5), ("api", 9, 2, 3), ("challenge", 9, 6, 1)]
    counted = tally(history, pl.DataFrame(rows, schema=ENDPOINTS.schema, orient="row"))
    assert (counted.forbidden, counted.challenged) == (4, 6)


def test_a_row_of_refreshes_that_fail_is_told(past):
    script = """
    10:00:00 fleet api_ok
    10:10:00 fleet api_denied
    10:10:01 fleet refresh_ok
    10:10:05 fleet api_ok
    10:30:00 fleet api_denied
    10:30:01 fleet refresh_failed
    10:30:20 fleet refresh_failed
    10:50:00 fleet refresh_ok
    10:50:05 fleet api_ok
    """
    history, _ = past(play(script, devices=12, stagger=1))
    told = verdict([], tally(history, ENDPOINTS), systems=1, told=NOTHING)
    assert (
        "24 refreshes of 12 devices in a row did not succeed, from 2026-03-01 10:30:01 to 10:30:31 UTC" in told.headline
    )


def test_refreshes_that_fail_at_one_instance_are_told_with_it(past):
    script = """
    09:55:00 fleet api_ok          upstream=10.0.0.1:80 every=30 times=9
    10:00:00 fleet api_denied      upstream=10.0.0.1:80
    10:00:01 fleet refresh_failed  upstream=10.0.0.2:80 status=500
    10:00:03 fleet refresh_ok      upstream=10.0.0.1:80
    10:00:04 fleet api_ok          upstream=10.0.0.1:80 every=30 times=9
    10:10:00 fleet refresh_ok      upstream=10.0.0.2:80
    """
    history, found = past(play(script, devices=12, stagger=1))
    assert diagnose(history, found, {"case": infer(history.grants, history.devices)}) == []
    told = verdict([], tally(history, ENDPOINTS), systems=1, told=NOTHING).headline
    assert (
        "; 12 refreshes without a verdict (500), 12 of 12 at 10.0.0.2:80 from 2026-03-01 10:00:01 to 10:00:12" in told
    )
    assert told.endswith("UTC, 0 of 10 elsewhere: look there.")
    anywhere, _ = past(play(script.replace("10.0.0.2", "10.0.0.1"), devices=12, stagger=1))
    plain = verdict([], tally(anywhere, ENDPOINTS), systems=1, told=NOTHING).headline
    assert plain.endswith("; 12 refreshes without a verdict (500).")


def test_refreshes_that_fail_now_and_then_are_no_row(past):
    script = "10:00:00 fleet refresh_failed\n10:00:01 fleet refresh_ok"
    history, _ = past(play(script, devices=30, stagger=2))
    assert tally(history, ENDPOINTS).row is None


#: Twenty devices that go on, and five of a region.
REGION = """
10:00:00 fleet login_ok
10:00:05 fleet api_ok every=60 times=30
10:15:02 fleet refresh_ok
"""


def test_sessions_that_end_together_are_told_without_an_incident(past):
    script = "".join(
        f"""
        10:00:0{one} jp-{one} api_ok every=60 times=10
        10:10:0{one} jp-{one} refresh_denied reason=refresh_revoked
        10:10:3{one} jp-{one} login_ok
        10:10:4{one} jp-{one} api_ok every=60 times=20
        """
        for one in range(5)
    )
    history, found = past(play(REGION + script, devices=20, stagger=1))
    assert not found
    headline = verdict([], tally(history, ENDPOINTS), systems=1, told=NOTHING).headline
    assert headline.endswith(
        "; sessions of 5 devices ended together, their refresh refused (refresh_revoked), and began anew,"
        " from 2026-03-01 10:10:00 to 10:10:04 UTC."
    )


def test_sessions_that_end_now_and_then_do_not_end_together(past):
    script = "".join(
        f"""
        10:00:0{one} late-{one} api_ok every=60 times=3
        10:{4 + 5 * one:02}:00 late-{one} refresh_denied reason=refresh_expired
        10:{4 + 5 * one:02}:30 late-{one} login_ok
        10:{4 + 5 * one:02}:40 late-{one} api_ok
        """
        for one in range(5)
    )
    history, _ = past(play(REGION + script, devices=20, stagger=1))
    assert tally(history, ENDPOINTS).ended is None


def test_refusals_that_go_on_of_devices_that_are_all_accepted_again_are_told_so(past):
    script = """
    10:00:00 fleet login_ok
    10:00:05 fleet api_ok
    10:20:00 fleet refresh_ok took=0.1
    10:20:01 fleet api_denied took=0.1 reason=signature_invalid
    10:20:04 fleet refresh_ok took=0.1
    10:20:05 fleet api_denied took=0.1 reason=signature_invalid
    10:20:20 fleet login_ok took=0.1
    10:20:21 fleet api_ok took=0.1
    """
    history, found = past(play(script, devices=12, stagger=5))
    incidents = diagnose(history, found, {"case": infer(history.grants, history.devices)})
    (one,) = incidents
    assert (one.ongoing, one.outcome, one.devices_recovered) == (True, "relieved", 12)
    assert one.summary.endswith("refusals go on when the log ends, but every device was accepted again.")
    headline = verdict(incidents, tally(history, ENDPOINTS), systems=1, told=NOTHING).headline
    assert headline.endswith("all accepted again, but refusals go on.")


#: New tokens are refused for two minutes; two clients go on with the last that they were given then.
STUCK = """
10:00:00 fleet login_ok
10:00:05 fleet api_ok
10:20:00 fleet refresh_ok took=0.1
10:20:01 fleet api_denied took=0.1 reason=signature_invalid
10:22:00 fleet refresh_ok took=0.1
10:22:01 fleet api_ok took=0.1 every=20 times=12
10:00:00 stuck login_ok
10:00:05 stuck api_ok
10:20:00 stuck refresh_ok took=0.1
10:20:01 stuck api_denied took=0.1 reason=signature_invalid every=20 times=18
10:00:01 old login_ok
10:00:06 old api_ok
10:20:02 old refresh_ok took=0.1
10:20:03 old api_denied took=0.1 reason=signature_invalid every=20 times=18
"""


def test_where_new_tokens_are_accepted_again_it_says_since_when(past):
    history, found = past(play(STUCK, devices=9, stagger=5))
    incidents = diagnose(history, found, {"case": infer(history.grants, history.devices)})
    (one,) = incidents
    assert one.outcome == "ongoing"
    said = "new tokens accepted since 2026-03-01 10:22:00 UTC (9 of 9); 2 devices go on with old ones."
    assert one.summary.endswith(said)
    assert one.root_causes[0].remediation.startswith("New tokens are accepted again: have the clients")
    assert verdict(incidents, tally(history, ENDPOINTS), systems=1, told=NOTHING).headline.endswith(f"UTC; {said}")


def test_new_tokens_that_are_refused_now_and_then_are_no_end(past):
    stuck = "\n".join(line for line in STUCK.splitlines() if "fleet" not in line) + "\n"
    script = "\n".join(
        f"10:{minute:02}:00 fleet refresh_ok took=0.1\n10:{minute:02}:01 fleet {event} took=0.1"
        for minute, event in zip(range(5, 26), ["api_denied", "api_ok", "api_ok"] * 7, strict=True)
    )
    history, found = past(play(stuck + script, devices=3, stagger=5))
    told = diagnose(history, found, {"case": infer(history.grants, history.devices)})
    assert told
    assert all(one.renewed is None for one in told)
