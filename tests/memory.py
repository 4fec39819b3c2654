"""Where tests keep what need not last: in memory, where this machine has room for it.

A database is nearly a thousand files and most tests make one; on a disk that takes three times as long, and most of it
is spent in the kernel. ``--basetemp`` has its way.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

MEMORY: Final = Path("/dev/shm")
#: Bytes: each of the workers has about a hundred MB there, and the largest tests some hundreds more.
ROOM: Final = 4 << 30

_made = pytest.StashKey[Path]()


def memory() -> str:
    """Return the directory for what need not last; containers often have a few MB of memory there only."""
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM:
        return str(MEMORY)
    return "/tmp"


@contextmanager
def open_to_all(where: str) -> Iterator[Path]:
    """A directory that every user can enter, as PostgreSQL's needs; pytest's own are closed to all but its user."""
    # The short name leaves room for the path of a socket.
    place = Path(tempfile.mkdtemp(prefix="timebank-test-", dir=where))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A directory on disk, for servers that are tried as they are used."""
    with open_to_all("/tmp") as place:
        yield place


@pytest.fixture(scope="session")
def quick_place() -> Iterator[Path]:
    """A directory like ``scratch``, in memory where there is room."""
    with open_to_all(memory()) as place:
        yield place


def pytest_configure(config: pytest.Config) -> None:
    """Let directories of tests be there, too; workers get theirs from whoever started them."""
    if config.option.basetemp is None and not hasattr(config, "workerinput"):
        config.stash[_made] = Path(tempfile.mkdtemp(prefix="tb-", dir=memory()))
        config.option.basetemp = str(config.stash[_made] / "t")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing in memory."""
    if (made := config.stash.get(_made, None)) is not None:
        shutil.rmtree(made, ignore_errors=True)
