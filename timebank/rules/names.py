"""What may stand in a name or a short text that people write: letters, not tricks."""

from __future__ import annotations

import re
import unicodedata

from timebank.errors import N_, FieldInvalid

#: Characters of a nickname.
NICKNAME_MAX = 40

EMPTY = N_("it is empty")
TOO_LONG = N_("it is too long")
NOT_TEXT = N_("it contains characters that cannot be shown")
NOT_A_CODE = N_("use small letters, digits and single hyphens")

# Cc controls, Cs lone surrogates, Co private use, Cn not (yet) assigned, Zl Zp line breaks.
_REFUSED = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})

# Characters without a look of their own that turn the text after them around: a name with one
# of these can make the line that it stands in say something else.
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

# Not seen at all. The joiners U+200C and U+200D are not here: Persian and many emoji need them.
_INVISIBLE = frozenset(
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060\u2061\u2062\u2063\u2064\u3164\ufeff\uffa0"
)

#: Marks on one letter; no script needs as many, and a pile of them paints over other people's lines.
MARKS_MAX = 30

#: What short codes are made of: no sign that looks like another on paper.
CODE_SIGNS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
MEMBER_CODE_LENGTH = 8

_CODE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)


def plain_text(value: str, *, field: str, length_max: int) -> str:
    """Return a one-line text in NFC without spaces around it.

    Raises:
        FieldInvalid: It is empty, longer than ``length_max`` characters, or has control
            characters, line breaks, bidirectional overrides or invisible characters, or more
            marks on one letter than any script needs.
    """
    text = unicodedata.normalize("NFC", value).strip()
    if len(text) > length_max:
        raise FieldInvalid(field=field, why=TOO_LONG)
    if _is_piled_up(text) or any(
        unicodedata.category(sign) in _REFUSED or sign in _BIDI_CONTROLS or sign in _INVISIBLE
        for sign in text
    ):
        raise FieldInvalid(field=field, why=NOT_TEXT)
    if not text.strip("\u200c\u200d"):
        raise FieldInvalid(field=field, why=EMPTY)
    return text


def code(value: str, *, field: str, length_max: int) -> str:
    """Return a code such as ``cash-box``: small letters, digits, single hyphens.

    Raises:
        FieldInvalid: It is anything else, or longer than ``length_max``.
    """
    if len(value) > length_max:
        raise FieldInvalid(field=field, why=TOO_LONG)
    if not _CODE.fullmatch(value):
        raise FieldInvalid(field=field, why=NOT_A_CODE)
    return value


def member_code(random: bytes) -> str:
    """Return a short code made of 16 random bytes; thirty signs to the eighth are 6.5 * 10^11 codes."""
    number = int.from_bytes(random, "big")
    signs = []
    for _ in range(MEMBER_CODE_LENGTH):
        number, at = divmod(number, len(CODE_SIGNS))
        signs.append(CODE_SIGNS[at])
    return "".join(signs)


def read_member_code(value: str) -> str | None:
    """Return a code as it was made, however it was typed: small letters, spaces, hyphens; None if it is none."""
    code = "".join(value.upper().split()).replace("-", "")
    if len(code) != MEMBER_CODE_LENGTH or not set(code) <= set(CODE_SIGNS):
        return None
    return code


def free_text(value: str, *, field: str, length_max: int) -> str:
    """Return what somebody wrote about something, in NFC, with plain line ends; it may be empty.

    Raises:
        FieldInvalid: It is longer than ``length_max`` or has control characters other than
            tabs and line ends, or more marks on one letter than any script needs.
    """
    text = unicodedata.normalize("NFC", value.replace("\r\n", "\n")).strip()
    if len(text) > length_max:
        raise FieldInvalid(field=field, why=TOO_LONG)
    if _is_piled_up(text) or any(
        unicodedata.category(sign) in {"Cc", "Cs", "Cn"} and sign not in "\n\t" for sign in text
    ):
        raise FieldInvalid(field=field, why=NOT_TEXT)
    return text


def _is_piled_up(text: str) -> bool:
    marks = 0
    for sign in text:
        category = unicodedata.category(sign)
        # Those of Thai and Arabic among them, and circles around a letter, have no combining class.
        if category[0] == "M":
            marks += 1
        elif category != "Cf":
            # What is not seen, as a joiner is not, begins no new letter.
            marks = 0
        if marks > MARKS_MAX:
            return True
    return False


def folded(value: str) -> str:
    """Return what is the same for all spellings that look or sound the same: case, form, spaces do not count."""
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", value).casefold()).split())
