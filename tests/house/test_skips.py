"""No test is left out where everything must run, however it would be left out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.skips import UNAVOIDABLE

ROOT = Path(__file__).parents[2]
#: One test of each way to be left out, and one that runs.
TESTS = f"""
import pytest

def test_runs():
    pass

@pytest.mark.skipif(True, reason="no hledger here")
def test_marked():
    pass

@pytest.fixture
def browser():
    pytest.skip("no browser here")

def test_without_its_fixture(browser):
    pass

def test_gives_up():
    pytest.skip("no socket here")

@pytest.mark.xfail(reason="known")
def test_fails_as_expected():
    assert False

@pytest.mark.skipif(True, reason={min(UNAVOIDABLE)!r})
def test_cannot_be_here():
    pass
"""
WHOLE_FILE = "import pytest\npytest.importorskip('no_such_package_at_all')\n"


@pytest.mark.parametrize(
    ("skips", "told"),
    [
        ("none", "1 passed, 1 skipped, 1 xfailed, 1 failed, 3 errors"),
        ("", "1 passed, 5 skipped, 1 xfailed"),
    ],
)
def test_what_is_skipped_has_failed_where_nothing_may_be(tmp_path: Path, skips: str, told: str) -> None:
    (tmp_path / "test_each.py").write_text(TESTS, encoding="utf-8")
    (tmp_path / "test_file.py").write_text(WHOLE_FILE, encoding="utf-8")

    pytest_here = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [*pytest_here, "-p", "tests.skips", "-p", "no:cacheprovider", "--continue-on-collection-errors", "."],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TIMEBANK_TEST_SKIPS": skips},
        capture_output=True,
        text=True,
        check=False,
    )

    last = done.stdout.strip().splitlines()[-1].partition(" in ")[0]
    assert sorted(last.split(", ")) == sorted(told.split(", ")), done.stdout
    assert (done.returncode == 0) == (skips == "")
    assert ("no_such_package_at_all" in done.stdout) == bool(skips)


def test_the_machine_that_says_whether_a_change_is_good_lets_nothing_be_skipped() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")

    assert "export TIMEBANK_TEST_SKIPS=none\n" in script
