"""An auditor opens every record: a sound book fits, and whatever a host that has all keys changes is found and named."""

from __future__ import annotations

import io
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.cast import make_cast
from tests.services.book_with_clock import MARCH_2, Book
from timebank.errors import NeedsRole
from timebank.ledger.public_log import LineLeaf
from timebank.rules import asks, closing_audit, readiness
from timebank.rules.commands import (
    ApproveDraw,
    AskDraw,
    CorrectEntry,
    GiveMoney,
    HandOver,
    LogHours,
    StepAside,
)
from timebank.rules.draw_audit import HOUSEHOLDS
from timebank.rules.people import Actor
from timebank.rules.policies import Cap
from timebank.rules.set_up import MINUTES, NewPot, Terms
from timebank.rules.settings import Change
from timebank.services import close as close_module
from timebank.services.acts import Once
from timebank.services.audit_book import open_book
from timebank.services.auditing import OWN_ASKS, Audit, audit_book, read_log
from timebank.services.house import House
from timebank.services.log_sources import open_log
from timebank.services.looks import list_seen
from timebank.services.members import erase_member, grant_role, revoke_role
from timebank.services.settings import write_settings
from timebank.store.members import set_household

RULES = Terms(
    per_request_max=5000,
    approvals=((0, 1), (1000, 2)),
    caps=(Cap("person", "month", most=3000, times=3), Cap("household", "days", days=60, most=4000)),
    reserve=100,
)
POTS = (NewPot("hours", MINUTES), NewPot("money", "EUR", terms=RULES))
MAKES_BOOKS = Callable[..., Any]


@pytest.fixture
def a_book(house: House) -> MAKES_BOOKS:
    """Give the cast's book with rules for money that are worth an audit, and Flo as its auditor."""

    @asynccontextmanager
    async def make(**group: Any) -> AsyncIterator[Book]:
        book = Book(await make_cast(house, MARCH_2, pots=POTS, **group))
        await grant_role(house, book.group_id, book.cast.ids["flo"], "auditor", now=MARCH_2)
        await book.write("ed", GiveMoney("money", 50_000, "EUR", "bank", None, date(2026, 3, 2)))
        try:
            yield book
        finally:
            await book.writer.close()

    return make


async def opened(book: Book) -> io.BytesIO:
    """Return the book as it is opened for its auditor."""
    _, lines = await open_book(book.house, await book.cast.actor("flo"), now=book.now)
    file = io.BytesIO()
    async for piece in lines:
        file.write(piece)
    return file


def audit_with(place: Path, file: io.BytesIO) -> Audit:
    """Audit what was opened, with a public log by which nothing is wrong for whoever has nothing else."""
    with open_log(str(place)) as log:
        verdict, leaves = read_log(log, kept=None, progress=lambda *_: None)
        assert verdict.ok, verdict.findings
        return audit_book(log, verdict, leaves, file, lambda *_: None)


async def audit(book: Book, folder: Path) -> Audit:
    """Audit it, with what anybody can read of it in a folder."""
    await book.save_log(folder)
    return audit_with(folder, await opened(book))


def named(found: Audit) -> list[tuple[str, int]]:
    return sorted((finding.check, finding.seq) for finding in found.findings)


async def seq_of(book: Book, where: str) -> int:
    rows = await book.rows(f"SELECT max(seq) FROM timebank.records WHERE {where}")
    return int(rows[0][0])


async def live_a_little(book: Book) -> None:
    """Have people give, ask, say yes and hand over, in every way that the rules know."""
    await book.give(90, date(2026, 3, 2))
    await book.give(30, date(2026, 3, 2), "flo")
    await book.draw("ada", 800)
    big = UUID((await book.write("flo", AskDraw("money", 2000, "EUR", "cooking")))["id"])
    await book.write("bo", ApproveDraw(big))
    await book.write("di", ApproveDraw(big))
    await book.write("ed", HandOver(big, "bank"))
    # Whoever steps aside takes their yes along, and the next one may say yes to less.
    less = UUID((await book.write("ed", AskDraw("money", 1500, "EUR", "cooking")))["id"])
    await book.write("bo", ApproveDraw(less))
    await book.write("bo", StepAside(less))
    await book.write("di", ApproveDraw(less, amount=900))
    await book.promise("ada", 60, "hours", MINUTES)


@pytest.mark.parametrize("preset", ["open", "careful", "sheltered"])
async def test_a_sound_book_fits_whatever_it_shows(
    a_book: MAKES_BOOKS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preset: str
):
    # No page is compared with anything, and none is made.
    monkeypatch.delattr(closing_audit, "LineRow")
    async with a_book(preset=preset) as book:
        await live_a_little(book)
        book.now += timedelta(days=31)
        await book.close()
        await book.draw("ada", 900)
        book.now += timedelta(days=31)
        await book.close()
        await book.give(15, date(2026, 5, 2))

        found = await audit(book, tmp_path)

        assert found.findings == ()
        assert found.unproved == (OWN_ASKS,)
        # One yes of two, one that was taken back, and every promise.
        assert found.decisions == 7
        assert (found.waiting > 0) == (preset != "open")


async def test_one_leaf_that_says_something_else_is_found(
    a_book: MAKES_BOOKS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with a_book() as book:
        await live_a_little(book)
        right = close_module.leaf_of_entry

        def other(commitment: bytes, line: Any) -> Any:
            leaf = right(commitment, line)
            if isinstance(leaf, LineLeaf) and leaf.kind == "hand_over" and leaf.changes[0].promised == -800:
                return leaf._replace(category="repairs")
            return leaf

        book.now += timedelta(days=1)
        with monkeypatch.context() as patched:
            patched.setattr(close_module, "leaf_of_entry", other)
            await book.close()

        found = await audit(book, tmp_path)

        # The log by itself is whole, and signed: nobody but an auditor can see it.
        seq = (await book.rows("SELECT min(seq) FROM timebank.entries WHERE kind = 'hand_over'"))[0][0]
        assert named(found) == [("closing_leaves", seq), ("public_log", seq)]


async def test_a_record_that_was_published_as_padding_is_found(
    a_book: MAKES_BOOKS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with a_book() as book:
        await live_a_little(book)
        right = close_module._leaves_of_other
        seq = await seq_of(book, "kind = 'approval'")

        def withheld(record: Any, *rest: Any) -> Any:
            return [] if record.seq == seq else right(record, *rest)

        book.now += timedelta(days=1)
        with monkeypatch.context() as patched:
            patched.setattr(close_module, "_leaves_of_other", withheld)
            await book.close()

        found = await audit(book, tmp_path)

        assert named(found) == [("public_log", seq)]
        assert found.findings[0].what == "it was published, and the public log has no leaf of it"


async def test_an_entry_that_is_held_back_though_people_enough_stand_behind_it_is_found(
    a_book: MAKES_BOOKS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with a_book(preset="careful") as book:
        for name in ("ada", "flo", "di"):
            await book.draw(name, 500)
        book.now += timedelta(days=7)
        with monkeypatch.context() as patched:
            patched.setattr(
                readiness, "_too_few", lambda going, _way: {t.side for c in going for t in c.touches}
            )
            await book.close()

        found = await audit(book, tmp_path)

        first = (await book.rows("SELECT min(seq) FROM timebank.entries"))[0][0]
        assert named(found) == [("people_behind", first)]


async def test_a_promise_without_the_yeses_that_the_rules_want_is_found(
    a_book: MAKES_BOOKS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with a_book() as book:
        asked = UUID((await book.write("ada", AskDraw("money", 2000, "EUR", "cooking")))["id"])
        with monkeypatch.context() as patched:
            patched.setattr(Terms, "approvals_needed", lambda _self, _amount: 1)
            await book.write("bo", ApproveDraw(asked))
        seq = await seq_of(book, "kind = 'promise'")
        book.now += timedelta(days=1)
        await book.close()

        found = await audit(book, tmp_path)

        assert named(found) == [("approvals", seq)]
        assert "with 1 of the 2 yeses" in found.findings[0].what


async def test_a_yes_of_somebody_whose_yes_does_not_count_is_found_whichever_of_them_it_was(
    a_book: MAKES_BOOKS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with a_book() as book:
        # A yes stays good when the duty ends after it, and the first of two is looked at like the last.
        good, bad = [
            UUID((await book.write("ada", AskDraw("money", 1200, "EUR", "cooking")))["id"]) for _ in range(2)
        ]
        await book.write("bo", ApproveDraw(good))
        await revoke_role(book.house, book.group_id, book.cast.ids["bo"], "steward", now=book.now)
        await book.write("di", ApproveDraw(good))
        with monkeypatch.context() as patched:
            patched.setattr(Actor, "require_role", lambda *_: None)
            await book.write("bo", ApproveDraw(bad))
        await book.write("di", ApproveDraw(bad))
        seq = await seq_of(book, "kind = 'promise'")
        book.now += timedelta(days=1)
        await book.close()

        found = await audit(book, tmp_path)

        assert named(found) == [("approvals", seq)]
        assert "carried none of the duties" in found.findings[0].what


async def test_a_limit_that_was_exceeded_is_found_and_one_that_was_reached_is_not(
    a_book: MAKES_BOOKS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with a_book() as book:
        for amount in (1000, 900):
            await book.draw("ada", amount)
        book.now += timedelta(days=1)
        await book.close()
        assert (await audit(book, tmp_path / "before")).findings == ()

        with monkeypatch.context() as patched:
            patched.setattr(asks, "_check_caps", lambda *_, **__: None)
            await book.promise("ada", 1000)
            seq = await seq_of(book, "kind = 'promise'")
            await book.promise("ada", 200)
        book.now += timedelta(days=1)
        await book.close()

        found = await audit(book, tmp_path)

        # 2,900 are within 3,000; the fourth time is one too many, whatever the sum.
        assert named(found) == [("limits", seq + 1)]


async def test_people_who_were_tied_later_accuse_nobody_and_one_of_them_who_had_too_much_alone_is_found(
    a_book: MAKES_BOOKS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with a_book() as book:
        for name in ("ada", "di", "ada", "di"):
            await book.draw(name, 1000)
        await book.draw("ada", 200)
        book.now += timedelta(days=31)
        await book.close()
        assert (await audit(book, tmp_path / "before")).unproved == (OWN_ASKS,)
        async with book.house.database.tx(book.group_id) as tx:
            tied = [book.cast.ids[name] for name in ("ada", "di")]
            await set_household(tx, book.group_id, tied, book.house.new_id())

        honest = await audit(book, tmp_path / "tied")

        # Together they came to 4,200 of 4,000, and were no household then.
        assert honest.findings == ()
        assert honest.unproved == (OWN_ASKS, HOUSEHOLDS.format(count=1))

        with monkeypatch.context() as patched:
            patched.setattr(asks, "_check_caps", lambda *_, **__: None)
            await book.promise("ada", 1000)
            await book.promise("ada", 900)
        seq = await seq_of(book, "kind = 'promise'")
        book.now += timedelta(days=1)
        await book.close()

        found = await audit(book, tmp_path / "after")

        assert named(found) == [("limits", seq)]
        assert "4100 were promised to one person" in found.findings[0].what


async def test_money_handed_over_by_who_said_yes_or_by_nobody_with_the_duty_is_found(
    a_book: MAKES_BOOKS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with a_book() as book:
        draw = await book.promise("ada", 500)
        with monkeypatch.context() as patched:
            patched.setattr(Actor, "require_role", lambda *_: None)
            await book.write("di", HandOver(draw, "bank"))
        seq = await seq_of(book, "kind = 'hand_over'")
        book.now += timedelta(days=1)
        await book.close()

        found = await audit(book, tmp_path)

        assert named(found) == [("handed_over", seq)]


async def test_who_was_forgotten_is_said_and_nothing_is_found(a_book: MAKES_BOOKS, tmp_path: Path):
    async with a_book(preset="careful") as book:
        for name in ("ada", "flo", "di"):
            await book.draw(name, 500)
        book.now += timedelta(days=7)
        await book.close()
        await erase_member(book.house, book.group_id, book.cast.ids["ada"], now=book.now)
        book.now += timedelta(days=7)
        await book.close()

        found = await audit(book, tmp_path)

        assert found.findings == ()
        assert [said for said in found.unproved if "forgotten with a person" in said]


async def test_only_auditors_open_the_book_and_everybody_is_told(a_book: MAKES_BOOKS):
    async with a_book() as book:
        await live_a_little(book)
        for name in ("ada", "bo", "ed"):
            with pytest.raises(NeedsRole):
                await open_book(book.house, await book.cast.actor(name), now=book.now)
        ada = await book.cast.actor("ada")
        assert await list_seen(book.house, ada) == []

        text = (await opened(book)).getvalue().decode()

        (seen,) = await list_seen(book.house, ada)
        assert (seen.what, seen.by, seen.everybody) == ("audit", "Flo", True)
        # A signature may spell any short name.
        told = re.sub(r'"live":"[^"]+"', "", text)
        assert len(told) < len(text)
        for name, member_id in book.cast.ids.items():
            assert name.title() not in told
            assert str(member_id) not in text
        again = (await opened(book)).getvalue().decode()
        people = [set(re.findall(r'"person":"(\w+)"', book)) for book in (text, again)]
        assert people[0].isdisjoint(people[1]), "nobody can be followed from one audit to the next"


async def test_settings_that_change_while_the_book_is_opened_are_left_to_the_next_audit(
    a_book: MAKES_BOOKS, tmp_path: Path
):
    async with a_book() as book:
        await live_a_little(book)
        book.now += timedelta(days=1)
        await book.close()
        await book.save_log(tmp_path)
        _, lines = await open_book(book.house, await book.cast.actor("flo"), now=book.now)
        once = Once("more", bytes(32), book.now, lambda refusal: (409, {"code": refusal.code}))
        change = Change(confirm_days=9, preset="careful")
        assert (await write_settings(book.house, await book.cast.actor("bo"), once, change)).status == 200

        file = io.BytesIO(b"".join([piece async for piece in lines]))

        assert audit_with(tmp_path, file).findings == ()
        kinds = [json.loads(line)["line"] for line in file.getvalue().splitlines()]
        assert "setting" not in kinds
        assert b'"preset":"careful"' not in file.getvalue()


@pytest.mark.parametrize("preset", ["open", "careful"])
async def test_no_record_ties_the_account_in_it_to_whose_asks_belong_together(
    a_book: MAKES_BOOKS, preset: str
):
    async with a_book(preset=preset, time_bank=True) as book:
        day = date(2026, 3, 2)
        exchange = LogHours(
            book.cast.ids["ada"], book.cast.ids["flo"], None, 90, day, "cooking", exchange=True
        )
        entry = UUID((await book.write("flo", exchange))["entry"])
        await book.write("bo", CorrectEntry(entry))
        await book.draw("flo", 800)

        lines = [json.loads(line) for line in (await opened(book)).getvalue().splitlines()]

        told = [
            (json.loads(line["record"])["kind"], bool(line.get("counts_for")))
            for line in lines
            if line["line"] == "record" and "transfers" in json.loads(line["record"])
        ]
        people = preset == "careful"
        assert ("help_exchanged", False) in told
        assert ("correction", False) in told
        assert ("hand_over", people) in told
        assert {kind for kind, counts in told if counts} == ({"promise", "hand_over"} if people else set())
