"""Throw mutated texts and files at the readers: a value in range or a refusal comes back, soon, and nothing else.

    python -m tests.properties.fuzz_written 1000000

runs that many inputs for each reader, and says what became of them. It ends with 1 if anything but a
refusal was raised, a value was out of range, or an input took a second of computing.
"""

from __future__ import annotations

import io
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any, Final, TypeVar

from timebank.errors import Refusal
from timebank.formats.table import Row, open_table
from timebank.ledger.units import AMOUNT_MAX
from timebank.rules.sheets import CELL_MAX, COLUMNS_MAX, DecimalSign, Fault
from timebank.rules.written import read_amount, read_day, read_minutes, read_moment_day, shown

T = TypeVar("T", str, bytes)

SLOW_NS: Final = 10**9
DECIMALS: Final[tuple[DecimalSign | None, ...]] = (None, ".", ",")
DURATIONS: Final = (
    *(
        "1:30",
        "25:00",
        "1h30",
        "1 h 30 min",
        "90m",
        "1.5",
        "1,5",
        "2",
        "1.5h",
        "0:59:00",
        "1\u00a0h",
        "1.500",
    ),
    *(
        "1:75",
        "-1",
        "NaN",
        "1e3",
        "0x10",
        "1_000",
        "inf",
        "\u0661:\u0663\u0660",
        "\u0661\u066b\u0665",
        "1 000,5",
    ),
)
AMOUNTS: Final = (
    *("12", "12.50", "12,50", "1.234,56", "1,234.56", "1 234.5", "1'234", "EUR 5", "5 €", "1.500", "0.001"),
    *(
        "1.234.567,89",
        "\u0661\u066c\u0662\u0663\u0664\u066b\u0665",
        "9999999999.99",
        "-5",
        "NaN",
        "5,-",
        "12.5000",
    ),
)
DAYS: Final = (
    *("2025-12-31", "31.12.2025", "12/31/2025", "31-12-2025", "0001-01-01", "9999-12-31", "2024-02-29"),
    *(
        "2018-01-30 10:00:00",
        "2018-01-30T10:00:00Z",
        "2018-01-30T10:00:00.5+02:00",
        "2018-01-30 10:00:00 UTC",
    ),
)
TABLES: Final = (
    b"date,giver,hours\n2025-12-31,ada,1:30\n",
    b'date;giver;hours\r\n2025-12-31;"a;""b""";1,5\r\n\r\n;;\r\n',
    b'a\tb\r1\t"two\nlines"\r',
    b"\xef\xbb\xbfa,b\n1,2\n",
    "a;é\n1;\u202e\n".encode("cp1252", "ignore"),
    "a,b\n1,\ud800\n".encode("utf-16", "surrogatepass"),
    "a,b\n1,\u0661\u0662\n".encode("utf-16-be"),
    b'a,b\n"=HYPERLINK(""http://x"")",\'=1\n',
    b'a,b\n1,"open\n2,3\n',
    b"x," * 300 + b"\n1\n",
)
SIGNS: Final = (
    *"0123456789", *":.,;'’\" \t\r\n-+=@/_()%", *"hminrsoudeExXTZaNUC€$",
    *"\0\x1f\x85\u00a0\u00ad\u0661\u066b\u066c\u06f5\u0967\u2009\u200b\u200d\u200f\u202e\u2028\u202f\u2066",
    *"\u2212\ufeff\uff11\uff1a\ud800\udfff\U0001d7ce\U0001f600\U000e0041",
)  # fmt: skip
BYTES: Final = tuple(bytes([value]) for value in range(256)) + tuple(
    sign.encode("utf-8", "surrogatepass") for sign in SIGNS
)


@dataclass
class Report:
    """What became of the inputs of one reader; ``wrong`` are the ones that broke the promise."""

    name: str
    accepted: int = 0
    refused: int = 0
    slowest_ns: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        total = self.accepted + self.refused + len(self.wrong)
        return (
            f"{self.name:10} {total:10,} inputs {self.accepted:10,} accepted {self.refused:10,} refused"
            f" {len(self.wrong):4} wrong   slowest {self.slowest_ns / 1e6:.2f} ms"
        )


def duration(text: str, chance: random.Random) -> bool:
    decimal = chance.choice(DECIMALS)
    return 1 <= read_minutes(text, decimal=decimal, nearest=chance.random() < 0.3) <= AMOUNT_MAX


def amount(text: str, chance: random.Random) -> bool:
    decimal = chance.choice(DECIMALS)
    digits = chance.choice((0, 2, 2, 2, 3))
    return 1 <= read_amount(text, digits=digits, decimal=decimal, symbols=("EUR", "€")) <= AMOUNT_MAX


def day(text: str, chance: random.Random) -> bool:
    if chance.random() < 0.4:
        return type(read_moment_day(text)) is date
    return type(read_day(text, order=chance.choice((None, "iso", "dmy", "mdy")))) is date


def rows(content: bytes, chance: random.Random) -> bool:
    """Read a file; a fault in it is raised."""
    last = 0
    for item in open_table(io.BytesIO(content)).rows():
        if isinstance(item, Fault):
            assert item.line >= last, "lines ascend"
            raise item.refusal
        assert item.line > last, "lines ascend"
        assert_sound(item)
        last = item.line
    return True


def assert_sound(row: Row) -> None:
    assert any(row.cells)
    assert len(row.cells) <= COLUMNS_MAX
    assert all(
        (len(cell) <= CELL_MAX and cell == cell.strip()) or cell[0] in "\t\r\0" for cell in row.cells if cell
    )
    assert all(len(shown(cell)) <= 80 for cell in row.cells[:3])


def mutated(seeds: Sequence[T], signs: Sequence[T], chance: random.Random) -> T:
    """Return a valid form with one to six changes, now and then a very long one."""
    value = chance.choice(seeds)
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 6))):
        value = _changed(value, seeds, signs, chance)
    if chance.random() < 0.002:
        value = _long(value, chance)
    return value


def _changed(value: T, seeds: Sequence[T], signs: Sequence[T], chance: random.Random) -> T:
    at = chance.randrange(len(value) + 1)
    end = min(len(value), at + chance.choice((0, 0, 1, 1, 2, 5)))
    match chance.randrange(6):
        case 0 | 1:
            middle = chance.choice(signs)
        case 2:
            middle = value[:0]
        case 3:
            middle = value[at:end] * chance.choice((2, 3, 9))
        case 4:
            other = chance.choice(seeds)
            middle = other[chance.randrange(len(other)) :]
        case _:
            middle = value[:0].join(chance.choices(signs, k=chance.randrange(1, 6)))
    return value[:at] + middle + value[end:]


def _long(value: T, chance: random.Random) -> T:
    at = chance.randrange(len(value) + 1)
    return value[:at] + value[at : at + 3] * chance.choice((300, 3_000, 40_000)) + value[at:]


def throw(name: str, count: int, *, seed: int) -> Report:
    """Throw ``count`` inputs at the reader of that name; the same seed makes the same ones."""
    report = Report(name)
    chance = random.Random(seed)
    make, read = READERS[name]
    for _ in range(count):
        value = make(chance)
        begin = time.process_time_ns()
        try:
            sound = read(value, chance)
        except Refusal:
            report.refused += 1
        except Exception as error:
            report.wrong.append(f"{value[:200]!r}: {error!r}")
        else:
            report.accepted += sound
            report.wrong.extend([] if sound else [f"{value[:200]!r}: out of range"])
        took = time.process_time_ns() - begin
        report.slowest_ns = max(report.slowest_ns, took)
        if took > SLOW_NS:
            report.wrong.append(f"{value[:200]!r}: {took / 1e9:.1f} s")
    return report


READERS: Final[dict[str, tuple[Callable[[random.Random], Any], Callable[[Any, random.Random], bool]]]] = {
    "durations": (partial(mutated, DURATIONS, SIGNS), duration),
    "amounts": (partial(mutated, AMOUNTS, SIGNS), amount),
    "days": (partial(mutated, DAYS, SIGNS), day),
    "rows": (partial(mutated, TABLES, BYTES), rows),
}


def main(count: int, *, seed: int = 1) -> int:
    wrong = False
    for name in READERS:
        report = throw(name, count, seed=seed)
        print(report, *report.wrong[:10], sep="\n    ", flush=True)
        wrong = wrong or bool(report.wrong)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:2])))
