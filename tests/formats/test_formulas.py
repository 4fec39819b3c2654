"""What a spreadsheet would run leaves as text, and comes back as it was."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from timebank.formats.formulas import defused, undefused

RISKY = "=+-@\t\r\0"


@pytest.mark.parametrize("sign", RISKY)
def test_a_cell_that_would_run_gets_a_mark(sign: str) -> None:
    assert defused(f"{sign}1+1") == f"'{sign}1+1"
    assert undefused(f"'{sign}1+1") == f"{sign}1+1"


@pytest.mark.parametrize("cell", ["", "Ada", "'t Hooft", "1+1", "''", "'", "a=b", " =1"])
def test_any_other_cell_stays_as_it_is(cell: str) -> None:
    assert defused(cell) == cell
    assert undefused(cell) == cell


@given(st.text() | st.text(alphabet=f"'{RISKY}a"))
@example("'=1")
@example("''=1")
@example("'")
def test_whatever_it_is_it_comes_back_and_never_begins_with_a_risk(cell: str) -> None:
    assert undefused(defused(cell)) == cell
    assert not defused(cell).startswith(tuple(RISKY))
