"""What is told of tokens in the logs: where, how to stop it, whose keys; the same in every output."""

from __future__ import annotations

import pytest
from documents import healthy, incident

from authforensics.document import Leak, Signer, Tokens
from authforensics.report import html, markdown, tokens

TOLD = Tokens(
    seen=3,
    tried=3,
    unknown=1,
    leaks=(
        Leak(system="shop-api", source="app.log", line_number=4, where="message", tokens=1, lines=1),
        Leak(system="shop-api", source="a.log", line_number=9, where="query", field="jwt", tokens=2, lines=1200),
    ),
    signed_by=(
        Signer(system="shop-api", candidate="env:KEY", tokens=1, kind="configured", how="with a line end"),
        Signer(system="shop-api", candidate="the literal secret", tokens=1, kind="published_default", what="a default"),
    ),
)
DOCUMENT = healthy().model_copy(update={"tokens": TOLD})


def test_places_come_with_the_most_tokens_first_and_say_how_to_stop_it():
    first, second = tokens.places(DOCUMENT)
    assert (first.name, first.tokens, first.lines, first.first) == (
        *("query jwt in a.log", "2 tokens", "1,200 lines", "a.log:9"),
    )
    assert second.name == "message in app.log"
    assert [where for where, _ in tokens.stops(TOLD.leaks)] == ["query", "message"]


def test_keys_that_everybody_knows_come_first():
    first, second = tokens.keys(DOCUMENT)
    assert (first.name, first.whose, first.alarming) == ("the literal secret", "known to everybody: a default", True)
    assert (second.name, second.whose, second.alarming) == ("env:KEY (with a line end)", "yours", False)


def test_more_keys_are_asked_for_only_where_none_was_named():
    assert tokens.summary(TOLD).endswith("Who signed is known of 2 of 3 tried.")
    asked = tokens.summary(TOLD.model_copy(update={"signed_by": ()}))
    assert asked.endswith("name keys with `--env-file`, `--secrets` or `--jwks`.")
    assert tokens.summary(Tokens()) == ""


@pytest.mark.parametrize("render", [html.render, markdown.render])
def test_a_section_is_there_only_where_there_is_something_to_say(render):
    assert "Tokens in the logs" in render(DOCUMENT)
    assert "ACCESS_SECRET is not set here." in render(incident()).replace("\\", "")
    assert "Tokens in the logs" not in render(healthy())
