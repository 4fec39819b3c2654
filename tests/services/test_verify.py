"""Whatever one changes behind the book's back, verify finds it, names it, and does not cry wolf."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from tests.database import Dsn, connected
from tests.properties.stand import (
    Stand,
    a_stand,
    ask_and_approve,
    code,
    hand_over,
    hours,
    make_group,
    money,
    said,
)
from timebank.cli import verify as command
from timebank.config import Settings
from timebank.ledger.accounts import AccountKind
from timebank.ledger.entries import EntryKind
from timebank.ledger.notes import seal_of
from timebank.rules.commands import ApproveDraw, AskDraw, CorrectEntry, Instead
from timebank.rules.policies import Terms
from timebank.services.close import close_period
from timebank.services.members import erase_member
from timebank.services.verify import CHECKS, Verdict, list_books, verify_group
from timebank.store.public_log import find_note

pytestmark = [pytest.mark.database]

BOOK = ("records", "entries", "transfers")
TABLES = (
    *BOOK,
    "accounts",
    "account_days",
    "book_heads",
    "closes",
    "published_periods",
    "published_balances",
    "published_held",
    "published_flows",
    "published_lines",
    "published_policies",
    "policies",
)

#: What no record of the book speaks of, so that verify says aloud that it does not prove it.
UNPROVED = {
    ("book_heads", "setup_version"): "a counter for writers' memories, no statement",
    ("closes", "closed_at"): "when the close ran; the closing record has its own moment",
    ("policies", "pot_id"): "kept by a foreign key; without it the version is missing, which is found",
    ("published_periods", "next_close_on"): "a promise about the future",
    ("published_lines", "line_id"): "random, so that order tells nothing",
}

#: How a value of each type becomes another one.
CHANGES = {
    "uuid": "gen_random_uuid()",
    "bigint": "coalesce({column}, 0) + 1",
    "integer": "{column} + 1",
    "smallint": "{column} + 1",
    "text": "{column} || 'x'",
    "bytea": "set_byte({column}, {at}, get_byte({column}, {at}) # 1)",
    "timestamp with time zone": "{column} + interval '1 microsecond'",
    "date": "{column} + 1",
    "boolean": "NOT {column}",
    "jsonb": "jsonb_set({column}, '{{0}}', '1')",
}


class Column(NamedTuple):
    """A column as the catalog has it."""

    table: str
    name: str
    type: str
    nullable: bool


@pytest_asyncio.fixture(loop_scope="session")
async def busy(fresh_dsn: Dsn, tmp_path: Path) -> AsyncIterator[Stand]:
    """A group that did a bit of everything, with a closed period and a day after it."""
    async with a_stand(fresh_dsn, tmp_path) as stand:
        await do_a_bit_of_everything(stand)
        now = datetime.now(UTC) + timedelta(days=1)
        assert (await close_period(stand.house, stand.group.group_id, now=now)).periods
        await do_a_bit_of_everything(stand)
        await stand.house.checkpoints.close()
        yield stand


async def do_a_bit_of_everything(stand: Stand) -> None:
    await stand.send("ada", hours(90), hours(30), hours(45))
    await stand.send("flo", hours(20, receiver=stand.group.people["ada"].member_id, note="Thank you"))
    await stand.send("ed", money(5000))
    await stand.send("ed", money(700, giver=stand.group.people["flo"].member_id, held="bank"))
    draw = await ask_and_approve(stand, "ada", "bo", 1200)
    await stand.send("ed", hand_over(draw, 500))
    asked = said(await stand.send("flo", AskDraw("hours", 60, "minutes", "repairs")))["id"]
    await stand.send("di", ApproveDraw(UUID(asked)))
    await stand.send("gus", hours(40, draw=UUID(asked)))
    wrong = said(await stand.send("ada", hours(600)))["entry"]
    assert code(await stand.send("bo", CorrectEntry(UUID(wrong), "typo", Instead(amount=60)))) == "ok"
    gone = said(await stand.send("ed", money(33)))["entry"]
    assert code(await stand.send("ed", CorrectEntry(UUID(gone)))) == "ok"


async def verdict_of(stand: Stand) -> Verdict:
    return await verify_group(stand.house, stand.group.group_id)


async def untriggered(dsn: Dsn) -> asyncpg.Connection[Any]:
    """A superuser's connection without triggers or foreign keys, with a copy of every table as it was."""
    connection = await asyncpg.connect(**dsn("timebank"))
    await connection.execute("SET session_replication_role = replica")
    for table in TABLES:
        await connection.execute(f"CREATE TEMP TABLE saved_{table} AS TABLE timebank.{table}")
    return connection


async def unguarded(dsn: Dsn) -> asyncpg.Connection[Any]:
    """The same, to a database from which every constraint is gone: no second wall helps verify."""
    connection = await untriggered(dsn)
    await connection.execute(
        """
        DO $$
        DECLARE wall record;
        BEGIN
            FOR wall IN
                SELECT c.conrelid::regclass AS name, c.conname
                  FROM pg_constraint AS c
                 WHERE c.connamespace = 'timebank'::regnamespace AND c.contype IN ('c', 'p', 'u', 'f')
              ORDER BY c.contype = 'p'
            LOOP
                EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I CASCADE', wall.name, wall.conname);
            END LOOP;
        END
        $$;
        DROP INDEX timebank.entries_by_id, timebank.entries_corrected_once, timebank.accounts_one_of_a_kind;
        """
    )
    return connection


async def restore(connection: Any, table: str) -> None:
    await connection.execute(
        f"DELETE FROM timebank.{table}; INSERT INTO timebank.{table} SELECT * FROM saved_{table}"
    )


async def columns_of(connection: Any) -> list[Column]:
    rows = await connection.fetch(
        """
        SELECT table_name, column_name, data_type, is_nullable = 'YES'
          FROM information_schema.columns
         WHERE table_schema = 'timebank'
           AND table_name = ANY($1::text[])
      ORDER BY table_name, ordinal_position
        """,
        list(TABLES),
    )
    return [Column(*row) for row in rows]


def chosen(column: Column) -> list[str]:
    """Which rows to try: any; and where there can be nothing, one with nothing and one with something."""
    places = ["true"]
    # Under the preset open every line has its day.
    if column.nullable and column != Column("published_lines", "day", "date", True):
        places = [f"{column.name} IS NULL", f"{column.name} IS NOT NULL"]
    return places


async def test_a_busy_book_is_whole(busy: Stand) -> None:
    verdict = await verdict_of(busy)

    assert verdict.findings == ()
    assert verdict.periods == 1
    assert verdict.kept == verdict.records > verdict.entries > 20


async def test_one_changed_column_of_any_row_is_found_and_named(busy: Stand) -> None:
    connection = await unguarded(busy.dsn)
    chance = random.Random(int(os.environ.get("TIMEBANK_TAMPER_SEED", "7")))
    tried, missed = 0, []
    for column in await columns_of(connection):
        if (column.table, column.name) in UNPROVED:
            continue
        for place in chosen(column):
            rows = await connection.fetch(
                f"SELECT ctid::text AS ctid, t.* FROM timebank.{column.table} AS t WHERE {place}"
            )
            assert rows, (column, place)
            row = chance.choice(rows)
            value = row[column.name]
            at = chance.randrange(len(value)) if isinstance(value, bytes) else 0
            change = CHANGES[column.type].format(column=column.name, at=at)
            if column.nullable and value is not None and chance.random() < 0.5:
                change = "NULL"
            if column.type == "text" and column.name == "checkpoint":
                change = chance.choice([change, f"overlay({column.name} placing '9' from 40)"])
            await connection.execute(
                f"UPDATE timebank.{column.table} SET {column.name} = {change} WHERE ctid = '{row['ctid']}'::tid"
            )
            tried += 1

            verdict = await verdict_of(busy)

            if (
                verdict.ok
                or (column.table in BOOK and column.name != "seq" and verdict.findings[0].seq != row["seq"])
                or (
                    column.name == "seq" and column.table in BOOK and row["seq"] > verdict.findings[0].seq > 0
                )
            ):
                missed.append((column, place, change, dict(row), verdict.findings))
            await restore(connection, column.table)
    assert (await verdict_of(busy)).ok
    await connection.close()

    assert tried > 60
    assert not missed, "\n".join(map(str, missed))


async def test_every_record_that_moves_nothing_has_the_keys_that_the_page_says(busy: Stand) -> None:
    page = (Path(__file__).parents[2] / "docs" / "proofs.md").read_text(encoding="utf-8")
    told = {
        kind: set(re.findall(r"`(\w+)`", keys))
        for kind, keys in re.findall(r"^\| `(\w+)` \| [^|]+ \| ((?:`\w+`(?:, )?)+) \|$", page, re.MULTILINE)
    }
    # In the second group two people have to say yes; in the first somebody wants to be forgotten.
    cautious = await make_group(busy.house, "cautious", money=Terms(approvals=((0, 2),)))
    asked = said(await busy.send("ada", AskDraw("money", 4000, "EUR", "repairs"), group=cautious))
    assert said(await busy.send("bo", ApproveDraw(UUID(asked["id"])), group=cautious))["state"] == "looked_at"
    gone = busy.group.people["hal"].member_id
    await erase_member(busy.house, busy.group.group_id, gone, now=datetime.now(UTC))

    query = "SELECT kind, record FROM timebank.records WHERE kind <> ALL($1)"
    rows = [
        *await busy.rows(query, list(EntryKind)),
        *await busy.rows(query, list(EntryKind), group=cautious),
    ]

    found = {row["kind"]: set(json.loads(row["record"])) for row in rows}
    assert (await verify_group(busy.house, cautious.group_id)).ok
    assert (await verdict_of(busy)).ok
    assert set(found) == {"genesis", "joined", "role", "policy", "approval", "closing", "erasure"}
    always = {"actor", "kind", "recorded_at", "v"}
    assert found == {kind: told[kind] | always for kind in found}


Tamper = Callable[[Any, int], Awaitable[Any]]


def _sql(script: str) -> Tamper:
    async def run(connection: Any, seq: int) -> None:
        for statement in script.split(";"):
            await connection.execute(statement.replace("$SEQ", str(seq)))

    return run


TAMPERS = {
    "a record deleted": ("records", _sql("DELETE FROM timebank.records WHERE seq = $SEQ")),
    "an entry deleted": ("entries", _sql("DELETE FROM timebank.entries WHERE seq = $SEQ")),
    "a transfer deleted": ("transfers", _sql("DELETE FROM timebank.transfers WHERE seq = $SEQ AND leg = 0")),
    "a record twice": ("records", _sql("INSERT INTO timebank.records SELECT * FROM timebank.records WHERE seq = $SEQ")),
    "an entry twice": ("entries", _sql("INSERT INTO timebank.entries SELECT * FROM timebank.entries WHERE seq = $SEQ")),
    "a transfer twice": (
        "transfers",
        _sql("INSERT INTO timebank.transfers SELECT * FROM timebank.transfers WHERE seq = $SEQ"),
    ),
    "two records swapped": (
        "records",
        _sql(
            "UPDATE timebank.records SET seq = -1 WHERE seq = $SEQ;"
            "UPDATE timebank.records SET seq = $SEQ WHERE seq = $SEQ + 1;"
            "UPDATE timebank.records SET seq = $SEQ + 1 WHERE seq = -1"
        ),
    ),
    "amounts and balances changed to fit": (
        "transfers",
        _sql(
            "UPDATE timebank.transfers SET amount = amount + 5, debit_balance = debit_balance - 5,"
            " credit_balance = credit_balance + 5 WHERE seq = $SEQ AND leg = 0"
        ),
    ),
    "a record beyond the head": (
        "records",
        _sql("INSERT INTO timebank.records SELECT group_id, 9999, kind, record, salt, commitment"
             " FROM timebank.records WHERE seq = $SEQ"),
    ),
    "a transfer before the beginning": (
        "transfers",
        _sql("INSERT INTO timebank.transfers SELECT group_id, 0, leg, debit_account, credit_account, amount,"
             " debit_balance, credit_balance FROM timebank.transfers WHERE seq = $SEQ"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERS)
async def test_rows_deleted_added_or_swapped_are_found_and_named(busy: Stand, what: str) -> None:
    table, tamper = TAMPERS[what]
    connection = await unguarded(busy.dsn)
    seqs = [row["seq"] for row in await connection.fetch("SELECT seq FROM timebank.entries ORDER BY seq")]
    for seq in (seqs[0], seqs[len(seqs) // 2], seqs[-2]):
        await tamper(connection, seq)

        verdict = await verdict_of(busy)

        assert not verdict.ok
        expected = {"a record beyond the head": 9999, "a transfer before the beginning": 0}.get(what, seq)
        assert expected in {finding.seq for finding in verdict.findings}, verdict.findings
        await restore(connection, table)
    await connection.close()


# An account of each kind that the group itself begins with, and of a member.
_POT = "kind = 'pot' AND unit = 'EUR'"
_MEMBER = "account_id = (SELECT max(account_id) FROM timebank.accounts WHERE kind = 'member')"
_IDLE = "account_id = (SELECT max(account_id) FROM timebank.accounts WHERE debits + credits = 0)"

SET_UPS = {
    "a lower floor of a pot": f"UPDATE timebank.accounts SET floor = -100000 WHERE {_POT}",
    "no floor of a pot": f"UPDATE timebank.accounts SET floor = NULL WHERE {_POT}",
    "a floor of a pot that had none": "UPDATE timebank.accounts SET floor = 0 WHERE kind = 'pot' AND floor IS NULL",
    "another unit": f"UPDATE timebank.accounts SET unit = 'USD' WHERE {_MEMBER}",
    "another kind": f"UPDATE timebank.accounts SET kind = 'outside' WHERE {_MEMBER}",
    "another pot": f"UPDATE timebank.accounts SET pot_account = 0 WHERE {_POT}",
    "a pot's account closed": f"UPDATE timebank.accounts SET closed = true WHERE {_POT}",
    "a member's account closed": f"UPDATE timebank.accounts SET closed = true WHERE {_MEMBER}",
    "an idle account gone": f"DELETE FROM timebank.accounts WHERE {_IDLE}",
    "an idle account under another number": f"UPDATE timebank.accounts SET account_id = 12 WHERE {_IDLE}",
    **{
        f"one account more of kind {kind}": f"""
            INSERT INTO timebank.accounts (group_id, account_id, kind, unit, pot_account, floor, closed,
                                           debits, credits, reversal_debits, reversal_credits)
            SELECT group_id, 12, '{kind}', 'USD', 0, NULL, false, 0, 0, 0, 0
              FROM timebank.groups
        """
        for kind in AccountKind
    },
}


@pytest.mark.parametrize("what", SET_UPS)
async def test_no_account_is_other_than_a_record_opened_it(busy: Stand, what: str) -> None:
    connection = await unguarded(busy.dsn)
    assert (await verdict_of(busy)).ok

    assert (await connection.execute(SET_UPS[what])).split()[-1] == "1"

    found = {finding.check: finding for finding in (await verdict_of(busy)).findings}
    assert "opened" in found, found
    assert re.search(r"account \d+", found["opened"].what)
    await restore(connection, "accounts")
    assert (await verdict_of(busy)).ok
    await connection.close()


async def test_what_is_proved_of_accounts_is_no_longer_said_to_be_unproved(busy: Stand) -> None:
    assert (await verdict_of(busy)).unproved == ()


async def test_a_tail_cut_off_cleanly_is_seen_by_the_checkpoint_outside_the_database(busy: Stand) -> None:
    # Everything of the tail is taken back, down to the head row with its own signed checkpoint:
    # the database is as it was before. Only the file beside it remembers.
    connection = await untriggered(busy.dsn)
    before = await verdict_of(busy)
    await busy.send("ada", hours(15))
    await busy.house.checkpoints.close()
    for table in TABLES:
        await restore(connection, table)

    verdict = await verdict_of(busy)

    assert {(finding.check, finding.seq) for finding in verdict.findings} == {
        ("kept_checkpoint", before.records + 1)
    }
    await connection.close()


async def test_a_book_rewritten_from_some_record_on_is_seen_even_when_signed_again(busy: Stand) -> None:
    # Whoever has the key signs a history in which the last entry never was and another is instead.
    connection = await untriggered(busy.dsn)
    await busy.send("ada", hours(15))
    await busy.house.checkpoints.close()
    for table in TABLES:
        await restore(connection, table)
    # A process that does not know the file's checkpoint writes on, and keeps nothing.
    busy.house.checkpoints.keep = lambda *_: None  # type: ignore[method-assign]
    await busy.send("ada", hours(10))
    await busy.send("ada", hours(5))

    verdict = await verdict_of(busy)

    assert {finding.check for finding in verdict.findings} == {"kept_checkpoint"}
    await connection.close()


async def test_a_checkpoint_of_another_key_or_book_is_refused(busy: Stand) -> None:
    path = next((busy.home / "checkpoints").glob("*.live"))
    good = path.read_text(encoding="utf-8")
    for broken in ("", "nothing", good.replace("bank.example", "other.example"), good[:-8] + "AAAA=\n"):
        path.write_text(broken, encoding="utf-8")

        verdict = await verdict_of(busy)

        assert [finding.check for finding in verdict.findings] == ["kept_checkpoint"], broken


async def test_a_missing_file_is_said_and_is_no_proof_of_anything(busy: Stand) -> None:
    next((busy.home / "checkpoints").glob("*.live")).unlink()

    verdict = await verdict_of(busy)

    assert verdict.ok
    assert verdict.kept is None
    assert any("tail" in what for what in verdict.unproved)


async def test_a_group_that_lost_its_rows_or_its_address_is_still_asked_for(busy: Stand) -> None:
    group_id = busy.group.group_id
    async with connected(busy.dsn, "timebank") as connection:
        await connection.execute("DELETE FROM timebank.published_slugs")

        assert await list_books(busy.house) == {group_id: ""}
        assert (await verdict_of(busy)).ok

        await connection.execute("DELETE FROM timebank.book_heads")
        verdict = await verdict_of(busy)
        assert [finding.check for finding in verdict.findings] == ["head"]


async def test_a_book_is_verified_while_it_is_written(busy: Stand) -> None:
    import asyncio

    verdicts: list[Verdict] = []

    async def write() -> None:
        while len(verdicts) < 4:
            await busy.send("ada", *[hours(5)] * 20)

    writing = asyncio.create_task(write())
    while not writing.done():
        verdicts.append(await verdict_of(busy))
    await writing

    assert verdicts[0].records < verdicts[-1].records
    assert all(verdict.ok for verdict in verdicts), [verdict.findings for verdict in verdicts]


async def test_the_command_says_what_was_proved_and_what_not_and_its_exit_code_follows(
    busy: Stand, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def anything_goes(_connection: Any, **_: Any) -> None:
        pass

    monkeypatch.setattr("timebank.store.engine.refuse_unsafe", anything_goes)
    settings = Settings(home=busy.home, database_urls={})

    assert await command._verify(settings, busy.dsn, None) == 0
    proved = capsys.readouterr().out
    assert "the book is whole" in proved
    assert "1 closed periods" in proved
    async with busy.house.database.public_read(busy.group.group_id) as tx:
        found = await find_note(tx, busy.group.group_id)
    assert found is not None
    assert f"on its print: {seal_of(found[1])}\n" in proved
    assert "Not proved" in proved

    async with connected(busy.dsn, "timebank") as connection:
        await connection.execute("SET session_replication_role = replica")
        seq = await connection.fetchval("SELECT max(seq) FROM timebank.transfers")
        await connection.execute("UPDATE timebank.transfers SET amount = amount + 1 WHERE seq = $1", seq)

    slug = (await list_books(busy.house))[busy.group.group_id]
    assert await command._verify(settings, busy.dsn, slug) == 1
    found = capsys.readouterr().out
    assert f"first with record {seq}" in found
    assert CHECKS["columns"] in found
