"""How many examples a property draws: a share of those of the profile, so that `make fuzz` draws more of all."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import HealthCheck, settings


def examples(share: float, suppress: Sequence[HealthCheck] = ()) -> settings:
    """So much of what the profile draws, at least two: less than all where an example takes long."""
    return settings(max_examples=max(2, round(settings().max_examples * share)), suppress_health_check=suppress)
