"""Owns `explain`: what a name means."""

from __future__ import annotations

from typing import Annotated

import typer

from authforensics.errors import UnknownName

TOPICS = {"document": "the JSON Schema of the document that --json writes"}


def explain(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="What to explain: document.", show_default=False)
    ] = None,
) -> None:
    """Explain a name: `document` prints the JSON Schema of the result."""
    if name is None:
        for topic, meaning in TOPICS.items():
            typer.echo(f"{topic}  {meaning}")
        return
    if name not in TOPICS:
        raise UnknownName("name", name, TOPICS)
    import json

    from authforensics.document import json_schema

    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
