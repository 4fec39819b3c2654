"""What a spreadsheet would run leaves as text, and comes back as it was."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.formats.sheet import faults_of, lines_of, read
from timebank.formats.cells import FORMULA
from timebank.formats.formulas import defused, is_live, undefused
from timebank.rules.sheets import Fault

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


@pytest.mark.parametrize(
    "cell",
    ["=1", "=HYPERLINK(1)", "+A1", "-ada", "@SUM(A1)", "@'x'", '-"x"', "=+cmd|' /C calc'!A0", "-+(A1)", "@é"],
)
def test_what_a_spreadsheet_would_run_is_live_and_with_the_mark_it_is_text(cell: str) -> None:
    assert is_live(cell)
    assert not is_live(undefused(defused(cell)))


@pytest.mark.parametrize(
    "cell", ["", "Ada", "-5", "+34 600 123 456", "-12/7", "@", "-", "+ 5 Ada", "a=b", "'t Hooft"]
)
def test_a_number_with_a_sign_and_any_other_text_is_not_live(cell: str) -> None:
    assert not is_live(cell)


@pytest.mark.parametrize("order", [(2, 3), (3, 2)])
def test_the_same_signs_are_a_name_with_the_mark_and_refused_without(order: tuple[int, int]) -> None:
    """Equal texts are read once and remembered; what is refused does not hang on which came first."""
    text, live = order
    names = {text: "'@sue", live: "@sue"}
    items = read(f"""
        date,giver,receiver,hours
        2025-12-31,{names[2]},,1:00
        2025-12-31,{names[3]},,1:00
    """)

    assert [(line.line, line.giver) for line in lines_of(items)] == [(text, "@sue")]
    assert faults_of(items) == [(live, "giver", "field_invalid")]
    (fault,) = [item for item in items if isinstance(item, Fault)]
    assert (fault.refusal.params["why"], fault.value) == (FORMULA, "@sue")
