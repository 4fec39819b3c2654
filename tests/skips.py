"""Skipped tests: where ``TIMEBANK_TEST_SKIPS=none`` stands, one that is skipped has failed.

Whoever has no hledger or no browser can still run the rest; a machine that says whether a change is good cannot
leave anything out without saying so. What can apply nowhere but elsewhere is named in ``UNAVOIDABLE``.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Final

import pytest

#: Reasons that no package and no setting takes away, and why.
UNAVOIDABLE: Final = {
    # One user runs the tests, and each of the two kinds of users has something that the other one lacks.
    "root's server belongs to the service user, who has no session",
    "only root has a service user",
    # The kernel decides that; in some containers it is turned off.
    "this system does not share processors by session",
}

_Report = pytest.TestReport | pytest.CollectReport


def none_may_be_skipped() -> bool:
    """Whether each test has to run."""
    return os.environ.get("TIMEBANK_TEST_SKIPS") == "none"


def reason_of(report: _Report) -> str:
    """Return why something was skipped, in the words of whoever wrote it."""
    said = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return said.removeprefix("Skipped: ")


def judge(report: _Report) -> None:
    """Make a failure of what was skipped for a reason that can be taken away."""
    # What is expected to fail, and does, has run; pytest calls it skipped as well.
    if not report.skipped or hasattr(report, "wasxfail") or not none_may_be_skipped():
        return
    reason = reason_of(report)
    if reason not in UNAVOIDABLE:
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped, and TIMEBANK_TEST_SKIPS=none: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Look at each test."""
    report = yield
    judge(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Look at each file that as a whole may be skipped."""
    report = yield
    judge(report)
    return report
