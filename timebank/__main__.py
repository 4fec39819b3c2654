"""``python -m timebank``: the same as the ``timebank`` command."""

from __future__ import annotations

import sys

from timebank.cli import main

if __name__ == "__main__":
    sys.exit(main())
