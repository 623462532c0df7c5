"""No text holds up `authforensics token`: a million characters of any kind are read within 50 ms of processor time."""

from __future__ import annotations

import time

import pytest

from authforensics.tokens import read
from tokens.huge import HUGE

pytestmark = pytest.mark.bench


@pytest.mark.parametrize("name", HUGE)
def test_a_million_characters_take_no_time(name):
    text, took = HUGE[name](1_000_000), []
    for _ in range(3):
        before = time.process_time()
        read(text)
        took.append(time.process_time() - before)
    assert min(took) < 0.05
