"""How files are to be read and booked, as addresses and forms say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from timebank.edge.bodies import FIELD_TWICE, UNKNOWN_FIELD, Faults
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
        FieldInvalid: Fields are unknown, there twice, or have values that they cannot have; all at once.
    """
    faults, said = Faults(), dict[str, Any]()
    for name, values in fields.items():
        with faults.at(name if name in NAMES else "?"):
            said[name] = _read(name, values)
    faults.settle()
    return ImportOptions(
        people=said.get("people") or "members",
        categories=said.get("categories") or "refuse",
        began=said.get("began"),
        layout=said.get("layout", ""),
        days=said.get("days") or None,
        decimal=DECIMALS.get(said.get("decimal", "")),
        nearest=said.get("nearest") == "true",
        on=said.get("on"),
        columns=said.get("column", {}),
        sheet=said.get("sheet", ""),
    )


def _read(name: str, values: Sequence[str]) -> Any:
    if name not in NAMES:
        raise FieldInvalid(field=name[:40], why=UNKNOWN_FIELD)
    if name == "column":
        return dict(_column(value) for value in values)
    if len(values) > 1:
        raise FieldInvalid(field=name, why=FIELD_TWICE)
    value = _one(name, values)
    return read_day(value, field=name) if name in {"began", "on"} else value


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
