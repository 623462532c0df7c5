"""`python -m authforensics` and the console script: hands over to the command line."""

from __future__ import annotations

from authforensics.cli.app import main

if __name__ == "__main__":
    main()
