"""`python -m authforensics` and the console script: hands over to the command line."""

from __future__ import annotations

from typing import NoReturn

from authforensics.cli.signals import stoppable


def main() -> NoReturn:
    """Run the command line and exit with the code that says how it went."""
    # Before all else, for the imports take their time, too.
    with stoppable():
        from authforensics.cli.app import main

        main()


if __name__ == "__main__":
    main()
