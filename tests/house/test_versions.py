"""What is named as running on one version of PostgreSQL only, or on both all the same, is there.

A name that nothing has any more would be passed over in silence.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import BOTH_VERSIONS, ONE_VERSION

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("place", ONE_VERSION)
def test_what_is_left_to_one_version_is_there(place: str) -> None:
    assert (ROOT / place).exists()


@pytest.mark.parametrize("name", BOTH_VERSIONS)
def test_what_runs_on_both_versions_is_there_and_would_be_left_to_one(name: str) -> None:
    place, _, test = name.partition("::")
    assert place.startswith(ONE_VERSION)
    assert f"def {test.partition('[')[0]}(" in (ROOT / place).read_text(encoding="utf-8")
