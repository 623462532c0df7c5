"""Owns the progress drawn on standard error, by a thread of its own: the run only leaves word of how far it is."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from authforensics.cli.signals import cleaned_by
from authforensics.redact import visible

if TYPE_CHECKING:
    from rich.progress import Progress

    from authforensics.collect import Step

#: Seconds before anything is drawn, and between two drawings.
_PATIENCE, _PAUSE = 1.0, 0.2
#: Seconds that the end waits for the last drawing: the terminal may stand still.
_LONGEST = 0.5
_BAR_WIDTH = 12


class Bar:
    """How far the run is: a bar while objects are fetched and files are read, then what is being done."""

    def __init__(self, color: str = "auto") -> None:
        self._plain = color == "never"
        self._step: Step | None = None
        self._doing: str | None = None
        self._began = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._draw, name="progress", daemon=True)

    def start(self) -> None:
        """Draw, from a second on and until `close`."""
        self._thread.start()

    def close(self) -> None:
        """Wipe it out."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(_LONGEST)

    def step(self, step: Step) -> None:
        """Files are being fetched or read: what the pipeline calls."""
        if self._step is not None and self._step.fetching and not step.fetching:
            self._began = time.monotonic()
        self._step = step

    def doing(self, what: str) -> None:
        """Something else is being done."""
        self._doing = what

    def told(self) -> tuple[str, int, int | None]:
        """What is to be drawn: a text; bytes done and all bytes, None where there is nothing to count."""
        step, doing = self._step, self._doing
        if doing is None and step is not None and step.files < step.all_files:
            rate = step.size / (time.monotonic() - self._began)
            return _inputs(step, rate), step.size, step.all_size
        return doing or ("reading" if step is None or step.fetching else "studying devices"), 0, None

    def _draw(self) -> None:
        if self._over.wait(_PATIENCE):
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
        from rich.table import Column

        console = Console(stderr=True, no_color=self._plain or None)
        if console.is_dumb_terminal:
            return
        text = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis"))
        columns = (SpinnerColumn(), BarColumn(_BAR_WIDTH), text)
        # The main thread has the streams; the terminal may be gone.
        with (
            suppress(OSError),
            Progress(
                *columns,
                console=console,
                transient=True,
                auto_refresh=False,
                redirect_stdout=False,
                redirect_stderr=False,
            ) as drawn,
        ):
            self._keep_showing(drawn)

    def _keep_showing(self, drawn: Progress) -> None:
        task = drawn.add_task("reading", total=None)
        while not self._over.wait(_PAUSE):
            text, done, total = self.told()
            if (total is None) != (drawn.tasks[0].total is None):
                # A task that counted can't go back to counting nothing.
                drawn.remove_task(task)
                task = drawn.add_task(text, total=total)
            drawn.update(task, description=text, completed=done, refresh=True)


@contextmanager
def progress_bar(*, enabled: bool, color: str = "auto") -> Iterator[Bar | None]:
    """A bar that is drawn while this lasts; None where standard error is no terminal or none is wanted."""
    if not (enabled and sys.stderr.isatty()):
        yield None
        return
    bar = Bar(color)
    with cleaned_by(bar.close):
        bar.start()
        yield bar


def _inputs(step: Step, rate: float) -> str:
    """What matters most comes first: a narrow terminal cuts the rest."""
    from rich.filesize import decimal

    told = [f"{'fetched ' if step.fetching else ''}{decimal(step.size)} of {decimal(step.all_size)}"]
    if rate:
        left = timedelta(seconds=round((step.all_size - step.size) / rate))
        told += [f"{decimal(int(rate))}/s", f"{left} left"]
    if step.all_files > 1:
        told.append(f"{step.files} of {step.all_files} files done")
    return ", ".join([*told, visible(step.source)])
