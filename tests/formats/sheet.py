"""Sheets for tests: a text or a file of ``files/``, read as an importer reads it."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path
from typing import Any

from timebank.formats.layouts import Reading
from timebank.formats.table import open_table
from timebank.rules.sheets import (
    Fault,
    HoursLine,
    Item,
    MoneyLine,
    OpeningLine,
    Passed,
    PersonLine,
    ReadOptions,
)

FILES = Path(__file__).parent / "files"
KEPT = {"EUR": 2, "CHF": 2, "USD": 2}
LINES = (HoursLine, MoneyLine, OpeningLine, PersonLine)

#: What the files of other systems do not say by themselves.
NEEDED: dict[str, dict[str, Any]] = {"exchanges": {"days": "mdy"}, "komunitin": {"on": date(2025, 3, 1)}}


def reading(text: str, **options: Any) -> Reading:
    """Return a sheet, written with its lines indented as in the test."""
    lines = [line.strip() for line in text.strip().splitlines()]
    table = open_table(io.BytesIO("\n".join(lines).encode()))
    return Reading(table, ReadOptions(**{"digits": KEPT, **options}))


def read(text: str, **options: Any) -> list[Item]:
    return list(reading(text, **options))


def read_file(name: str, **options: Any) -> list[Item]:
    """Return the items of a file; it must be recognised by itself as the layout that it is named after."""
    layout = name.partition(".")[0]
    with (FILES / f"{name}.csv").open("rb") as file:
        told = {"digits": KEPT, **NEEDED.get(layout, {}), **options}
        sheet = Reading(open_table(file), ReadOptions(**told))
        assert sheet.match.layout.name == layout
        items = list(sheet)
        assert items == list(sheet), "every pass gives the same"
    return items


def lines_of(items: list[Item]) -> list[Any]:
    return [item for item in items if isinstance(item, LINES)]


def passed_of(items: list[Item]) -> list[int]:
    return [item.line for item in items if isinstance(item, Passed)]


def faults_of(items: list[Item]) -> list[tuple[int, str, str]]:
    return [(item.line, item.column, item.refusal.code) for item in items if isinstance(item, Fault)]


def remarks_of(sheet: Reading) -> list[str]:
    return [remark.msgid % remark.params for remark in sheet.remarks()]
