"""Every kind of entry that the book can say goes through closing, verifying, journals and archives, without a person."""

from __future__ import annotations

import io
import json
import re
from collections.abc import AsyncIterator
from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from tests.database import Dsn, connected
from tests.services.ledger_desk import LedgerDesk, ledger_desk
from timebank.rules.commands import (
    ClosePlace,
    ConfirmHours,
    CountHeld,
    GiveMoney,
    LogHours,
    MoveHeld,
    OpenPlace,
    ProposeOpening,
    ProposeOut,
    ProposePotMove,
    QuestionHours,
    SettleHours,
    SignProposal,
    WithdrawHours,
)
from timebank.services.archive import write_archive
from timebank.services.archive_import import NewAddress, import_archive
from timebank.services.close import close_period
from timebank.services.export import FORMATS, open_journal
from timebank.services.house import House
from timebank.services.import_report import Source
from timebank.services.members import erase_member, find_member
from timebank.services.verify import verify_group

pytestmark = pytest.mark.database


@pytest_asyncio.fixture(loop_scope="session")
async def desk(house: House) -> AsyncIterator[LedgerDesk]:
    async with ledger_desk(house) as desk:
        yield desk


def today(desk: LedgerDesk) -> date:
    return desk.now.astimezone(ZoneInfo("Europe/Madrid")).date()


async def a_life(desk: LedgerDesk) -> dict[str, UUID]:
    """Have everything happen that this house can say; return hours that still wait."""
    day, ids = today(desk), desk.ids
    await desk.done("bo", ProposeOpening("hours", 600, "minutes"))
    await desk.done("bo", ProposeOpening("", 60, "minutes", member=ids["flo"]))
    await desk.done("ed", GiveMoney("money", 5000, "EUR", "cash-box", ids["ada"], day, "ref 1"))
    await desk.done("ed", MoveHeld("cash-box", "bank", 1000, "EUR"))
    await desk.done("ed", OpenPlace("purse-of-mary", "cash", "EUR"))
    await desk.done("ed", ClosePlace("purse-of-mary"))
    for command in (
        CountHeld("cash-box", 3990, "EUR"),
        CountHeld("bank", 1001, "EUR"),
        ProposeOut("money", 50, "EUR", "bank", reason="fee"),
        ProposePotMove("money", "rent", 300, "EUR"),
    ):
        proposal = UUID((await desk.done("ed", command))["proposal"])
        await desk.done("bo", SignProposal(proposal))
    exchange = LogHours(ids["ada"], ids["flo"], None, 90, day, "cooking", exchange=True)
    done = UUID((await desk.done("ada", exchange))["id"])
    await desk.done("flo", ConfirmHours(done))
    other = UUID((await desk.done("ada", exchange))["id"])
    await desk.done("flo", QuestionHours(other, 30, "less"))
    await desk.done("ada", SettleHours(other))
    to_pot = LogHours(ids["ada"], ids["flo"], None, 45, day, "repairs")
    wrong = UUID((await desk.done("ada", to_pot))["id"])
    await desk.done("ada", WithdrawHours(wrong))
    waits = UUID((await desk.done("ada", exchange._replace(minutes=77)))["id"])
    asked = UUID((await desk.done("ada", exchange._replace(minutes=88)))["id"])
    await desk.done("flo", QuestionHours(asked, 80))
    return {"waits": waits, "asked": asked}


async def test_every_kind_is_closed_and_verified_and_nobody_is_in_what_is_published(desk: LedgerDesk) -> None:
    await a_life(desk)
    desk.wait(days=2)

    closed = await close_period(desk.house, desk.group_id, now=desk.now)

    assert closed is not None
    await desk.verified()
    lines = await desk.rows("SELECT kind, changes::text FROM timebank.published_lines")
    kinds = {kind for kind, _ in lines}
    assert kinds >= {
        "opening", "money_in", "held_move", "counted_missing", "counted_found", "money_out",
        "pot_move", "help_exchanged", "help_answered", "correction",
    }  # fmt: skip
    changes = {kind: json.loads(text) for kind, text in lines if kind != "opening"}
    assert changes["held_move"] == changes["help_exchanged"] == []
    assert {(c["pot"], c["available"]) for c in changes["pot_move"]} == {("money", -300), ("rent", 300)}
    assert [(c["pot"], c["available"]) for c in changes["counted_missing"]] == [("money", -10)]
    assert [(c["pot"], c["available"]) for c in changes["money_out"]] == [("money", -50)]
    everything = str(await desk.rows("SELECT * FROM timebank.published_lines")) + str(
        await desk.rows("SELECT * FROM timebank.published_held")
    )
    for name in ("ada", "flo", "mary", *map(str, desk.ids.values())):
        # A word of its own: random ids have three letters of anybody's name in them now and then.
        assert not re.search(rf"\b{name}\b", everything.lower()), name


async def test_every_kind_is_in_a_journal_and_comes_back_from_an_archive(desk: LedgerDesk) -> None:
    waiting = await a_life(desk)
    for name in FORMATS:
        journal = await open_journal(desk.house.database, desk.group_id, name)
        text = b"".join([chunk async for chunk in journal.chunks()])
        assert b"help" in text.lower()
    out = io.BytesIO()
    await write_archive(desk.house, desk.group_id, out, now=desk.now)
    out.seek(0)

    await import_archive(
        desk.house,
        NewAddress("copy", "bank.example/g/copy"),
        Source("book.zip", out),
        clock=lambda: desk.now,
        dry_run=False,
    )

    copied = await desk.house.database.group_id("copy")
    verdict = await verify_group(desk.house, copied)
    assert verdict.ok, verdict.findings
    copy = LedgerDesk(desk.house, copied, {}, desk.now)
    copy.writer = desk.writer
    for name in desk.ids:
        found = await find_member(desk.house, copied, nickname=name.title(), now=desk.now)
        copy.ids[name] = found.member_id
    assert await copy.nets() == await desk.nets()
    assert (await copy.done("flo", ConfirmHours(waiting["waits"])))["state"] == "confirmed"
    assert (await copy.done("di", SettleHours(waiting["asked"], 80)))["counted"] == 80
    assert await copy.exchanged("ada") == (90 + 30 + 77 + 80, 0)


async def test_whoever_is_forgotten_waits_for_nobody(desk: LedgerDesk) -> None:
    waiting = await a_life(desk)

    await erase_member(desk.house, desk.group_id, desk.ids["flo"], now=desk.now)

    assert await desk.rows("SELECT FROM timebank.hours_waiting") == []
    for hours_id in waiting.values():
        assert await desk.hours_row(str(hours_id)) == ("withdrawn", False)
    await desk.verified()


async def test_a_signature_that_was_made_up_is_found(desk: LedgerDesk, fresh_dsn: Dsn) -> None:
    await a_life(desk)
    await desk.verified()
    # As a host would who can change everything but the bytes that were sealed: here even those.
    rows = await desk.rows(
        "SELECT seq, record FROM timebank.records WHERE kind = 'proposed' ORDER BY seq LIMIT 1"
    )
    seq, record = rows[0]
    told = json.loads(bytes(record))
    signer = (await desk.actor("bo")).account
    forged = bytes(record).replace(str(told["actor"]).encode(), str(signer).encode())
    async with connected(fresh_dsn, "timebank") as connection:
        await connection.execute("ALTER TABLE timebank.records DISABLE TRIGGER append_only")
        await connection.execute(
            "UPDATE timebank.records SET record = $3 WHERE group_id = $1 AND seq = $2",
            desk.group_id,
            seq,
            forged,
        )

    verdict = await verify_group(desk.house, desk.group_id)

    assert "two_people" in {finding.check for finding in verdict.findings}
