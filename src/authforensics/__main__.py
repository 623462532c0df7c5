"""`python -m authforensics` and the console script: hands over to the command line."""

from __future__ import annotations

import atexit
import gc
import os
from typing import NoReturn

from authforensics.cli.signals import stoppable

#: Objects more before unused ones are looked for: what is made here is hardly ever in a cycle.
_OBJECTS = 1_000_000
#: How polars' allocator treats memory that is free again: each block of lines needs as much as the one before, and to
#: give it back to the system in between takes a tenth of the run; to keep it for longer than some blocks, memory. And
#: what one thread has freed is there for all of them.
# Reference: https://jemalloc.net/jemalloc.3.html#opt.dirty_decay_ms, #opt.oversize_threshold, #opt.narenas
_ALLOCATOR = ("_RJEM_MALLOC_CONF", "dirty_decay_ms:1000,oversize_threshold:0,narenas:1")


def tune() -> None:
    """Set how this process treats its memory: before polars is imported."""
    gc.set_threshold(_OBJECTS)
    os.environ.setdefault(*_ALLOCATOR)


def main() -> NoReturn:
    """Run the command line and exit with the code that says how it went."""
    tune()
    # Before all else, for the imports take their time, too.
    with stoppable():
        from authforensics.cli.app import main

        code = main()
    # To take apart all that was loaded would take a fifth of a short run.
    atexit._run_exitfuncs()  # noqa: SLF001 - there is no other name for it
    os._exit(code)


if __name__ == "__main__":
    main()
