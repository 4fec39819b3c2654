"""A book that is older than its public log takes up again what was published, and says so to everybody."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.cast import SLUG, be_durable_enough, make_cast
from tests.database import Dsn, Server, copied
from tests.services.book_with_clock import MARCH_2, Book
from tests.services.test_audit import audit_with, opened
from timebank.config import OperatorError
from timebank.i18n import language
from timebank.ledger.canonical import parse
from timebank.ledger.public_log import ClosingLeaf, Figure, Leaf, Parts, PolicyLeaf, RestoredLeaf
from timebank.rules.commands import GiveMoney
from timebank.rules.publication import PublicRestore
from timebank.rules.readiness import Way
from timebank.rules.set_up import MINUTES, NewPot, Terms
from timebank.services import close as close_module
from timebank.services.acts import Once
from timebank.services.auditing import LOST, OWN_ASKS, Audit
from timebank.services.cosigning import read_checking
from timebank.services.house import House
from timebank.services.log_archive import write_log
from timebank.services.log_sources import open_log
from timebank.services.members import grant_role
from timebank.services.policies import agree_policy
from timebank.services.public_verify import LogVerdict, check_log
from timebank.services.published import read_public_book, read_public_group
from timebank.services.receipts import read_receipt
from timebank.services.restore import settle, settle_at_start
from timebank.services.take_log import take_log
from timebank.services.verify import CLOSES_LOST, verify_group
from timebank.services.witness import Cosigned, Evidence, Witness
from timebank.store.checkpoints import Checkpoints
from timebank.store.closes import insert_way
from timebank.store.engine import Database
from timebank.store.groups import find_checkpoint
from timebank.web.book_page import book_page
from timebank.web.pages import render
from timebank.web.words import told_in_words

pytestmark = pytest.mark.database

CHECK_BOOK = Path(__file__).parents[2] / "frontend" / "download" / "check_book.py"
EUROS = "EUR"
WAITING = "SELECT seq, recorded_on, preset, people FROM timebank.waiting ORDER BY seq"


async def save(book: Book, path: Path) -> Path:
    """Save a book's public log as one file, as its host gives it away."""
    with path.open("wb") as out:
        await write_log(book.house.database, SLUG, out, show=lambda *_: None)
    return path


def checked(path: Path) -> tuple[LogVerdict, str]:
    """Assert that two programs which share nothing find nothing wrong with a log; return what they say."""
    with open_log(str(path)) as log:
        verdict = check_log(log)
    assert verdict.ok, verdict.findings
    other = subprocess.run([sys.executable, CHECK_BOOK, path], capture_output=True, text=True, check=False)
    assert other.returncode == 0, other.stdout + other.stderr
    return verdict, other.stdout


@asynccontextmanager
async def put_back(
    cluster: Server, book: Book, dsn: Dsn, then: Callable[[Book], Awaitable[None]]
) -> AsyncIterator[Book]:
    """Copy a book's database, let something happen, and give the copy with the home as it is then."""

    def opened(database: Database) -> Book:
        house = replace(
            book.house, database=database, checkpoints=Checkpoints(book.house.keys, book.house.keys.home)
        )
        again = Book(replace(book.cast, house=house))
        again.now, again.count = book.now, book.count + 1000
        return again

    async def ended(one: Book) -> None:
        await one.writer.close()
        await one.house.checkpoints.close()
        await one.house.database.close()

    await ended(book)
    async with copied(cluster, str(dsn("timebank")["database"])) as older:
        await be_durable_enough(older)
        later = opened(await Database.open(dsn, check=False))
        await then(later)
        back = opened(await Database.open(older, check=False))
        back.now = later.now
        await ended(later)
        try:
            yield back
        finally:
            await ended(back)


async def settled(book: Book) -> Any:
    """Settle a restored book as ``timebank restore`` does."""
    (one,) = [
        one
        for one in await settle(book.house, book.house.checkpoints, now=book.now)
        if one.group_id == book.group_id
    ]
    async with book.house.database.read(book.group_id) as tx:
        size, note = await find_checkpoint(tx, book.group_id)
    book.house.checkpoints.keep_epoch(book.group_id, one.epoch)
    book.house.checkpoints.replace(book.group_id, size, note)
    return one


async def restored_records(book: Book) -> list[Any]:
    rows = await book.rows("SELECT record FROM timebank.records WHERE kind = 'restored' ORDER BY seq")
    return [parse(bytes(row[0])) for row in rows]


def last_closing(leaves: list[Leaf]) -> ClosingLeaf:
    end = leaves[-1]
    assert isinstance(end, ClosingLeaf)
    return end


def lost_in(leaves: list[Leaf]) -> dict[str, Figure]:
    return {one.pot: one.lost for one in last_closing(leaves).pots if one.lost is not None}


def gift(amount: int, day: date) -> GiveMoney:
    return GiveMoney("money", amount, EUROS, "bank", None, day)


async def is_whole(book: Book) -> tuple[str, ...]:
    verdict = await verify_group(book.house, book.group_id)
    assert verdict.findings == (), verdict.findings
    return verdict.unproved


async def audited(book: Book, path: Path) -> Audit:
    """Have Flo open every record, with what anybody can read."""
    return audit_with(await save(book, path), await opened(book))


async def agree(book: Book, pot: str, *, yeses: int = 1) -> None:
    once = Once(
        f"agree-{pot}", sha256(pot.encode()).digest(), book.now, lambda refusal: (409, {"code": refusal.code})
    )
    told = {"approvals": [{"above": 0, "count": yeses}]}
    actor = await book.cast.actor("bo")
    answer = await agree_policy(book.house, actor, pot, told, agreed_on=None, once=once)
    assert answer.status == 201, answer.body


async def a_book(house: House, **group: Any) -> Book:
    return Book(await make_cast(house, MARCH_2, **group))


async def test_what_was_published_is_published_again_byte_for_byte_and_goes_on(
    house: House, cluster: Server, fresh_dsn: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = await a_book(house)
    witness = Witness.begin(tmp_path / "witness", "witness.example/ada", bytes(range(32)))
    await book.give(90, date(2026, 3, 2))
    await book.write("ed", gift(5000, date(2026, 3, 2)))
    book.now += timedelta(days=1)
    await book.close()
    # This one is in the backup and was published after it.
    kept = UUID((await book.give(30, date(2026, 3, 3)))["entry"])
    before = await save(book, tmp_path / "before.zip")
    with open_log(str(before)) as log:
        witness.add("https://bank.example/g/riverside", log, at=1)

    async def then(later: Book) -> None:
        await later.give(45, date(2026, 3, 3), "flo")
        await later.write("ed", gift(700, date(2026, 3, 3)))
        await agree(later, "money")
        later.now += timedelta(days=1)
        await later.close()
        await later.draw("ada", 1000)
        later.now += timedelta(days=1)
        await later.close()
        await save(later, tmp_path / "published.zip")
        await later.give(60, date(2026, 3, 5))

    published = tmp_path / "published.zip"
    async with put_back(cluster, book, fresh_dsn, then) as back:
        with open_log(str(published)) as log:
            assert isinstance(witness.poll(witness.list_watched()[0], log, at=2), Cosigned)
        with pytest.raises(OperatorError, match="restore --settle"):
            await settle_at_start(back.house, now=back.now)
        with open_log(str(await save(back, tmp_path / "yesterday.zip"))) as log:
            refused = witness.poll(witness.list_watched()[0], log, at=3)
        assert isinstance(refused, Evidence)
        assert refused.kind == "rollback"

        one = await settled(back)

        assert one.epoch == 2
        # Same tiles, same leaves, same checkpoint, same texts of rules.
        assert (await save(back, tmp_path / "again.zip")).read_bytes() == published.read_bytes()
        (record,) = await restored_records(back)
        # Hours and a gift, five steps of a draw, rules: two closings, and whatever else the book wrote with these.
        assert record["published_lost"] == len(await back.rows(LOST_LEAVES)) - len(record["padding"])
        assert record["lost"] == [
            {"available": -45, "pot": "hours", "promised": 0},
            {"available": 300, "pot": "money", "promised": 0},
        ]
        assert [one["through_seq"] for one in record["closed"]] == [record["new"]["size"]] * 2
        figures = await read_public_group(back.house.database, SLUG)
        assert [(pot.pot, pot.available) for pot in figures.balances] == [("hours", 165), ("money", 4700)]
        unproved = await is_whole(back)
        assert any("a restore lost" in one for one in unproved)
        await grant_role(back.house, back.group_id, back.cast.ids["flo"], "auditor", now=back.now)
        found = await audited(back, tmp_path / "audited.zip")
        assert (found.findings, found.unproved) == ((), (OWN_ASKS, LOST, CLOSES_LOST))
        await settle_at_start(back.house, now=back.now)
        assert (await settled(back)).epoch == 0

        # The log goes on: with the next close everybody is told.
        await back.give(45, date(2026, 3, 5), "flo")
        back.now += timedelta(days=1)
        await back.close()

        leaves = await back.leaves()
        (leaf,) = [leaf for leaf in leaves if isinstance(leaf, RestoredLeaf)]
        assert (leaf.epoch, leaf.lost) == (2, record["published_lost"])
        assert lost_in(leaves) == {"hours": Parts(-45, 0), "money": Parts(300, 0)}
        assert [(one.pot, one.closing) for one in last_closing(leaves).pots] == [
            ("hours", Parts(165, 0)),
            ("money", Parts(5000, 0)),
        ]
        assert len([leaf for leaf in leaves if isinstance(leaf, PolicyLeaf) and leaf.version == 2]) == 2
        after = await save(back, tmp_path / "after.zip")
        verdict, said = checked(after)
        assert [(one.epoch, one.lost) for one in verdict.seen.restores] == [(2, leaf.lost)]
        assert f"It lost {leaf.lost} records that" in said
        with open_log(str(after)) as log:
            accepted = witness.poll(witness.list_watched()[0], log, at=4)
        assert isinstance(accepted, Cosigned)
        assert [one.lost for one in accepted.accepted.restores] == [leaf.lost]
        await is_whole(back)
        found = await audited(back, after)
        assert (found.findings, found.unproved) == ((), (OWN_ASKS, LOST, CLOSES_LOST))

        # One leaf more than was lost: its host may have the record, and does not open it.
        right = close_module._record
        with monkeypatch.context() as patched:
            patched.setattr(
                close_module, "_record", lambda figures, salts, auditors: right(figures, salts[1:], auditors)
            )
            back.now += timedelta(days=1)
            await back.close()
        found = await audited(back, tmp_path / "withheld.zip")
        assert [(one.check, one.seq) for one in found.findings] == [("public_log", 0)]
        assert LOST not in found.unproved
        page = book_page(await read_public_book(back.house.database, SLUG), language("en"), explicit=False)
        (sentence,) = page.restores
        assert f"It lost {leaf.lost} records that had been published" in sentence
        assert sentence in render("public.html", page, language("en")).decode()
        assert (await read_checking(back.house, SLUG)).told == (PublicRestore(date(2026, 3, 5), leaf.lost),)
        receipt = await read_receipt(back.house, await back.cast.actor("ada"), kept, opened=False)
        assert receipt.promise.split("\n")[1] == "2"
        assert receipt.inclusion is not None


LOST_LEAVES = """
    SELECT 1 FROM timebank.published_leaves
     WHERE commitment NOT IN (SELECT commitment FROM timebank.records)
       AND leaf_index >= 18
"""


@pytest.mark.parametrize("preset", ["careful", "sheltered"])
async def test_what_waits_and_what_was_lost_is_told_apart_where_people_are_counted(
    house: House, cluster: Server, fresh_dsn: Dsn, tmp_path: Path, preset: str
) -> None:
    anyone = (NewPot("hours", MINUTES), NewPot("money", EUROS, terms=Terms(who="anyone")))
    book = await a_book(house, preset=preset, pots=anyone)
    month = preset == "sheltered"
    for name in ("ada", "flo", "bo", "di", "ed"):
        await book.write("ed", GiveMoney("money", 5000, EUROS, "bank", book.cast.ids[name], date(2026, 3, 2)))
    # Too few for a figure: it waits, in the book that is put back as in the one that is lost.
    await book.draw("ada", 100)

    async def then(later: Book) -> None:
        for name in ("flo", "di", "bo", "ed", "ada"):
            await later.write(
                "ed", GiveMoney("money", 1000, EUROS, "bank", later.cast.ids[name], date(2026, 3, 2))
            )
        later.now = datetime(2026, 4, 1, 9, 0, tzinfo=UTC) if month else later.now + timedelta(days=7)
        await later.close()
        await save(later, tmp_path / "published.zip")
        waits.extend(await later.rows(WAITING))

    waits: list[Any] = []
    async with put_back(cluster, book, fresh_dsn, then) as back:
        await settled(back)

        again = await save(back, tmp_path / "again.zip")
        assert again.read_bytes() == (tmp_path / "published.zip").read_bytes()
        (record,) = await restored_records(back)
        assert record["lost"] == [{"available": -5000, "pot": "money", "promised": 0}]
        assert record["published_lost"] > 5
        assert await back.rows(WAITING) == waits != []
        await is_whole(back)
        await grant_role(back.house, back.group_id, back.cast.ids["flo"], "auditor", now=back.now)
        assert (await audited(back, tmp_path / "audited.zip")).findings == ()

        back.now = datetime(2026, 5, 1, 9, 0, tzinfo=UTC) if month else back.now + timedelta(days=7)
        await back.close()

        leaves = await back.leaves()
        money = next(one for one in last_closing(leaves).pots if one.pot == "money")
        assert (money.lost, money.closing) == (
            (-5000, 25000) if month else (Parts(-5000, 0), Parts(25000, 0))
        )
        checked(await save(back, tmp_path / "after.zip"))
        await is_whole(back)
        found = await audited(back, tmp_path / "after.zip")
        assert (found.findings, found.unproved) == ((), (OWN_ASKS, LOST, CLOSES_LOST))


async def test_a_backup_that_lacks_nothing_public_says_so_and_takes_nothing_out(
    house: House, cluster: Server, fresh_dsn: Dsn, tmp_path: Path
) -> None:
    book = await a_book(house)
    await book.give(90, date(2026, 3, 2))
    book.now += timedelta(days=1)
    await book.close()

    async def then(later: Book) -> None:
        await later.give(30, date(2026, 3, 3))

    async with put_back(cluster, book, fresh_dsn, then) as back:
        await settled(back)
        (record,) = await restored_records(back)
        assert record["published_lost"] == 0
        assert {"closed", "lost", "padding"}.isdisjoint(record)
        # Days that were over before: their close already says it, although the record came later.
        back.now += timedelta(days=3)
        await back.close()

        leaves = await back.leaves()
        (leaf,) = [leaf for leaf in leaves if isinstance(leaf, RestoredLeaf)]
        assert leaf.lost == 0
        assert leaves.index(leaf) < 1 + 17 * 2
        checked(await save(back, tmp_path / "after.zip"))
        assert await is_whole(back) == ()
        assert "Nothing that had been published is missing" in told_in_words(
            (await read_checking(back.house, SLUG)).told[0], language("en")
        )


async def test_damaged_or_strange_files_of_the_log_are_refused_and_a_copy_of_somebody_else_will_do(
    house: House, cluster: Server, fresh_dsn: Dsn, tmp_path: Path
) -> None:
    book = await a_book(house)
    await book.give(90, date(2026, 3, 2))

    async def then(later: Book) -> None:
        await save(later, tmp_path / "shorter.zip")
        await later.give(30, date(2026, 3, 2))
        await agree(later, "hours")
        later.now += timedelta(days=2)
        await later.close()
        await save(later, tmp_path / "published.zip")

    async with put_back(cluster, book, fresh_dsn, then) as back:
        folder = tmp_path / "logs" / str(back.group_id)
        leaves, checkpoint = folder / "000002.leaves", folder / "checkpoint"
        whole = leaves.read_bytes()
        for damaged in (whole[:-9], whole.replace(b'"kind":"closing"', b'"kind":"closinG"'), b""):
            leaves.write_bytes(damaged)
            with pytest.raises(OperatorError, match="--log"):
                await settle(back.house, back.house.checkpoints, now=back.now)
        leaves.unlink()
        with pytest.raises(OperatorError, match="--log"):
            await settle(back.house, back.house.checkpoints, now=back.now)
        assert await restored_records(back) == []

        # What is damaged is taken from somebody who has the log; but the salts, which nobody else has, are kept.
        text, salts = folder / "hours.2.policy", folder / "000002.salts"
        before = {leaves: whole, **{path: path.read_bytes() for path in (checkpoint, text, salts)}}
        assert before[salts]
        for path, damaged in (
            (leaves, whole[:-9]),
            (leaves, whole.replace(b'"kind":"closing"', b'"kind":"closinG"')),
            (leaves, b""),
            (text, before[text] + b" "),
            (folder / "000002.checkpoint", b"\xff"),
            (checkpoint, b"\xff"),
        ):
            path.write_bytes(damaged)
            await take_log(back.house, str(tmp_path / "published.zip"))
            assert {path: path.read_bytes() for path in before} == before, path
        assert not (folder / "000002.checkpoint").exists(), "it comes out the same again"
        await take_log(back.house, str(tmp_path / "shorter.zip"))
        assert {path: path.read_bytes() for path in before} == before
        # Of a checkpoint that says something else nobody knows whether it is right.
        lines = before[checkpoint].split(b"\n")
        checkpoint.write_bytes(b"\n".join([*lines[:2], b"A" * 43 + b"=", *lines[3:]]))
        with pytest.raises(OperatorError, match="take it away first"):
            await take_log(back.house, str(tmp_path / "published.zip"))

        # All is lost beside the key. Somebody has the log; the salts of its padding nobody has.
        shutil.rmtree(folder)
        broken = repacked(tmp_path / "published.zip", tmp_path / "broken.zip")
        with pytest.raises(OperatorError, match="not whole"):
            await take_log(back.house, str(broken))
        with pytest.raises(OperatorError, match="nowhere"):
            await take_log(back.house, str(tmp_path / "nowhere.zip"))
        await take_log(back.house, str(tmp_path / "published.zip"))
        assert checkpoint.exists()
        await settled(back)

        again = await save(back, tmp_path / "again.zip")
        assert again.read_bytes() == (tmp_path / "published.zip").read_bytes()
        (record,) = await restored_records(back)
        assert "padding" not in record
        back.now += timedelta(days=1)
        await back.close()
        checked(await save(back, tmp_path / "after.zip"))
        await is_whole(back)


async def test_rules_are_those_that_were_published_or_nothing_is_published_again(
    house: House, cluster: Server, fresh_dsn: Dsn, tmp_path: Path
) -> None:
    book = await a_book(house)
    await book.give(90, date(2026, 3, 2))

    async def then(later: Book) -> None:
        await agree(later, "hours")
        later.now += timedelta(days=1)
        await later.close()

    async with put_back(cluster, book, fresh_dsn, then) as back:
        text = tmp_path / "logs" / str(back.group_id) / "hours.2.policy"
        kept = text.read_bytes()
        text.write_bytes(kept.replace(b"1", b"2"))
        with pytest.raises(OperatorError, match="have its text"):
            await settle(back.house, back.house.checkpoints, now=back.now)
        text.write_bytes(kept)

        # Of the same number, and something else than everybody has read.
        await agree(back, "hours", yeses=2)
        with pytest.raises(OperatorError, match="is another one than this book has"):
            await settle(back.house, back.house.checkpoints, now=back.now)
        assert await restored_records(back) == []


def repacked(source: Path, target: Path) -> Path:
    """Copy a log with one bit of one tile turned over."""
    with zipfile.ZipFile(source) as before, zipfile.ZipFile(target, "w") as after:
        for name in before.namelist():
            data = before.read(name)
            after.writestr(name, bytes([data[0] ^ 1]) + data[1:] if name.startswith("log/tile/0/") else data)
    return target


async def test_a_way_of_publishing_that_the_book_lost_still_holds(
    house: House, cluster: Server, fresh_dsn: Dsn, tmp_path: Path
) -> None:
    book = await a_book(house)
    await book.give(90, date(2026, 3, 2))

    async def then(later: Book) -> None:
        async with later.house.database.tx(later.group_id) as tx:
            await insert_way(tx, later.group_id, date(2026, 3, 3), Way.of("careful"), decided_at=later.now)
        later.now += timedelta(days=7)
        await later.close()
        assert (await read_public_group(later.house.database, SLUG)).group.preset == "careful"

    async with put_back(cluster, book, fresh_dsn, then) as back:
        await settled(back)

        # The group had chosen it, and everybody could read so: nobody is shown more than they were promised.
        assert (await read_public_group(back.house.database, SLUG)).group.preset == "careful"
        back.now += timedelta(days=7)
        (period,) = (await back.close()).periods
        assert period.preset == "careful"
        checked(await save(back, tmp_path / "after.zip"))


async def test_a_book_that_lost_its_tail_and_goes_on_as_if_nothing_were_missing_is_refused_by_everybody(
    house: House, cluster: Server, fresh_dsn: Dsn, tmp_path: Path
) -> None:
    book = await a_book(house)
    await book.give(90, date(2026, 3, 2))
    published, witness = (
        tmp_path / "published.zip",
        Witness.begin(tmp_path / "w", "witness.example/w", bytes(32)),
    )

    async def then(later: Book) -> None:
        await later.give(30, date(2026, 3, 2))
        later.now += timedelta(days=2)
        await later.close()
        await save(later, published)

    async with put_back(cluster, book, fresh_dsn, then) as back:
        with open_log(str(published)) as log:
            witness.add("https://bank.example/g/riverside", log, at=1)
            kept = log.read("checkpoint")
        assert kept is not None
        (tmp_path / "kept").write_bytes(kept)
        back.now += timedelta(days=1)
        with pytest.raises(OperatorError, match="More was published"):
            await back.close()
        # Whoever wants to hide it does away with what is kept, and closes the same days once more.
        shutil.rmtree(tmp_path / "logs")
        await back.close()

        forked = await save(back, tmp_path / "forked.zip")
        with open_log(str(forked)) as log:
            verdict = check_log(log, kept=kept)
            refused = witness.poll(witness.list_watched()[0], log, at=2)
        assert "history was changed" in verdict.findings[0].what
        words = [sys.executable, CHECK_BOOK, forked, "--checkpoint", tmp_path / "kept"]
        assert subprocess.run(words, capture_output=True, check=False).returncode == 1  # noqa: ASYNC221
        assert isinstance(refused, Evidence)
        assert (refused.kind, refused.proves) == ("fork", True)
        assert (refused.path / "shown").exists()
