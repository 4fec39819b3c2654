"""What every test may use: a PostgreSQL of its own for the session, quick or durable."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from timebank.store.embedded import Cluster

pytest_plugins = ["tests.database", "tests.memory", "tests.promised", "tests.skips"]


def pg_bin() -> Path | None:
    """Directory of the PostgreSQL to test with; None is the one that the server would take."""
    named = os.environ.get("TIMEBANK_TEST_PG_BIN")
    return Path(named) if named else None


@pytest.fixture(scope="session")
def cluster(quick_place: Path) -> Iterator[Cluster]:
    """One PostgreSQL for the session that forgets everything in a crash, which makes it quick."""
    with Cluster(quick_place / "quick", durable=False, pg_bin=pg_bin()) as running:
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
    "tests/cli/test_serve.py",
    "tests/faults/",
    "tests/properties/test_a_year_served.py",
    "tests/properties/test_lives_mutants.py",
    "tests/properties/test_negative_controls.py",
    "tests/properties/test_sheets.py",
    "tests/properties/test_stateful.py",
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


#: But these are the ones that run some statement: one of them for each, the cheapest.
BOTH_VERSIONS = (
    # A server of somebody else's is what may be another version: the embedded one is the wheel's.
    "tests/cli/test_serve.py::test_an_outside_server_is_used_when_it_is_named",
    # Killed while it writes, it has what was acknowledged.
    "tests/faults/test_crash.py::test_every_acknowledged_write_is_there_once_after_kill_9[postgres]",
    # What auditors and witnesses sign, and the keys of the former.
    "tests/web/test_checking.py::test_what_an_auditor_signs_is_shown_as_that_and_the_next_closing_names_the_key",
    # The language that somebody chose.
    "tests/web/test_settings.py::test_the_language_follows_the_person_then_the_browser_then_the_group_and_is_sealed",
    # What is late, and duties that nobody vouched for.
    "tests/web/test_today.py::test_a_yes_promises_once_and_part_of_it_when_a_part_is_said",
    # The lines of a period, as pages and as a sheet.
    "tests/web/test_history.py::test_a_sheet_has_every_published_line_once_and_adds_up_to_the_pots",
    # One's own hours and asks, page by page.
    "tests/web/test_home.py::test_all_hours_and_all_asks_are_read_page_by_page",
    # One page of the past.
    "tests/web/test_history.py::test_pages_lead_to_the_pages_beside_them_and_stay_as_they_were",
    # Hours by their ids.
    "tests/web/test_log.py::test_either_side_logs_and_the_pot_answers",
    # One entry about money, and the last ones.
    "tests/web/test_money.py::test_places_open_carry_and_close",
    # Version and clock of the database.
    "tests/web/test_host.py::test_a_host_sees_how_the_machine_is_and_makes_room_for_another_group",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs PostgreSQL, so that it can run once more on another version."""
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        needs_it = names & {"cluster", "durable_cluster"} and not item.nodeid.startswith(ONE_VERSION)
        if needs_it or item.nodeid.startswith(BOTH_VERSIONS):
            item.add_marker(pytest.mark.database)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Tell what journeys cost: nobody is slower than a machine, so their seconds are told and not asserted."""
    told = [
        f"{report.nodeid.rpartition('[')[2].rstrip(']')}: {words}"
        for report in terminalreporter.stats.get("passed", ())
        for name, words in report.user_properties
        if name == "journey"
    ]
    if told:
        terminalreporter.section("journeys")
        for line in told:
            terminalreporter.write_line(line)
