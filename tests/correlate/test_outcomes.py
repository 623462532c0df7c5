"""What a request means: the table that is looked up, and the rules it was made of."""

from __future__ import annotations

import polars as pl
import pytest

from authforensics.correlate import outcomes
from authforensics.schema import ENDPOINT_CLASS, REASON, EndpointClass, Reason


def test_what_is_looked_up_is_what_the_rules_say():
    statuses = [*range(600), 600, 777, 999, 1000, 65535, None]
    requests = (
        pl.DataFrame({"endpoint_class": list(EndpointClass)}, schema={"endpoint_class": ENDPOINT_CLASS})
        .join(pl.DataFrame({"status": statuses}, schema={"status": pl.UInt16}), how="cross")
        .join(pl.DataFrame({"reason": [*Reason, None]}, schema={"reason": REASON}), how="cross")
    )
    assert outcomes.auth_events(requests).to_list() == requests.select(outcomes.auth_event()).to_series().to_list()


def meant(endpoint: str, status: int, reason: str | None) -> str:
    row = {"endpoint_class": [endpoint], "status": [status], "reason": [reason]}
    schema = {"endpoint_class": ENDPOINT_CLASS, "status": pl.UInt16, "reason": REASON}
    return outcomes.auth_events(pl.DataFrame(row, schema=schema)).item()


@pytest.mark.parametrize(
    ("endpoint", "status", "reason", "event"),
    [
        # K1: a status that isn't 401, with a reason that is the token's.
        ("api", 403, "token_expired", "api_denied"),
        ("api", 403, "audience_mismatch", "api_denied"),
        ("api", 403, "refresh_revoked", "api_denied"),
        ("api", 403, "other", "forbidden"),
        ("api", 403, None, "forbidden"),
        ("api", 401, "other", "api_denied"),
        ("api", 401, None, "api_denied"),
        # K2: statuses of one product.
        ("api", 422, "signature_invalid", "api_denied"),
        ("api", 422, None, "api_ok"),
        ("api", 422, "other", "api_ok"),
        ("api", 400, "malformed", "api_denied"),
        ("api", 400, "missing_token", "api_anonymous"),
        ("api", 400, None, "ignored"),
        ("api", 419, "token_expired", "api_denied"),
        ("api", 419, "other", "ignored"),
        ("api", 419, None, "ignored"),
        ("api", 440, None, "api_denied"),
        ("api", 498, None, "api_denied"),
        ("api", 404, "token_expired", "api_ok"),
        ("api", 499, "token_expired", "ignored"),
        ("api", 500, "token_expired", "ignored"),
        # K3: a refresh token is refused with 400 as a rule.
        ("refresh", 400, None, "refresh_denied"),
        ("refresh", 409, "refresh_reused", "refresh_denied"),
        ("refresh", 404, "refresh_revoked", "refresh_denied"),
        ("refresh", 419, "refresh_expired", "refresh_denied"),
        ("refresh", 404, None, "refresh_failed"),
        ("refresh", 410, "other", "refresh_failed"),
        ("refresh", 429, "refresh_expired", "refresh_failed"),
        ("refresh", 503, "refresh_expired", "refresh_failed"),
        # K4: the client was refused, not the token.
        ("refresh", 401, "other", "refresh_denied"),
        ("login", 400, "other", "login_denied"),
        # What refuses each first call, as the protocol begins.
        ("challenge", 401, None, "ignored"),
        ("challenge", 401, "missing_token", "ignored"),
        ("challenge", 401, "other", "ignored"),
        ("challenge", 401, "signature_invalid", "api_denied"),
        ("challenge", 403, None, "forbidden"),
        ("challenge", 200, None, "api_ok"),
    ],
)
def test_which_answers_are_refusals(endpoint, status, reason, event):
    assert meant(endpoint, status, reason) == event
