"""Owns `ruby`: what Ruby's Logger puts in front of objects, as those of lograge in Rails."""

from __future__ import annotations

from authforensics.collect.in_words import RUBY
from authforensics.collect.peel_text import by_pattern
from authforensics.collect.wrapper import Wrapper

# Reference: https://api.rubyonrails.org/classes/ActiveSupport/TaggedLogging.html
_LINE = rf"^{RUBY}(?:\[[^\]]*\] ?)*(?P<inner>\{{\".*)$"


WRAPPER = Wrapper(
    name="ruby",
    title="Ruby's Logger in front of objects: lograge",
    samples=('I, [2026-03-01T10:02:03.123456 #17]  INFO -- : {"method":"GET","path":"/","status":200}',),
    prepare=by_pattern(_LINE),
    taken="if known",
)
