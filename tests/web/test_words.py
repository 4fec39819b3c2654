"""Words for what the book holds, where parts stand in a row, and where names stand in a sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from timebank.i18n import language
from timebank.web.settings_words import setting_in_words
from timebank.web.words import duties_in_words, names_in_row

ROOT = Path(__file__).parents[2]
EN, AR = language("en"), language("ar")


def test_only_a_time_zone_is_written_with_spaces_for_its_lines():
    assert setting_in_words("time_zone", "America/New_York", EN) == "America/New York"
    assert setting_in_words("name", "snake_case", EN) == "snake_case"


def test_what_stands_in_a_row_has_the_comma_of_its_language():
    assert duties_in_words(("steward", "host"), EN) == "steward, host"
    rows = (
        duties_in_words(("steward", "host"), AR),
        setting_in_words("languages", ["ar", "es"], AR),
        setting_in_words("categories", ["care", "food"], AR),
        names_in_row(("Ada", "Flo"), AR),
    )

    assert ["،" in row and ", " not in row for row in rows] == [True] * 4


def test_names_in_a_row_stand_apart_and_are_escaped():
    assert names_in_row(("Ada", "<b>"), EN) == "<bdi>Ada</bdi>, <bdi>&lt;b&gt;</bdi>"


@pytest.mark.parametrize(
    ("where", "latin"),
    [
        ("timebank/web/*.py", r'", "\.join|f"[^"\n]*\}, \{|\("\{\}, \{\}"'),
        ("frontend/templates/*.html", r'join\(", "\)|\{\{ ", "|\}\}(?:</\w+>)?, \{\{|</a>, <a'),
    ],
)
def test_no_page_puts_parts_in_a_row_with_a_comma_of_its_own(where: str, latin: str) -> None:
    found = {
        path.name: re.findall(latin, source)
        for path in sorted(ROOT.glob(where))
        for source in [re.sub(r"\{% trans.*?\{% endtrans %\}", "", path.read_text(), flags=re.DOTALL)]
    }

    assert len(found) > 50
    assert {name: lines for name, lines in found.items() if lines} == {}
