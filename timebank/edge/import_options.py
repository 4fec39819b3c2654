"""How files are to be read and booked, as addresses and forms say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from timebank.edge.bodies import FIELD_TWICE, UNKNOWN_FIELD
from timebank.edge.days import read_day
from timebank.errors import N_, FieldInvalid
from timebank.formats.layouts import LAYOUTS
from timebank.rules.set_up import NOT_KNOWN
from timebank.services.import_report import ImportOptions

DECIMALS: Final[Mapping[str, Literal[".", ","]]] = {"point": ".", "comma": ","}
NOT_A_COLUMN: Final = N_("it must be one of our columns, an equals sign and the header in the file")

_CHOICES: Final[Mapping[str, frozenset[str]]] = {
    "people": frozenset({"members", "outsiders"}),
    "categories": frozenset({"refuse", "add"}),
    "days": frozenset({"iso", "dmy", "mdy"}),
    "decimal": frozenset(DECIMALS),
    "nearest": frozenset({"true", "false"}),
    "layout": frozenset(LAYOUTS),
}
_COLUMNS: Final = frozenset(column.name for layout in LAYOUTS.values() for column in layout.columns)
_TEXT_MAX: Final = 200

NAMES: Final = (*_CHOICES, "began", "on", "sheet", "column")


def read_options(fields: Mapping[str, Sequence[str]]) -> ImportOptions:
    """Return the options that fields say; what is empty or not there is as if nobody spoke of it.

    Args:
        fields: Values by name; ``column`` may be there often, as ``giver=Ayudante``.

    Raises:
        FieldInvalid: A field is unknown, there twice, or has a value that it cannot have.
    """
    for name, values in fields.items():
        if name not in NAMES:
            raise FieldInvalid(field=name[:40], why=UNKNOWN_FIELD)
        if len(values) > 1 and name != "column":
            raise FieldInvalid(field=name, why=FIELD_TWICE)
    said = {name: _one(name, values) for name, values in fields.items() if name != "column"}
    decimal = said.get("decimal", "")
    return ImportOptions(
        people=said.get("people") or "members",  # type: ignore[arg-type]
        categories=said.get("categories") or "refuse",  # type: ignore[arg-type]
        began=read_day(said.get("began", ""), field="began"),
        layout=said.get("layout", ""),
        days=said.get("days") or None,  # type: ignore[arg-type]
        decimal=DECIMALS.get(decimal),
        nearest=said.get("nearest") == "true",
        on=read_day(said.get("on", ""), field="on"),
        columns=dict(_column(value) for value in fields.get("column", ())),
        sheet=said.get("sheet", ""),
    )


def _one(name: str, values: Sequence[str]) -> str:
    value = values[0].strip() if values else ""
    if value and name in _CHOICES and value not in _CHOICES[name]:
        raise FieldInvalid(field=name, why=NOT_KNOWN)
    if len(value) > _TEXT_MAX or not value.isprintable():
        raise FieldInvalid(field=name, why=NOT_KNOWN)
    return value


def _column(text: str) -> tuple[str, str]:
    ours, sign, theirs = text.partition("=")
    if not sign or ours.strip() not in _COLUMNS or len(theirs) > _TEXT_MAX:
        raise FieldInvalid(field="column", why=NOT_A_COLUMN)
    return ours.strip(), theirs.strip()
