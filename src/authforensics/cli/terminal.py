"""Owns what goes to standard output: summary and raw results; and whether it is colored."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from authforensics.redact import visible

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from authforensics.document import Document

#: Width where standard output is no terminal.
PIPE_WIDTH = 100
#: Width of a terminal that doesn't tell, and the least that can be read.
UNKNOWN_WIDTH, LEAST_WIDTH = 80, 40


def print_summary(document: Document, report: Path | None, color: str, *, verbose: int, quiet: bool) -> None:
    """The summary on standard output; with `quiet` the verdict alone."""
    if quiet:
        verdict = document.verdict
        print_rich(visible(f"{verdict.severity}: {verdict.headline}"), color, soft_wrap=True)
    else:
        from authforensics.report.console import render

        print_rich(render(document, None if report is None else str(report), verbose), color)


def print_rich(what: RenderableType, color: str, *, soft_wrap: bool = False) -> None:
    """Something drawn on standard output, as wide as it is; text is no markup, and nothing is padded to the right."""
    console = _console(color)
    # Even a captured console writes, if only nothing.
    with _standard_output():
        with console.capture() as captured:
            console.print(what, markup=False, highlight=False, soft_wrap=soft_wrap)
        text = "\n".join(line.rstrip() for line in captured.get().split("\n"))
        print_bytes(text.encode(sys.stdout.encoding or "utf-8", errors="backslashreplace"))


def width() -> int:
    """How many characters a line on standard output has."""
    return _width(sys.stdout.isatty())


def print_bytes(data: bytes) -> None:
    """Exactly `data` on standard output."""
    with _standard_output():
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


@contextmanager
def _standard_output() -> Iterator[None]:
    """A reader that goes away is no error; any other error names what could not be written."""
    try:
        yield
    except BrokenPipeError:
        close_stdout()
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard output") from error


def close_stdout() -> None:
    """Send what is still to come nowhere: its reader went away early (`| head`)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _console(color: str) -> Console:
    from rich.console import Console

    terminal = sys.stdout.isatty()
    colored = color == "always" or (color == "auto" and terminal and not os.environ.get("NO_COLOR"))
    system: Literal["auto", "truecolor"] | None = ("auto" if terminal else "truecolor") if colored else None
    return Console(
        file=sys.stdout,
        color_system=system,
        no_color=not colored,
        force_terminal=colored or None,
        width=_width(terminal),
    )


def _width(terminal: bool) -> int:
    if not terminal and "COLUMNS" not in os.environ:
        return PIPE_WIDTH
    return max(shutil.get_terminal_size((UNKNOWN_WIDTH, 0)).columns, LEAST_WIDTH)
