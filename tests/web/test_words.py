"""Words for what the book holds, where parts stand in a row, and where names stand in a sentence."""

from __future__ import annotations

from timebank.i18n import language
from timebank.web.settings_words import setting_in_words

EN = language("en")


def test_only_a_time_zone_is_written_with_spaces_for_its_lines():
    assert setting_in_words("time_zone", "America/New_York", EN) == "America/New York"
    assert setting_in_words("name", "snake_case", EN) == "snake_case"
