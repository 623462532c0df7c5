"""Calls in which the server saw no credential: refused where the device held one, anonymous where it did not."""

from __future__ import annotations

import pytest

from authforensics.correlate import Options, correlate
from script import ENDPOINTS, play


def taken_for(script: str) -> list[str]:
    """What each call without a credential is taken for: in order of device and time."""
    events = correlate(play(script), Options(endpoints=ENDPOINTS)).sessions.events
    missing = events.filter(events["reason"].cast(str) == "missing_token")
    return missing["auth_event"].to_list()


DENIED, ANONYMOUS = "api_denied", "api_anonymous"


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        pytest.param(
            """
            10:00:00 a api_ok path=/api/feed
            10:01:00 a api_anonymous path=/api/items
            10:02:00 a api_ok path=/api/feed
            """,
            [DENIED],
            id="accepted before and after",
        ),
        pytest.param(
            """
            10:00:00 a login_ok took=0.1
            10:00:05 a api_anonymous took=0.1
            10:00:06 a refresh_ok took=0.1
            10:00:07 a api_anonymous took=0.1
            10:50:00 a api_anonymous took=0.1
            """,
            [DENIED, DENIED, DENIED],
            id="tokens just given are never seen",
        ),
        pytest.param(
            """
            10:00:00 a api_ok path=/api/feed took=0.1
            10:01:00 a api_anonymous path=/api/items took=0.1
            10:01:01 a refresh_ok took=0.1
            10:01:02 a api_anonymous path=/api/items took=0.1
            10:01:03 a api_ok path=/api/feed took=0.1
            10:01:04 a api_anonymous path=/api/items took=0.1
            """,
            [DENIED, DENIED, DENIED],
            id="what holds for a route holds for its calls of that session",
        ),
        pytest.param(
            """
            10:00:00 a login_ok
            10:00:05 a api_ok
            10:15:05 a api_anonymous
            10:15:35 a api_anonymous
            10:16:00 a login_ok
            10:16:05 a api_ok
            """,
            [ANONYMOUS, ANONYMOUS],
            id="the cookie is gone, and a login follows",
        ),
        pytest.param(
            """
            10:00:00 a api_ok
            10:15:05 a api_anonymous
            10:15:06 a refresh_ok
            10:15:07 a api_ok
            """,
            [ANONYMOUS],
            id="a page that keeps its token in memory asks for a new one",
        ),
        pytest.param(
            """
            10:00:00 a api_anonymous
            10:00:05 a login_ok
            10:00:09 a api_ok
            10:05:00 a logout
            10:05:05 a api_anonymous
            10:06:00 a login_ok
            10:06:04 a api_ok
            """,
            [ANONYMOUS, ANONYMOUS],
            id="before the login and after the logout",
        ),
        pytest.param(
            """
            10:00:00 a login_ok
            11:00:00 a api_anonymous
            11:00:20 a login_ok
            """,
            [ANONYMOUS],
            id="first used when it may be gone",
        ),
        pytest.param(
            """
            10:00:00 a api_ok
            10:00:30 b api_anonymous
            10:01:00 c api_ok
            """,
            [ANONYMOUS],
            id="others' sessions prove nothing",
        ),
    ],
)
def test_a_call_without_a_credential_is_refused_where_its_device_held_one(script, expected):
    assert taken_for(script) == expected
