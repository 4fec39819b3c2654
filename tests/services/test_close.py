"""Closing: what is published, from which records, and that it happens once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from tests.cast import SLUG, Cast, Stage, make_cast
from tests.services.book_with_clock import MARCH_2, Book
from timebank.errors import PeriodNotOver
from timebank.rules.commands import (
    ApproveDraw,
    AskDraw,
    CorrectEntry,
    GiveMoney,
    HandOver,
    Instead,
)
from timebank.services import close as close_module
from timebank.services.close import close_period
from timebank.services.house import House
from timebank.services.published import (
    read_public_book,
    read_public_flows,
    read_public_group,
    read_public_lines,
)


@pytest_asyncio.fixture(loop_scope="session")
async def book(house: House) -> AsyncIterator[Book]:
    made = Book(await make_cast(house, MARCH_2))
    yield made
    await made.writer.close()


async def test_before_the_first_close_nothing_is_public_but_the_frame(book: Book):
    await book.give(90, date(2026, 3, 2))

    page = await read_public_book(book.house.database, SLUG)

    assert page.period is None
    assert page.balances == page.lines == page.flows == page.held == ()
    assert [policy.pot for policy in page.policies] == ["hours", "money"]


async def test_a_close_publishes_what_was_written_until_its_last_day(book: Book):
    await book.give(90, date(2026, 3, 2))
    await book.write("ed", GiveMoney("money", 5000, "EUR", "cash-box", None, date(2026, 3, 2)))
    book.now += timedelta(days=1)
    await book.give(30, date(2026, 3, 3))

    closed = await book.close()

    page = await read_public_book(book.house.database, SLUG)
    assert [(p.period, p.first_day, p.last_day, p.lines) for p in closed.periods] == [
        (1, date(2026, 1, 1), date(2026, 3, 2), 2)
    ]
    assert page.period == closed.periods[0]
    assert page.period.next_close_on == date(2026, 3, 4)
    hours, money = page.balances
    assert (hours.available, hours.promised, hours.given, hours.drawn) == (90, 0, 90, 0)
    assert (money.available, money.given, money.came_in) == (5000, 5000, 5000)
    assert [(place.place, place.amount) for place in page.held] == [("eur-cash-1", 5000), ("eur-bank-1", 0)]
    assert sorted(line.kind for line in page.lines) == ["help_given", "money_in"]


async def test_every_missing_day_is_closed_in_order(book: Book):
    await book.give(60, date(2026, 3, 2))
    book.now += timedelta(days=2)
    await book.give(45, date(2026, 3, 3))
    book.now += timedelta(days=2)

    closed = await book.close()

    assert [period.last_day.day for period in closed.periods] == [2, 3, 4, 5]
    assert [period.lines for period in closed.periods] == [1, 0, 1, 0]
    seqs = await book.rows("SELECT period, through_seq FROM timebank.closes ORDER BY period")
    assert [period for period, _ in seqs] == [1, 2, 3, 4]
    assert sorted(seq for _, seq in seqs) == [seq for _, seq in seqs]


async def test_closing_again_says_so_and_writes_nothing(book: Book):
    await book.give(60, date(2026, 3, 2))
    book.now += timedelta(days=1)
    await book.close()
    before = await book.rows("SELECT seq, checkpoint FROM timebank.book_heads")

    again = await book.close()

    assert again.nothing_to_do
    assert again.last_day == date(2026, 3, 2)
    assert await book.rows("SELECT seq, checkpoint FROM timebank.book_heads") == before


async def test_two_closes_at_once_close_once(book: Book):
    await book.give(60, date(2026, 3, 2))
    book.now += timedelta(days=3)

    both = await asyncio.gather(book.close(), book.close(), return_exceptions=True)

    assert any(isinstance(one, close_module.Closed) for one in both), both
    await book.close()
    periods = await book.rows("SELECT period, last_day FROM timebank.closes ORDER BY period")
    assert [period for period, _ in periods] == [1, 2, 3]
    assert len(await book.rows("SELECT 1 FROM timebank.records WHERE kind = 'closing'")) == 3


async def test_a_day_that_is_not_over_cannot_be_closed(book: Book):
    with pytest.raises(PeriodNotOver) as refusal:
        await book.close(through=date(2026, 3, 2))

    assert refusal.value.params == {"through": "2026-03-02", "today": "2026-03-02"}
    assert await book.rows("SELECT 1 FROM timebank.published_periods") == []


async def test_a_day_ends_at_midnight_in_the_groups_own_zone(book: Book):
    book.now = datetime(2026, 3, 2, 22, 59, tzinfo=UTC)
    await book.give(60, date(2026, 3, 2))
    book.now = datetime(2026, 3, 2, 23, 1, tzinfo=UTC)
    await book.give(30, date(2026, 3, 2))

    closed = await book.close()

    assert [(period.last_day, period.lines) for period in closed.periods] == [(date(2026, 3, 2), 1)]


async def test_what_arrives_late_is_in_the_next_period_and_says_so(book: Book):
    await book.give(60, date(2026, 3, 2))
    book.now += timedelta(days=1)
    await book.close()
    await book.give(45, date(2026, 3, 1))
    book.now += timedelta(days=1)

    await book.close()

    page = await read_public_lines(book.house.database, SLUG, after=None, limit=10)
    late, early = page.lines
    assert (late.period, late.day, late.arrived_late) == (2, date(2026, 3, 1), True)
    assert (early.period, early.arrived_late) == (1, False)


async def test_the_life_of_a_draw_folds(book: Book):
    await book.write("ed", GiveMoney("money", 10000, "EUR", "bank", None, date(2026, 3, 2)))
    draw = UUID((await book.write("ada", AskDraw("money", 2500, "EUR", "cooking")))["id"])
    book.now += timedelta(days=1)
    await book.write("bo", ApproveDraw(draw))
    book.now += timedelta(days=1)
    await book.write("ed", HandOver(draw, "bank"))
    wrong = await book.give(300, date(2026, 3, 4))
    book.now += timedelta(days=1)
    await book.write("ada", CorrectEntry(UUID(wrong["entry"]), instead=Instead(amount=30)))
    book.now += timedelta(days=1)

    await book.close()

    flows = await read_public_flows(book.house.database, SLUG, before=None, limit=10, by_kind=True)
    assert [
        (flow.last_day.day, flow.pot, flow.kind, flow.came_in, flow.went_out) for flow in flows.flows
    ] == [
        (2, "money", "money_in", 10000, 0),
        (3, "money", "promise", 0, 0),
        (4, "hours", "help_given", 300, 0),
        (4, "money", "hand_over", 0, 2500),
        (5, "hours", "correction", 0, 300),
        (5, "hours", "help_given", 30, 0),
    ]
    hours, money = (await read_public_group(book.house.database, SLUG)).balances
    assert (hours.available, hours.promised, hours.given, hours.drawn) == (30, 0, 30, 0)
    assert (money.available, money.promised, money.given, money.drawn) == (7500, 0, 10000, 2500)
    every = await book.rows(
        "SELECT period, pot, available + promised, came_in, went_out FROM timebank.published_balances"
        " ORDER BY pot, period"
    )
    held: dict[str, int] = {}
    for _, pot, total, came_in, went_out in every:
        assert held.get(pot, 0) + came_in - went_out == total
        held[pot] = total


async def test_nothing_published_names_a_person(book: Book):
    await book.give(60, date(2026, 3, 2), note="for Flo, third floor")
    book.now += timedelta(days=1)
    await book.close()

    everything = ""
    for table in ("groups", "policies", "periods", "balances", "held", "flows", "lines"):
        rows = await book.rows(f"SELECT to_jsonb(t)::text FROM timebank.published_{table} AS t")
        everything += "".join(row[0] for row in rows)

    accounts = await book.rows("SELECT account_id FROM timebank.accounts")
    entries = await book.rows("SELECT entry_id FROM timebank.entries")
    assert not [number for (number,) in accounts if str(number) in everything]
    assert not [entry for (entry,) in entries if str(entry) in everything]
    assert not [member for member in book.cast.ids.values() if str(member) in everything]
    assert "Flo" not in everything
    assert "cash-box" not in everything


async def test_between_closes_no_public_answer_changes(book: Book, stage_of: Any):
    await book.give(60, date(2026, 3, 2))
    book.now += timedelta(days=1)
    await book.close()
    stage = await stage_of(book.cast)
    paths = ["", "/balances", "/flows", "/flows?by=kind", "/entries"]
    before = [await stage.get(None, path) for path in paths] + [await stage.http.get(f"/g/{SLUG}")]

    await book.give(999, date(2026, 3, 3))
    await book.write("ed", GiveMoney("money", 5000, "EUR", "bank", None, date(2026, 3, 3)))

    after = [await stage.get(None, path) for path in paths] + [await stage.http.get(f"/g/{SLUG}")]
    assert [answer.status_code for answer in before] == [200] * 6, before[0].text
    assert [answer.content for answer in before] == [answer.content for answer in after]
    assert [answer.headers["etag"] for answer in before] == [answer.headers["etag"] for answer in after]


async def test_a_batch_that_comes_in_while_counting_is_not_left_out(
    book: Book, monkeypatch: pytest.MonkeyPatch
):
    await book.give(60, date(2026, 3, 2))
    real, calls = close_module._publish, []

    async def late_batch(*args: Any, **more: Any) -> None:
        if not calls:
            # A writer took its moment before midnight and commits after the close has counted.
            calls.append(1)
            await book.give(15, date(2026, 3, 2))
        await real(*args, **more)

    monkeypatch.setattr(close_module, "_publish", late_batch)
    now = book.now + timedelta(days=1)

    closed = await close_period(book.house, book.group_id, now=now)

    assert [period.lines for period in closed.periods] == [2]
    assert (await read_public_group(book.house.database, SLUG)).balances[0].available == 75


async def test_a_close_that_fails_half_way_leaves_nothing(book: Book, monkeypatch: pytest.MonkeyPatch):
    await book.give(60, date(2026, 3, 2))
    book.now += timedelta(days=1)

    async def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the machine stops here")

    with monkeypatch.context() as broken:
        broken.setattr("timebank.store.closes.insert_close", fail)
        with pytest.raises(RuntimeError):
            await book.close()

    for table in ("periods", "balances", "held", "flows", "lines"):
        assert await book.rows(f"SELECT 1 FROM timebank.published_{table}") == []
    assert [period.lines for period in (await book.close()).periods] == [1]


async def test_lines_are_read_page_by_page_without_loss(book: Book):
    for day in range(3):
        for minutes in (15, 30, 45):
            await book.give(minutes, date(2026, 3, 2) + timedelta(days=day))
        book.now += timedelta(days=1)
    await book.close()

    whole = (await read_public_lines(book.house.database, SLUG, after=None, limit=100)).lines
    pages, after = [], None
    while True:
        page = await read_public_lines(book.house.database, SLUG, after=after, limit=2)
        pages += page.lines
        after = page.after
        if after is None:
            break

    assert pages == list(whole)
    assert len(whole) == 9
    assert [line.period for line in whole] == sorted((line.period for line in whole), reverse=True)


@pytest.fixture
def stage_of(fresh_dsn: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give an application for a cast: only what is public, with the same database."""
    import httpx
    from litestar import Litestar

    from timebank.api.public import PUBLIC_API
    from timebank.web.public import PUBLIC_PAGES

    async def make(cast: Cast) -> Stage:
        app = Litestar(
            route_handlers=[*PUBLIC_API, *PUBLIC_PAGES], openapi_config=None, logging_config=None, debug=True
        )
        app.state.database = cast.house.database
        transport = httpx.ASGITransport(app=app)
        return Stage(cast, httpx.AsyncClient(transport=transport, base_url="http://localhost"))

    return make
