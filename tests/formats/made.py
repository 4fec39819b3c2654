"""Files for the tests of this room: ones that count what is read of them, and workbooks made of plain XML."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from timebank.formats.table import Row, Table, open_table
from timebank.rules.sheets import Fault

NONE: Mapping[str, Any] = MappingProxyType({})
XL = "http://schemas.openxmlformats.org"
OASIS = "urn:oasis:names:tc:opendocument:xmlns"
STYLES = {"plain": 0, "day": 1, "time": 2, "hours": 3, "moment": 4}
"""Formats of cells: as is, a day, h:mm, [h]:mm, day and time."""


class Counted(io.BytesIO):
    """A file that knows how many bytes were read of it, each counted as often as it was read."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self.count += len(piece)
        return piece


def table(content: bytes, *, sheet: str = "") -> Table:
    return open_table(io.BytesIO(content), sheet=sheet)


def items(content: bytes, *, sheet: str = "") -> list[Row | Fault]:
    return list(table(content, sheet=sheet).rows())


def cells(content: bytes, *, sheet: str = "") -> list[tuple[str, ...]]:
    rows = items(content, sheet=sheet)
    assert all(isinstance(row, Row) for row in rows), rows
    return [row.cells for row in rows if isinstance(row, Row)]


def fault(content: bytes) -> Fault:
    """Return the only fault of a file."""
    (found,) = [item for item in items(content) if isinstance(item, Fault)]
    return found


def archive(members: Mapping[str, str | bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as target:
        for name, content in members.items():
            target.writestr(name, content)
    return file.getvalue()


def xlsx(*rows: str, more: Mapping[str, str] = NONE, extra: Mapping[str, bytes] = NONE) -> bytes:
    """Return a workbook with the sheet ``Hours`` of ``<row>`` elements, and others by name."""
    sheets = {"Hours": "".join(rows), **more}
    numbers = range(1, len(sheets) + 1)
    relations = "".join(
        f'<Relationship Id="r{n}" Type="{XL}/officeDocument/2006/relationships/worksheet"'
        f' Target="worksheets/sheet{n}.xml"/>'
        for n in numbers
    )
    names = "".join(
        f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, name in zip(numbers, sheets, strict=True)
    )
    return archive(
        {
            "[Content_Types].xml": f'<Types xmlns="{XL}/package/2006/content-types"/>',
            "_rels/.rels": f'<Relationships xmlns="{XL}/package/2006/relationships"><Relationship Id="r1"'
            f' Type="{XL}/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/>'
            "</Relationships>",
            "xl/workbook.xml": f'<workbook xmlns="{XL}/spreadsheetml/2006/main"'
            f' xmlns:r="{XL}/officeDocument/2006/relationships"><sheets>{names}</sheets></workbook>',
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{XL}/package/2006/relationships">{relations}'
            f'<Relationship Id="s" Type="{XL}/officeDocument/2006/relationships/styles" Target="styles.xml"/>'
            "</Relationships>",
            "xl/styles.xml": f'<styleSheet xmlns="{XL}/spreadsheetml/2006/main"><numFmts count="1">'
            '<numFmt numFmtId="164" formatCode="[h]:mm"/></numFmts><cellXfs count="5"><xf numFmtId="0"/>'
            '<xf numFmtId="14"/><xf numFmtId="20"/><xf numFmtId="164"/><xf numFmtId="22"/></cellXfs></styleSheet>',
            **{
                f"xl/worksheets/sheet{n}.xml": f'<worksheet xmlns="{XL}/spreadsheetml/2006/main"><sheetData>'
                f"{content}</sheetData></worksheet>"
                for n, content in zip(numbers, sheets.values(), strict=True)
            },
            **extra,
        }
    )


def row(number: int, *contents: str | float | tuple[float, str]) -> str:
    """Return a ``<row>`` of texts, numbers, and numbers with the name of a format."""
    return f'<row r="{number}">{"".join(map(_cell, contents))}</row>'


def _cell(content: str | float | tuple[float, str]) -> str:
    if isinstance(content, str):
        return f'<c t="inlineStr"><is><t>{content}</t></is></c>'
    number, style = content if isinstance(content, tuple) else (content, "plain")
    return f'<c s="{STYLES[style]}"><v>{number}</v></c>'


def ods(*rows: str, name: str = "Hours", extra: Mapping[str, bytes] = NONE) -> bytes:
    """Return a workbook with one sheet of ``<table:table-row>`` elements."""
    return archive(
        {
            "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
            "META-INF/manifest.xml": f'<manifest:manifest xmlns:manifest="{OASIS}:manifest:1.0"/>',
            "content.xml": f'<office:document-content xmlns:office="{OASIS}:office:1.0"'
            f' xmlns:table="{OASIS}:table:1.0" xmlns:text="{OASIS}:text:1.0"><office:body>'
            f'<office:spreadsheet><table:table table:name="{name}">{"".join(rows)}</table:table>'
            "</office:spreadsheet></office:body></office:document-content>",
            **extra,
        }
    )


def ods_row(*contents: str) -> str:
    """Return a row of cells that are given as ``kind=value``, or as texts."""
    return f"<table:table-row>{''.join(map(_ods_cell, contents))}</table:table-row>"


def _ods_cell(content: str) -> str:
    kind, equals, value = content.partition("=")
    if not equals:
        return f'<table:table-cell office:value-type="string"><text:p>{content}</text:p></table:table-cell>'
    attribute = {"time": "time-value", "date": "date-value", "boolean": "boolean-value"}.get(kind, "value")
    return f'<table:table-cell office:value-type="{kind}" office:{attribute}="{value}"/>'
