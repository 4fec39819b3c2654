"""What careful and sheltered publish, and what goes into the public log with it."""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.cast import SLUG, make_cast
from tests.database import Dsn, run
from tests.services.book_with_clock import MARCH_2, Book
from timebank.errors import UnknownEntry
from timebank.ledger.notes import parse_checkpoint, parse_note
from timebank.ledger.public_log import (
    ClosingLeaf,
    GenesisLeaf,
    LineLeaf,
    Parts,
    PotFigures,
    RecordLeaf,
    leaf_bytes,
)
from timebank.ledger.tiles import read_bundle
from timebank.ledger.tree import commitment, leaf_hash, verify_inclusion
from timebank.rules.commands import GiveMoney
from timebank.rules.readiness import Way
from timebank.rules.set_up import MINUTES, NewPot, Terms
from timebank.services.house import House
from timebank.services.log_sources import open_log
from timebank.services.public_log import read_checkpoint
from timebank.services.public_verify import check_log, is_signed
from timebank.services.published import read_public_book, read_public_group, read_public_page
from timebank.services.receipts import read_receipt
from timebank.services.verify import verify_group
from timebank.store.closes import insert_way
from timebank.store.log_files import LOGS
from timebank.store.migrate import SUPERUSER

ANYONE = (NewPot("hours", MINUTES), NewPot("money", "EUR", terms=Terms(who="anyone")))
CHECK_BOOK = Path(__file__).parents[2] / "frontend" / "download" / "check_book.py"
MONDAY = MARCH_2
MAKES_BOOKS = Callable[..., Any]


@pytest.fixture
def a_book(house: House) -> MAKES_BOOKS:
    """Give the cast's book, published as a test says."""

    @asynccontextmanager
    async def make(**group: Any) -> AsyncIterator[Book]:
        book = Book(await make_cast(house, MONDAY, **group))
        try:
            yield book
        finally:
            await book.writer.close()

    return make


async def is_checked(book: Book, folder: Path) -> None:
    """Assert that two programs which share nothing find nothing wrong with the published log, nor verify with the book."""
    whole = await verify_group(book.house, book.group_id)
    assert whole.findings == ()
    assert whole.unproved == ()
    await book.save_log(folder)
    with open_log(str(folder)) as log:
        verdict = check_log(log)
    assert verdict.ok, verdict.findings
    other = subprocess.run(  # noqa: ASYNC221
        [sys.executable, CHECK_BOOK, folder], capture_output=True, text=True, check=False
    )
    assert other.returncode == 0, other.stdout + other.stderr


def money_of(leaves: list[Any]) -> PotFigures:
    end = leaves[-1]
    assert isinstance(end, ClosingLeaf)
    return next(pot for pot in end.pots if pot.pot == "money")


async def test_a_log_begins_with_its_group_and_grows_with_each_close_only(
    a_book: MAKES_BOOKS, tmp_path: Path
):
    async with a_book() as book:
        (first,) = await book.leaves()
        assert isinstance(first, GenesisLeaf)
        assert (first.origin, first.preset) == (f"bank.example/g/{SLUG}", "open")

        await book.give(90, date(2026, 3, 2))
        assert len(await book.leaves()) == 1

        book.now += timedelta(days=3)
        await book.close()
        leaves = await book.leaves()
        # Three days: what is there fills a block of sixteen, and a closing ends it.
        assert len(leaves) == 1 + 3 * 17
        assert [type(leaf) for leaf in leaves].count(ClosingLeaf) == 3
        (line,) = [leaf for leaf in leaves if isinstance(leaf, LineLeaf)]
        assert (line.kind, line.category, line.day) == ("help_given", "cooking", date(2026, 3, 2))
        await is_checked(book, tmp_path / "first")

        again = await book.close()
        assert again.nothing_to_do
        assert await book.leaves() == leaves

        # More than one tile.
        for minutes in range(1, 301):
            await book.give(minutes, date(2026, 3, 5))
        book.now += timedelta(days=1)
        await book.close()
        assert len(await book.leaves()) > 300
        await is_checked(book, tmp_path / "second")

        # The same leaves are kept beside the keys, for a server whose database is put back.
        kept = tmp_path / "logs" / str(book.group_id)
        stored = b"".join(path.read_bytes() for path in sorted(kept.glob("*.leaves")))
        assert read_bundle(stored, len(await book.leaves())) == [
            leaf_bytes(leaf) for leaf in await book.leaves()
        ]
        served = tmp_path / "second" / "log" / "checkpoint"
        assert (kept / "checkpoint").read_bytes() == served.read_bytes()


async def test_careful_waits_for_three_people_and_then_shows_lines_without_a_day(
    a_book: MAKES_BOOKS, tmp_path: Path
):
    async with a_book(preset="careful") as book:
        await book.write("ed", GiveMoney("money", 50000, "EUR", "bank", None, date(2026, 3, 2)))
        await book.draw("ada", 1000)
        await book.draw("flo", 2000)
        book.now += timedelta(days=7)

        first = await book.close()

        assert [(p.first_day, p.last_day, p.lines, p.preset) for p in first.periods] == [
            (date(2026, 1, 1), date(2026, 3, 8), 1, "careful")
        ]
        page = await read_public_book(book.house.database, SLUG)
        assert [(line.kind, line.category, line.day) for line in page.lines] == [("money_in", "", None)]
        money = page.balance("money")
        # What two people got waits, and the pot's figures with it.
        assert money is not None
        assert (money.available, money.promised, money.given, money.drawn) == (50000, 0, 50000, 0)
        assert [(place.kind, place.amount) for place in page.held] == [("all", 50000)]

        await book.draw("di", 500)
        book.now += timedelta(days=7)
        await book.close()

        page = await read_public_book(book.house.database, SLUG)
        kinds = sorted(line.kind for line in page.lines if line.period == 2)
        assert kinds == ["hand_over"] * 3 + ["promise"] * 3
        assert {line.day for line in page.lines} == {None}
        assert {line.arrived_late for line in page.lines} == {False}
        money = page.balance("money")
        assert money is not None
        assert (money.available, money.promised, money.given, money.drawn) == (46500, 0, 50000, 3500)
        assert await book.rows("SELECT 1 FROM timebank.waiting") == []
        await is_checked(book, tmp_path)


async def test_what_waits_comes_out_as_one_total_after_thirteen_weeks(a_book: MAKES_BOOKS, tmp_path: Path):
    async with a_book(preset="careful") as book:
        await book.write("ed", GiveMoney("money", 50000, "EUR", "bank", None, date(2026, 3, 2)))
        await book.draw("ada", 1000)
        book.now += timedelta(days=30)
        await book.promise("flo", 300)
        book.now = MONDAY + timedelta(weeks=12)
        await book.close()
        before = await read_public_group(book.house.database, SLUG)
        assert next(pot for pot in before.balances if pot.pot == "money").available == 50000

        book.now = MONDAY + timedelta(weeks=13)
        await book.close()

        leaves = await book.leaves()
        assert not [leaf for leaf in leaves if isinstance(leaf, LineLeaf) and leaf.kind != "money_in"]
        figures = money_of(leaves)
        assert figures.waited == Parts(-1300, 300)
        assert (figures.opening, figures.closing) == (Parts(50000, 0), Parts(48700, 300))
        money = (await read_public_group(book.house.database, SLUG)).balances[1]
        # One total: what was promised and what was handed over are not told apart in it.
        assert (money.available, money.promised, money.drawn, money.went_out) == (48700, 300, 1000, 1000)
        assert await book.rows("SELECT 1 FROM timebank.waiting") == []
        await is_checked(book, tmp_path)


async def test_sheltered_shows_totals_of_months_and_nothing_else(a_book: MAKES_BOOKS, tmp_path: Path):
    async with a_book(preset="sheltered", pots=ANYONE) as book:
        for name in ("ada", "flo", "bo", "di", "ed"):
            await book.write(
                "ed", GiveMoney("money", 10000, "EUR", "bank", book.cast.ids[name], date(2026, 3, 2))
            )
        for name in ("ada", "flo", "di"):
            await book.draw(name, 1000)
        book.now = datetime(2026, 4, 1, 9, 0, tzinfo=UTC)

        closed = await book.close()

        assert [(p.last_day, p.next_close_on, p.lines) for p in closed.periods] == [
            (date(2026, 3, 31), date(2026, 5, 1), 0)
        ]
        figures = money_of(await book.leaves())
        # Three people are too few here: only what five gave is shown.
        assert (figures.closing, figures.came_in, figures.went_out, figures.kinds) == (50000, 50000, 0, ())

        await book.draw("bo", 2000)
        await book.draw("bo", 2000, without_account=True)
        book.now = datetime(2026, 5, 1, 9, 0, tzinfo=UTC)
        await book.close()

        leaves = await book.leaves()
        assert {type(leaf) for leaf in leaves} >= {RecordLeaf, ClosingLeaf}
        assert not [leaf for leaf in leaves if isinstance(leaf, LineLeaf)]
        assert len(leaves) == 1 + 2 * 65
        figures = money_of(leaves)
        assert (figures.opening, figures.closing, figures.came_in, figures.went_out) == (
            50000,
            43000,
            0,
            7000,
        )
        page = await read_public_book(book.house.database, SLUG)
        assert page.lines == ()
        assert [(pot.available, pot.promised, pot.drawn) for pot in page.balances if pot.pot == "money"] == [
            (43000, 0, 7000)
        ]
        await is_checked(book, tmp_path)


async def test_verify_finds_what_the_log_withholds_and_what_it_shows_otherwise(
    a_book: MAKES_BOOKS, fresh_dsn: Dsn
):
    async with a_book(preset="careful") as book:
        await book.write("ed", GiveMoney("money", 50000, "EUR", "bank", None, date(2026, 3, 2)))
        await book.draw("ada", 1000)
        book.now += timedelta(days=7)
        await book.close()
        assert (await verify_group(book.house, book.group_id)).findings == ()

        async def found_after(statement: str) -> list[tuple[str, str]]:
            await run(fresh_dsn, SUPERUSER, statement)
            verdict = await verify_group(book.house, book.group_id)
            return [(finding.check, finding.what) for finding in verdict.findings]

        withheld = await found_after("UPDATE timebank.waiting SET seq = seq + 1000")
        assert withheld == [("public_log", "it was published, and the public log has no leaf of it")]
        assert await found_after("UPDATE timebank.waiting SET seq = seq - 1000") == []

        await run(fresh_dsn, SUPERUSER, "ALTER TABLE timebank.published_leaves DISABLE TRIGGER append_only")
        other = "convert_to(replace(convert_from(leaf, 'UTF8'), '{}', '{}'), 'UTF8')"
        statement = "UPDATE timebank.published_leaves SET leaf = {} WHERE convert_from(leaf, 'UTF8') LIKE '%money_in%'"
        shown = await found_after(statement.format(other.format("50000", "50001")))
        # The line of the gift; the closing, which names the kind as well, still is one.
        assert sorted(check for check, _ in shown) == ["closing_leaves", "log_whole", "public_log"]
        assert ("public_log", "its leaf in the public log says something else") in shown


async def test_the_seal_of_each_page_is_of_its_own_close_also_where_some_came_before_the_log(
    a_book: MAKES_BOOKS, house: House, fresh_dsn: Dsn
):
    async with a_book() as book:
        for _ in range(2):
            await book.give(30, book.now.date())
            book.now += timedelta(days=1)
            await book.close()
        # As a program left it that knew of no log.
        gone = [f"DELETE FROM timebank.published_{what}" for what in ("checkpoints", "leaves", "nodes")]
        await run(fresh_dsn, SUPERUSER, "; ".join(["SET session_replication_role = replica", *gone]))
        shutil.rmtree(house.keys.home / LOGS)
        assert (await read_public_book(house.database, SLUG)).note == ""
        notes = ["", ""]
        for _ in range(2):
            book.now += timedelta(days=1)
            await book.close()
            notes.append((await read_checkpoint(house.database, SLUG)).decode())

        pages = [(await read_public_page(house.database, SLUG, number)).note for number in (1, 2, 3, 4)]

        assert pages == notes
        assert (await read_public_book(house.database, SLUG)).note == notes[-1]


async def test_verify_adds_up_again_what_careful_pages_show_and_who_stood_behind_it(
    a_book: MAKES_BOOKS, fresh_dsn: Dsn
):
    async with a_book(preset="careful") as book:
        await book.write("ed", GiveMoney("money", 50000, "EUR", "bank", None, date(2026, 3, 2)))
        for name in ("ada", "flo", "di"):
            await book.draw(name, 1000)
        book.now += timedelta(days=7)
        await book.close()

        async def found_while(change: str, back: str) -> set[str]:
            await run(fresh_dsn, SUPERUSER, f"SET session_replication_role = replica; {change}")
            verdict = await verify_group(book.house, book.group_id)
            await run(fresh_dsn, SUPERUSER, f"SET session_replication_role = replica; {back}")
            return {finding.check for finding in verdict.findings}

        for table, column, check in (
            ("published_balances", "available", "published_balances"),
            ("published_balances", "drawn", "published_balances"),
            ("published_held", "amount", "published_balances"),
            ("published_flows", "lines", "published_flows"),
        ):
            statement = f"UPDATE timebank.{table} SET {column} = {column} {{}} 1"
            assert await found_while(statement.format("+"), statement.format("-")) == {check}
        word = "UPDATE timebank.published_lines SET kind = '{}' WHERE kind = '{}'"
        assert await found_while(
            word.format("release", "hand_over"), word.format("hand_over", "release")
        ) == {"published_lines"}
        # Two of the three asks are for one person after all: too few people stood behind what went out.
        ids = book.cast.ids
        for_whom = "UPDATE timebank.draw_hands SET member_id = '{}' WHERE theirs AND member_id = '{}'"
        assert await found_while(for_whom.format(ids["ada"], ids["flo"]), "SELECT 1") == {"people_behind"}


async def test_a_receipt_is_a_promise_first_and_a_proof_after_the_close(a_book: MAKES_BOOKS):
    async with a_book() as book:
        entry = UUID((await book.give(90, date(2026, 3, 2)))["entry"])
        ada, flo = await book.cast.actor("ada"), await book.cast.actor("flo")

        promise = await read_receipt(book.house, ada, entry, opened=False)
        assert promise.inclusion is None
        assert promise.opening is None
        key = book.house.checkpoints.log_keys(book.group_id, f"bank.example/g/{SLUG}")[1]
        note = parse_note(promise.promise)
        assert is_signed(note, key)
        assert note.text.split("\n")[:2] == [f"bank.example/g/{SLUG}/live", "1"]
        assert base64.b64decode(note.text.split("\n")[2]) == promise.commitment
        with pytest.raises(UnknownEntry):
            await read_receipt(book.house, flo, entry, opened=False)

        book.now += timedelta(days=1)
        await book.close()

        proof = await read_receipt(book.house, ada, entry, opened=True)
        inclusion, opening = proof.inclusion, proof.opening
        assert inclusion is not None
        assert opening is not None
        checkpoint = parse_checkpoint(parse_note(inclusion.checkpoint).text)
        assert verify_inclusion(
            leaf_hash(inclusion.leaf), inclusion.index, checkpoint.size, inclusion.hashes, checkpoint.root
        )
        genesis = (await book.leaves())[0]
        assert isinstance(genesis, GenesisLeaf)
        assert commitment(genesis.book, opening.salt, opening.record) == proof.commitment
        assert proof.commitment.hex() in inclusion.leaf.decode()


async def test_a_change_of_preset_brings_nothing_out_early(a_book: MAKES_BOOKS, tmp_path: Path):
    async with a_book(preset="careful") as book:
        await book.write("ed", GiveMoney("money", 50000, "EUR", "bank", None, date(2026, 3, 2)))
        await book.draw("ada", 1000)
        async with book.house.database.tx(book.group_id) as tx:
            await insert_way(tx, book.group_id, date(2026, 3, 9), Way.of("open"), decided_at=book.now)
        book.now += timedelta(days=7)
        await book.write("ed", GiveMoney("money", 700, "EUR", "bank", None, date(2026, 3, 9)))
        book.now += timedelta(days=1)

        closed = await book.close()

        assert [(p.last_day.day, p.preset) for p in closed.periods] == [(8, "careful"), (9, "open")]
        group = await read_public_group(book.house.database, SLUG)
        assert group.group.preset == "open"
        # What one person drew under careful still waits, and places stay hidden as long as anything could.
        assert next(pot for pot in group.balances if pot.pot == "money").available == 50700
        assert [place.kind for place in group.held] == ["all"]

        book.now = MONDAY + timedelta(days=92)
        await book.close()
        figures = [
            next(pot for pot in leaf.pots if pot.pot == "money").waited
            for leaf in await book.leaves()
            if isinstance(leaf, ClosingLeaf)
        ]
        assert [one for one in figures if one] == [Parts(-1000, 0)]
        await is_checked(book, tmp_path)
