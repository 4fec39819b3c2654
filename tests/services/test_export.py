"""Auditors from outside come to our figures, find what was changed, and learn nobody's name."""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from tests.database import Dsn
from tests.properties.stand import (
    BEGAN_ON,
    Stand,
    a_stand,
    ask,
    ask_and_approve,
    code,
    hand_over,
    hours,
    money,
    said,
    today,
)
from tests.services.auditors import (
    READERS,
    Balances,
    hledger_balances,
    hledger_complaint,
    without_zeros,
)
from timebank.errors import FieldInvalid
from timebank.ledger.units import MINUTES
from timebank.rules.commands import ApproveDraw, CorrectEntry, Instead
from timebank.services.close import close_period
from timebank.services.example import make_example
from timebank.services.export import open_journal
from timebank.services.house import House
from timebank.store import export as store

FORMAT_NAMES = ("beancount", "hledger")


async def journal_of(house: House, group_id: UUID, file_format: str = "hledger", **span: Any) -> str:
    journal = await open_journal(house.database, group_id, file_format, **span)
    return b"".join([chunk async for chunk in journal.chunks()]).decode()


async def our_balances(house: House, group_id: UUID, *, through: date | None = None) -> Balances:
    """What our own rows say: sums of days where a day is named, else the accounts; members under their numbers."""
    async with house.database.write_door(group_id) as connection:
        if through is None:
            rows = await connection.fetch(
                "SELECT account_id, debits - credits FROM timebank.accounts WHERE debits + credits > 0"
            )
        else:
            rows = await connection.fetch(
                "SELECT account_id, CAST(sum(debits - credits) AS bigint) FROM timebank.account_days"
                " WHERE effective_on <= $1 GROUP BY account_id",
                through,
            )
        named = {
            number: (f"{root}{kind}{owner}", "MIN" if unit == MINUTES else unit)
            for number, root, kind, owner, unit in await connection.fetch("""
                SELECT a.account_id, CASE a.kind WHEN 'held' THEN 'assets:' ELSE 'equity:' END, a.kind,
                       coalesce(':' || p.code, ':' || h.code, ':m' || lpad(n.place::text, 4, '0'), ''), a.unit
                  FROM timebank.accounts AS a
             LEFT JOIN timebank.pots AS p
                    ON a.account_id IN (p.pot_account, p.promised_account, p.shared_account)
             LEFT JOIN timebank.held_places AS h ON h.account_id = a.account_id
             LEFT JOIN (SELECT account_id, row_number() OVER (ORDER BY min(place)) AS place
                          FROM (SELECT debit_account AS account_id, seq * 100 + leg * 2 AS place
                                  FROM timebank.transfers
                                 UNION ALL
                                SELECT credit_account, seq * 100 + leg * 2 + 1 FROM timebank.transfers) AS t
                          JOIN timebank.accounts USING (account_id)
                         WHERE kind = 'member'
                      GROUP BY account_id) AS n ON n.account_id = a.account_id
            """)
        }
        await connection.execute("ROLLBACK")
    return {named[number]: balance for number, balance in rows}


async def every_kind(stand: Stand) -> None:
    """Write an entry of every kind that services can write, on several days that come in no order."""
    days = [today() - timedelta(days=back) for back in (3, 40, 0, 40, 7)]
    helped = stand.group.people["flo"].member_id
    for number, day in enumerate(days):
        answers = [
            await stand.send("ada", hours(30 + number, effective_on=day, note="=1+1 for Flo")),
            await stand.send(
                "flo", hours(25, effective_on=day, receiver=stand.group.people["ada"].member_id)
            ),
            await stand.send(
                "ed", money(7_000 + number, effective_on=day, reference="bank line of Flo", again=True)
            ),
            await stand.send("ed", money(1_001, held="bank", giver=helped, effective_on=day)),
        ]
        assert {code(answer) for answer in answers} == {"ok"}
    draw = await ask_and_approve(stand, "ada", "bo", 5_000)
    assert code(await stand.send("ed", hand_over(draw, 1_234))) == "ok"
    assert code(await stand.send("hal", hand_over(draw))) == "ok"
    time_draw = UUID(said(await stand.send("ada", ask(60, MINUTES)))["id"])
    assert code(await stand.send("bo", ApproveDraw(time_draw))) == "ok"
    assert code(await stand.send("flo", hours(90, draw=time_draw))) == "ok"
    wrong = UUID(said(await stand.send("ada", hours(500)))["entry"])
    assert code(await stand.send("ada", CorrectEntry(wrong, "typo", Instead(amount=50)))) == "ok"
    gone = UUID(said(await stand.send("ed", money(33)))["entry"])
    assert code(await stand.send("ed", CorrectEntry(gone, held="bank"))) == "ok"


@pytest_asyncio.fixture(loop_scope="session")
async def busy(fresh_dsn: Dsn, tmp_path: Path) -> AsyncIterator[Stand]:
    """A group that did a bit of everything, with closed periods and days after them."""
    async with a_stand(fresh_dsn, tmp_path) as stand:
        await every_kind(stand)
        now = datetime.now(UTC) + timedelta(days=1)
        assert (await close_period(stand.house, stand.group.group_id, now=now)).periods
        await every_kind(stand)
        yield stand


@pytest.mark.parametrize("file_format", FORMAT_NAMES)
async def test_an_auditor_finds_no_fault_and_our_balances(busy: Stand, file_format: str) -> None:
    complaint_of, balances_of = READERS[file_format]

    text = await journal_of(busy.house, busy.group.group_id, file_format)

    assert complaint_of(text) == ""
    ours = await our_balances(busy.house, busy.group.group_id)
    assert without_zeros(balances_of(text)) == without_zeros(ours)
    kinds = await busy.rows("SELECT DISTINCT kind FROM timebank.entries")
    assert {row["kind"] for row in kinds} <= set(re.findall(r'kind: "?(\w+)', text))


async def test_the_example_is_read_by_both_with_our_balances_on_any_day(house: House) -> None:
    async def nothing(*_: object) -> None:
        pass

    now = datetime.now(UTC)
    example = await make_example(house, host="bank.example", now=now, progress=nothing, days=60)

    for file_format in FORMAT_NAMES:
        complaint_of, balances_of = READERS[file_format]
        text = await journal_of(house, example.group_id, file_format)
        assert complaint_of(text) == ""
        ours = await our_balances(house, example.group_id)
        assert without_zeros(balances_of(text)) == without_zeros(ours)
        # Counted from answers alone, by a story that never saw the book.
        for account, total in example.totals.items():
            key = f"assets:{account}" if account.startswith("held") else f"equity:{account}"
            found = {name: amount for (name, _), amount in balances_of(text).items()}
            assert found.get(key, 0) == (total if account.startswith("held") else -total), account

    text = await journal_of(house, example.group_id)
    dice = random.Random(20260301)
    for _ in range(10):
        day = now.date() - timedelta(days=dice.randrange(70))
        ours = await our_balances(house, example.group_id, through=day)
        assert without_zeros(hledger_balances(text, through=day)) == without_zeros(ours), day


@pytest.mark.parametrize("file_format", FORMAT_NAMES)
async def test_an_auditor_sees_whatever_was_changed(busy: Stand, file_format: str) -> None:
    complaint_of, _ = READERS[file_format]
    text = await journal_of(busy.house, busy.group.group_id, file_format)
    lines = text.splitlines()
    postings = [
        number for number, line in enumerate(lines) if re.match(r" +(assets|equity|Assets|Equity):", line)
    ]
    dice = random.Random(7)

    # One posting is gone, one minute or cent is another, one whole entry is gone.
    for number in dice.sample(postings, 5):
        assert complaint_of("\n".join([*lines[:number], *lines[number + 1 :]])), lines[number]
        changed = re.sub(
            r"(\d)( [A-Z]{3})", lambda m: f"{(int(m[1]) + 1) % 10}{m[2]}", lines[number], count=1
        )
        assert complaint_of("\n".join([*lines[:number], changed, *lines[number + 1 :]])), changed
    blocks = text.split("\n\n")
    entries = [number for number, block in enumerate(blocks) if "help_given" in block and " * " in block]
    assert complaint_of("\n\n".join(blocks[: entries[2]] + blocks[entries[2] + 1 :]))
    # An entry of which both sides were changed alike balances; only the balances at the end tell.
    assert complaint_of(text.replace(" 1234 ", " 1235 ").replace("12.34", "12.35"))
    assert complaint_of(text) == ""


@pytest.mark.parametrize("file_format", FORMAT_NAMES)
async def test_a_part_of_the_book_brings_its_balances_along(busy: Stand, file_format: str) -> None:
    complaint_of, balances_of = READERS[file_format]
    group_id = busy.group.group_id
    first, last = today() - timedelta(days=20), today() - timedelta(days=1)
    whole = await journal_of(busy.house, group_id, file_format)

    part = await journal_of(busy.house, group_id, file_format, first=first, last=last)
    rest = await journal_of(busy.house, group_id, file_format, first=first)
    before = await journal_of(busy.house, group_id, file_format, last=first - timedelta(days=1))

    for text in (part, rest, before):
        assert complaint_of(text) == ""
    assert "opening-balances" in part
    assert "opening-balances" not in before
    assert without_zeros(balances_of(rest)) == without_zeros(balances_of(whole))
    ours = await our_balances(busy.house, group_id, through=last)
    assert without_zeros(balances_of(part)) == without_zeros(ours)
    days = set(re.findall(r"^(\d{4}-\d\d-\d\d) \*", part, re.MULTILINE))
    assert days == {
        str(first - timedelta(days=1)),
        str(today() - timedelta(days=7)),
        str(today() - timedelta(days=3)),
    }
    # Every account has the same number in every part.
    entries = [block for block in part.split("\n\n") if "help_given" in block and " * " in block]
    assert entries
    assert all(block in whole for block in entries)


async def test_balances_of_a_part_are_right_on_each_of_its_days(busy: Stand) -> None:
    first = today() - timedelta(days=20)
    part = await journal_of(busy.house, busy.group.group_id, first=first)

    # The day before the first is the one that they are brought forward from.
    for back in range(21, -2, -1):
        day = today() - timedelta(days=back)
        ours = await our_balances(busy.house, busy.group.group_id, through=day)
        assert without_zeros(hledger_balances(part, through=day)) == without_zeros(ours)


async def test_a_closed_period_gives_the_figures_that_were_published(busy: Stand) -> None:
    published = await busy.rows(
        "SELECT period, pot, unit, available, promised FROM timebank.published_balances"
        " WHERE period = (SELECT max(period) FROM timebank.closes) ORDER BY pot"
    )
    period = published[0]["period"]
    now = await journal_of(busy.house, busy.group.group_id)

    text = await journal_of(busy.house, busy.group.group_id, period=period)

    assert hledger_complaint(text) == ""
    balances = hledger_balances(text)
    for _, pot, unit, available, promised in published:
        commodity = "MIN" if unit == MINUTES else unit
        assert balances.get((f"equity:pot:{pot}", commodity), 0) == -available
        assert balances.get((f"equity:promised:{pot}", commodity), 0) == -promised
    assert f"; cut: through closed period {period}, which ends with " in text
    assert len(text) < len(now)


async def test_the_body_says_neither_when_nor_as_which_number_something_was_recorded(busy: Stand) -> None:
    seq = (await busy.rows("SELECT seq FROM timebank.book_heads"))[0]["seq"]
    for file_format in FORMAT_NAMES:
        text = await journal_of(busy.house, busy.group.group_id, file_format)
        header, _, body = text.partition("\n\n")

        assert f"through record {seq} of the live book" in header
        assert not re.search(r"\d\d:\d\d|recorded|seq", body)
        again = await journal_of(busy.house, busy.group.group_id, file_format)
        assert again == text


async def test_a_journal_has_nobody_in_it(busy: Stand) -> None:
    numbers = {row["account_id"] for row in await busy.rows("SELECT account_id FROM timebank.accounts")}
    people = busy.group.people
    for file_format in FORMAT_NAMES:
        text = await journal_of(busy.house, busy.group.group_id, file_format)

        for name, actor in people.items():
            assert not re.search(rf"\b{name}\b", text, re.IGNORECASE)
            assert str(actor.member_id) not in text
        assert "HYPERLINK" not in text
        assert "bank line" not in text
        assert "typo" not in text
        assert not [number for number in numbers if str(number) in text]


async def test_members_are_numbered_by_their_first_appearance_and_never_by_person(busy: Stand) -> None:
    text = await journal_of(busy.house, busy.group.group_id)
    declared = re.findall(r"^account equity:member:(\w+)$", text, re.MULTILINE)

    # Ada's and Flo's minutes, then Flo's euros: nothing tells that two of the three are hers.
    assert declared == ["m0001", "m0002", "m0003"]
    balances = hledger_balances(text)
    units = {name: unit for (name, unit), amount in balances.items() if ":member:" in name and amount}
    assert units == {
        "equity:member:m0001": "MIN",
        "equity:member:m0002": "MIN",
        "equity:member:m0003": "EUR",
    }


async def test_an_empty_book_is_a_journal_too(fresh_dsn: Dsn, tmp_path: Path) -> None:
    async with a_stand(fresh_dsn, tmp_path) as stand:
        for file_format in FORMAT_NAMES:
            complaint_of, balances_of = READERS[file_format]
            for span in ({}, {"first": date(2025, 6, 1)}, {"last": BEGAN_ON - timedelta(days=9)}):
                text = await journal_of(stand.house, stand.group.group_id, file_format, **span)

                assert complaint_of(text) == ""
                assert without_zeros(balances_of(text)) == {}


async def test_what_cannot_be_exported_is_refused(busy: Stand) -> None:
    group_id = busy.group.group_id
    database = busy.house.database
    for field, span in (
        ("to", {"first": date(2026, 2, 1), "last": date(2026, 1, 31)}),
        ("period", {"period": 10_000}),
        ("period", {"period": 0}),
    ):
        with pytest.raises(FieldInvalid) as refusal:
            await open_journal(database, group_id, "hledger", **span)  # type: ignore[arg-type]
        assert refusal.value.params["field"] == field
    with pytest.raises(FieldInvalid):
        await open_journal(database, group_id, "ledger")
    assert await journal_of(busy.house, group_id, first=date.min, last=date.max)


async def test_pages_make_no_difference(busy: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = await journal_of(busy.house, busy.group.group_id)
    first, last = today() - timedelta(days=20), today() - timedelta(days=1)
    part = await journal_of(busy.house, busy.group.group_id, first=first, last=last)
    monkeypatch.setattr(store, "PAGE", 3)
    monkeypatch.setattr(store, "SUMMED", 2)
    assert await journal_of(busy.house, busy.group.group_id, first=first, last=last) == part
    told = []

    journal = await open_journal(busy.house.database, busy.group.group_id, "hledger")
    chunks = [chunk async for chunk in journal.chunks(lambda *far: told.append(far))]

    assert b"".join(chunks).decode() == whole
    assert len(chunks) == 2 + -(-journal.entries // 3)
    assert told[-1] == (journal.entries, journal.entries)
    assert told == sorted(told)


async def test_what_is_written_while_it_is_read_is_not_in_it(busy: Stand) -> None:
    journal = await open_journal(busy.house.database, busy.group.group_id, "hledger")
    parts = []
    async for chunk in journal.chunks():
        parts.append(chunk)
        assert code(await busy.send("ada", hours(11))) == "ok"

    text = b"".join(parts).decode()

    assert hledger_complaint(text) == ""
    assert text.count("\n20") >= journal.entries
