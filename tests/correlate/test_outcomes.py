"""What a request means: the table that is looked up, and the rules it was made of."""

from __future__ import annotations

import polars as pl

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
