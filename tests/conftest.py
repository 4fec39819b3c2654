"""What every test may use: a PostgreSQL of its own for the session, quick or durable."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from timebank.store.embedded import Cluster

pytest_plugins = ["tests.database", "tests.promised"]


def pg_bin() -> Path | None:
    """Directory of the PostgreSQL to test with; None is the one that the server would take."""
    named = os.environ.get("TIMEBANK_TEST_PG_BIN")
    return Path(named) if named else None


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A directory for clusters that every user can enter; pytest's own are closed to all but its user."""
    # The short name leaves room for the path of a socket.
    place = Path(tempfile.mkdtemp(prefix="timebank-test-", dir="/tmp"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(scratch: Path) -> Iterator[Cluster]:
    """One PostgreSQL for the session that forgets everything in a crash, which makes it quick."""
    with Cluster(scratch / "quick", durable=False, pg_bin=pg_bin()) as running:
        yield running


@pytest.fixture(scope="session")
def durable_cluster(scratch: Path) -> Iterator[Cluster]:
    """One PostgreSQL for the session with the settings of a real server."""
    with Cluster(scratch / "durable", pg_bin=pg_bin()) as running:
        yield running


#: Needs PostgreSQL, and says nothing of its version: no statement runs here that nothing else runs.
ONE_VERSION = (
    "tests/browser/",
    "tests/web/",
    "tests/cli/test_bench.py",
    "tests/properties/test_a_year_served.py",
    "tests/properties/test_lives_mutants.py",
    "tests/properties/test_sheets.py",
    "tests/properties/test_tampering.py",
    "tests/services/test_import_torture.py",
    "tests/services/test_two_worlds.py",
    *[
        f"tests/api/test_{name}.py"
        for name in (
            "bodies",
            "canaries",
            "conditions",
            "description",
            "different_people",
            "examples",
            "forgotten",
            "generated_client",
            "matrix",
            "pages_of_docs",
            "precedence",
            "provoked",
            "schema_fuzz",
            "sockets",
            "wrong_types",
        )
    ],
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs PostgreSQL, so that it can run once more on another version."""
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        if item.nodeid.startswith(ONE_VERSION):
            continue
        if names & {"cluster", "durable_cluster"}:
            item.add_marker(pytest.mark.database)
