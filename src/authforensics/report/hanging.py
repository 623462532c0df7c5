"""Texts as all terminal output here has them: beside a label, or in one line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

#: However narrow the terminal is, a text gets so many characters.
_NARROWEST = 24


@dataclass(frozen=True)
class Hanging:
    """A text whose further lines stand under its first word, not under its label; nothing is padded to the right."""

    label: Text
    body: Text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """One `Text` a line, wrapped to the width at hand."""
        width = self.label.cell_len
        lines = self.body.wrap(console, max(options.max_width - width, _NARROWEST), overflow="fold")
        for number, line in enumerate(lines):
            line.rstrip()
            yield Text.assemble(self.label if number == 0 else " " * width, line)


def one_line(text: Text) -> Text:
    """The same text, cut off where the line ends."""
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
