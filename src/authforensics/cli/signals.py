"""Owns what a signal to stop does: the run unwinds; where it can't soon enough, it is cleaned up after, and ended."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

SIGNALLED = 128
_WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "hung up"}
#: Seconds that unwinding may take: what is under way in native code and in other threads is not waited for any longer.
_PATIENCE = 0.5
#: Seconds that a signal waits for what must not be torn apart.
_LONGEST = 6.0
#: What the files of polars have in their paths.
_POLARS = f"{os.sep}polars{os.sep}"

#: The signals to stop that have arrived, and whether what is under way has been told.
_arrived: list[int] = []
_told: list[int] = []
_cleaning: list[Callable[[], None]] = []
_whole = threading.Lock()
_ended = threading.Lock()


class Stopped(BaseException):
    """A signal to stop arrived: unwinds what is under way, so that no partial file stays behind."""


def stopping() -> bool:
    """Whether a signal to stop has arrived."""
    return bool(_arrived)


@contextmanager
def cleaned_by(remove: Callable[[], None]) -> Iterator[None]:
    """Calls `remove` at the end, however that comes about; it may be called more than once, and from another thread."""
    _cleaning.append(remove)
    try:
        yield
    finally:
        remove()
        _cleaning.remove(remove)


@contextmanager
def undivided() -> Iterator[None]:
    """Done whole or not at all: a signal waits. For what is short."""
    with _whole:
        if _arrived:
            raise Stopped
        yield
    if _arrived:
        raise Stopped


@contextmanager
def stoppable() -> Iterator[None]:
    """Ends the process with 128 and the signal's number where one arrives, one line said and nothing left behind."""
    try:
        try:
            _handle(_listen())
            yield
        finally:
            if _arrived:
                raise Stopped
            if not _ended.acquire(blocking=False):
                _end_once()
    except (Stopped, KeyboardInterrupt):
        # Native code has a handler of its own for Ctrl-C, and may have been the quicker.
        _arrived.append(signal.SIGINT)
        _end_once()


def handle_again() -> None:
    """Take the signals back from a library that has taken them."""
    _handle([number for number in numbers() if signal.getsignal(number) is not signal.SIG_IGN])


def numbers() -> list[signal.Signals]:
    """The signals that end a run."""
    return [signal.Signals[name] for name in _WORDS if name in signal.Signals.__members__]


def _handle(numbers: list[signal.Signals]) -> None:
    for number in numbers:
        signal.signal(number, _stop)


def _stop(signum: int, frame: FrameType | None) -> None:
    _arrived.append(signum)
    # A second signal must not cut the cleaning up short.
    if _told or _ended.locked():
        return
    _told.append(signum)
    # Native code may have called what polars has in Python, and would tell all the world of its panic.
    called = frame is not None and _POLARS in frame.f_code.co_filename
    if not _whole.locked() and not called:
        raise Stopped


def _listen() -> list[signal.Signals]:
    """Have a thread told of every signal: the main thread may be in native code, where no handler runs."""
    # What the caller ignores, as `nohup` does, stays ignored.
    caught = [number for number in numbers() if signal.getsignal(number) is not signal.SIG_IGN]
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reading, set(caught)), name="signals", daemon=True).start()
    sys.unraisablehook = _unraisable
    return caught


def _watch(reading: int, numbers: set[signal.Signals]) -> None:
    while (signum := os.read(reading, 1)[0]) not in numbers:
        pass
    _arrived.append(signum)
    time.sleep(_PATIENCE)
    _whole.acquire(timeout=_LONGEST)
    _end_once()


def _unraisable(told: UnraisableHookArgs) -> None:
    """Say nothing of a `Stopped` that was raised where nothing can be: the thread that watches ends the run."""
    if not issubclass(told.exc_type, Stopped):
        sys.__unraisablehook__(told)


def _end_once() -> None:
    """End the process, or let the thread that is about to."""
    if _ended.acquire(blocking=False):
        _end(_arrived[0])
    time.sleep(60)


def _end(signum: int) -> NoReturn:
    for remove in reversed(_cleaning):
        with suppress(Exception):
            remove()
    # Straight to the terminal, which may be gone: whoever was interrupted may hold the lock of the stream.
    with suppress(OSError):
        os.write(2, f"authforensics: error: {_WORDS[signal.Signals(signum).name]}\n".encode())
    # Threads in native code are not waited for.
    os._exit(SIGNALLED + signum)
