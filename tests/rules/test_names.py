"""What may stand in a name or a text: every script as it is written, and no pile of marks on one letter."""

from __future__ import annotations

import unicodedata

import pytest

from timebank.errors import FieldInvalid
from timebank.rules.names import MARKS_MAX, NOT_TEXT, free_text, plain_text

#: Marks that stand on, below and around a letter; most have no combining class.
MARKS = {
    "acute": "\u0301",
    "Thai vowel": "\u0e34",
    "Thai tone": "\u0e48",
    "Syriac": "\u0730",
    "Devanagari vowel": "\u0947",
    "circle": "\u20dd",
    "Thaana vowel": "\u07a6",
    "selector": "\ufe0f",
}


@pytest.mark.parametrize("mark", MARKS.values(), ids=MARKS)
@pytest.mark.parametrize("read", [plain_text, free_text])
def test_a_pile_of_marks_on_one_letter_is_refused_whatever_script_they_are_of(read, mark: str):
    most = "q" + mark * MARKS_MAX
    assert read(f"{most} {most}", field="name", length_max=500)

    for pile in (most + mark, most + "\u200d" + mark, most + "\u200c" + mark):
        with pytest.raises(FieldInvalid) as refused:
            read(pile, field="name", length_max=500)
        assert refused.value.params["why"] == NOT_TEXT


@pytest.mark.parametrize(
    "name",
    ["Zoë", "Nguyễn Thị Hương", "กิ่งแก้ว น้ำผึ้ง", "क्षत्रिय", "می‌خواهم", "ދިވެހި", "👩‍👩‍👧‍👦❤️🏳️‍🌈 1️⃣2️⃣", "שָׁלוֹם"],
)
def test_names_are_taken_as_every_script_writes_them(name: str):
    whole = unicodedata.normalize("NFC", name)
    assert plain_text(name, field="name", length_max=40) == whole
    assert free_text(name, field="name", length_max=40) == whole
