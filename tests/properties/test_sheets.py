"""Whatever lines a spreadsheet has, and however it writes them: the same lines are read, and the book adds up to them."""

from __future__ import annotations

import io
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.cast import a_group, house
from tests.properties.written_sheets import COLUMNS, LINES, Way, options_of, ways, write_sheet
from timebank.formats.layouts import Reading
from timebank.formats.table import open_table
from timebank.rules.sheets import HoursLine, MoneyLine, Total
from timebank.services.groups import create_group
from timebank.services.house import House
from timebank.services.import_report import ImportOptions, Source
from timebank.services.imports import import_files
from timebank.services.verify import verify_group

__all__ = ["house"]

slow = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize("layout", COLUMNS)
def test_lines_come_back_however_they_were_written(layout: str) -> None:
    @slow
    @given(LINES[layout], ways, st.data())
    def check(lines: list[Any], way: Way, data: st.DataObject) -> None:
        sheet = write_sheet(layout, lines, way, data.draw)

        reading = Reading(open_table(io.BytesIO(sheet)), options_of(layout, way, COLUMNS[layout]))
        items = list(reading)

        assert reading.match.layout.name == layout
        totals = [item for item in items if isinstance(item, Total)]
        assert [item._replace(line=0) for item in items if item not in totals] == lines
        assert bool(totals) == (way.closing and layout != "people")
        numbers = [item.line for item in items]
        assert numbers == sorted(set(numbers))

    check()


# ---------------------------------------------------------------- in the book

people = st.sampled_from(["Ada", "Bo", "Cy", "Di", "=Ed", "@Flo"])
past = st.dates(date(2020, 1, 1), date(2025, 12, 31))


@st.composite
def hours_of_some(draw: st.DrawFn) -> HoursLine:
    giver, receiver = draw(st.tuples(people, people | st.just("")).filter(lambda two: two[0] != two[1]))
    return HoursLine(
        0, draw(past), giver, receiver, draw(st.integers(1, 600)), "", draw(st.sampled_from(["", "=1+1"]))
    )


money_of_some = st.builds(
    MoneyLine,
    st.just(0),
    past,
    st.booleans(),
    st.just("") | people,
    st.integers(1, 10_000),
    st.just("EUR"),
    st.sampled_from(["cash-box", "bank"]),
    st.just(""),
    st.sampled_from(["", "a word"]),
    st.just(""),
    st.just(""),
)
#: Enough at each place on the first day for whatever goes out later.
FLOAT = [MoneyLine(0, date(2019, 12, 31), True, "", 1_000_000, "EUR", held) for held in ("cash-box", "bank")]


def expected(hours: list[HoursLine], money: list[MoneyLine]) -> dict[str, int]:
    """Return credits - debits by kind and unit, by nothing but adding up."""
    sums: Counter[str] = Counter()
    for line in hours:
        sums["member:minutes"] -= line.minutes
        sums["shared:minutes" if line.receiver else "pot:minutes"] += line.minutes
    for gift in money:
        way = 1 if gift.incoming else -1
        sums["pot:EUR"] += way * gift.amount
        sums["held:EUR"] -= way * gift.amount
        sums["custody:EUR"] += way * gift.amount
        # What goes out, goes outside: the book keeps no account of who got money.
        sums["member:EUR" if gift.incoming and gift.person else "outside:EUR"] -= way * gift.amount
    return {name: amount for name, amount in sums.items() if amount}


@settings(slow, max_examples=20)
@given(
    st.lists(hours_of_some(), min_size=1, max_size=30), st.lists(money_of_some, max_size=15), ways, st.data()
)
async def test_the_book_holds_what_a_plain_sum_of_the_lines_says(
    house: House, hours: list[HoursLine], money: list[MoneyLine], way: Way, data: st.DataObject
) -> None:
    money = [*FLOAT, *money]
    slug = f"group-{house.new_id().hex[:12]}"
    group_id = await create_group(
        house,
        a_group(slug, began_on=date(2019, 1, 1)),
        origin=f"bank.example/g/{slug}",
        now=datetime.now(UTC),
    )
    way = way._replace(renamed=False)
    files = [
        Source(f"{layout}.csv", io.BytesIO(write_sheet(layout, lines, way, data.draw)))
        for layout, lines in (("hours", hours), ("money", data.draw(st.permutations(money))))
    ]

    report, import_id = await import_files(
        house,
        group_id,
        files,
        ImportOptions(days=way.order, decimal=way.decimal),  # type: ignore[arg-type]
        clock=lambda: datetime.now(UTC),
        dry_run=False,
    )

    assert (report.faults, report.new, import_id is None) == ([], len(hours) + len(money), False)
    async with house.database.read(group_id) as tx:
        rows = await tx.execute(
            text(
                "SELECT kind || ':' || unit, sum(credits - debits)::bigint FROM timebank.accounts"
                " GROUP BY 1 HAVING sum(credits - debits) <> 0"
            )
        )
        assert {row[0]: row[1] for row in rows} == expected(hours, money)
    assert (await verify_group(house, group_id)).ok
