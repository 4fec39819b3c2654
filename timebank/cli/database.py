"""The database that a command works on: an outside server, the one that runs here, or one started for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from timebank.config import Settings
from timebank.store.embedded import Cluster, ClusterInUse

Dsn = Callable[[str], dict[str, Any]]


@contextmanager
def open_database(settings: Settings, *, alone: bool = False) -> Iterator[Dsn]:
    """Give what connects to the database as a role, for as long as the command runs.

    Call it from the main thread and outside any event loop: a server of our own is started here
    when none runs in the home, and stopped in the end.

    Args:
        alone: Refuse when another process runs the server in this home already.

    Raises:
        ClusterInUse: ``alone``, and another process has it.
        ClusterError: The server of our own does not start.
    """
    if not settings.embedded:
        yield settings.dsn
        return
    cluster = Cluster(settings.home, pg_bin=settings.pg_bin, name=settings.home_name)
    try:
        cluster.start()
    except ClusterInUse:
        if alone:
            raise
        yield cluster.dsn
        return
    try:
        yield cluster.dsn
    finally:
        cluster.stop()
