"""The rows of a workbook, XLSX or ODS, read by a process of its own that may run out of memory without harm."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, NamedTuple

from timebank.errors import N_, FileUnreadable
from timebank.formats.text import Remark
from timebank.rules.sheets import Fault
from timebank.rules.written import shown

CELL_TOO_LONG = N_("a cell has more than 10,000 characters")
ROW_TOO_WIDE = N_("it has more than 200 columns")
BROKEN = N_("it is a broken workbook; open it in a spreadsheet program and save it again as XLSX, ODS or CSV")
NO_SHEET = N_("it has no sheet of that name")
_WHY: Final = {
    "broken": BROKEN,
    "cell": CELL_TOO_LONG,
    "error": N_("a formula in it has an error such as #REF!; mend it first"),
    "kind": N_("it is an archive, but no workbook of the kinds XLSX or ODS"),
    "large": N_("its sheets are too large, or their cells too far apart; save the one sheet as CSV"),
    "password": N_("it is protected by a password"),
    "sheet": NO_SHEET,
    "value": N_("a number in it is no time or day that there is"),
    "wide": ROW_TOO_WIDE,
}
"""What ``workbook_child`` says in a word."""
_CHILD: Final = "timebank.formats.workbook_child"


class SheetRow(NamedTuple):
    """A row as the program shows it; ``line`` is its number on the sheet, from 1. It may be empty."""

    line: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Workbook:
    """A sheet of a workbook that can be read again and again.

    Attributes:
        remarks: Which sheet it is, if there are several.
    """

    file: BinaryIO
    sheet: str
    remarks: tuple[Remark, ...]

    def rows(self) -> Iterator[SheetRow | Fault]:
        """Return the rows; a fault is the last item, except for one about a single row. Nothing is raised."""
        line = 0
        with _reading(self.file, self.sheet) as answers:
            for answer in answers:
                if answer is None:
                    return
                if isinstance(answer, list):
                    line, cells = answer
                    yield SheetRow(line, cells)
                elif "refused" in answer:
                    yield Fault(answer.get("line", line + 1), "", _refusal(answer))
        yield Fault(line + 1, "", FileUnreadable(why=BROKEN))


def open_workbook(file: BinaryIO, *, sheet: str = "") -> Workbook:
    """Return a sheet of a workbook.

    Args:
        sheet: Its name; empty for the first one.

    Raises:
        FileUnreadable: It is no workbook, broken, protected, too large, or has no such sheet.
    """
    with _reading(file, sheet) as answers:
        answer = next(answers, None)
    if not isinstance(answer, dict):
        raise FileUnreadable(why=BROKEN)
    if "refused" in answer:
        raise _refusal(answer)
    sheets, name = answer["sheets"], answer["sheet"]
    if len(sheets) == 1:
        return Workbook(file, name, ())
    return Workbook(
        file,
        name,
        (
            Remark(
                N_("Read the sheet %(sheet)s, one of %(count)s."),
                {"sheet": shown(name), "count": len(sheets)},
            ),
        ),
    )


def _refusal(answer: Mapping[str, Any]) -> FileUnreadable:
    return FileUnreadable(why=_WHY[answer["refused"]])


@contextmanager
def _reading(file: BinaryIO, sheet: str) -> Iterator[Iterator[Any]]:
    """Hand a workbook to a process that answers in lines of JSON, and end it when nobody listens any more."""
    child = subprocess.Popen(
        [sys.executable, "-m", _CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # Nothing of ours that it could tell: it reads what strangers send.
        env={"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
    )
    assert child.stdin, "it is a pipe"
    assert child.stdout, "it is a pipe"
    try:
        with suppress(BrokenPipeError):
            file.seek(0)
            child.stdin.write(f"{json.dumps(sheet)}\n".encode())
            shutil.copyfileobj(file, child.stdin)
            child.stdin.close()
        yield _answers(child)
    finally:
        child.kill()
        with suppress(BrokenPipeError):
            child.stdin.close()
        child.stdout.close()
        child.wait()


def _answers(child: subprocess.Popen[bytes]) -> Iterator[Any]:
    assert child.stdout, "it is a pipe"
    for line in child.stdout:
        yield from json.loads(line)
    if child.wait() < 0:
        # Ended by the system or by the library, for want of memory or time.
        yield {"refused": "large"}
        yield None
