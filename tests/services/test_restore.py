"""After an older database was put back: whoever was erased since stays erased, and the book says where it goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.database import Dsn, copied
from tests.properties.stand import Group, Stand, a_stand, hours, keep_commits, open_stand, shut
from timebank.config import OperatorError
from timebank.ledger.canonical import parse
from timebank.services.joining import _FORM, ask_to_join, issue_key
from timebank.services.members import erase_member
from timebank.services.restore import replay_erasures, settle, settle_at_start
from timebank.services.verify import verify_group
from timebank.store.checkpoints import Checkpoints
from timebank.store.engine import Database

pytestmark = pytest.mark.database


def now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def put_back(cluster: Any, stand: Stand, then: Any) -> AsyncIterator[Stand]:
    """Copy a stand's database, let something happen, and open the copy with the home as it is then."""
    await stand.house.checkpoints.close()
    await stand.house.database.close()
    async with copied(cluster, stand.dsn("timebank")["database"]) as older:
        await keep_commits(older)
        stand.house = replace(stand.house, database=await Database.open(stand.dsn, check=False))
        again = await open_stand(stand.dsn, stand.home)
        again.groups = stand.groups
        await then(again)
        await shut(again)
        back = await open_stand(older, stand.home)
        back.groups = stand.groups
        try:
            yield back
        finally:
            await shut(back)


async def records(stand: Stand, kind: str) -> list[Any]:
    rows = await stand.rows("SELECT record FROM timebank.records WHERE kind = $1 ORDER BY seq", kind)
    return [parse(bytes(row[0])) for row in rows]


@pytest_asyncio.fixture(loop_scope="session")
async def stand(fresh_dsn: Dsn, tmp_path: Path) -> AsyncIterator[Stand]:
    async with a_stand(fresh_dsn, tmp_path) as one:
        await one.send("flo", hours(30))
        await one.send("ada", hours(45))
        yield one


async def test_who_was_erased_since_is_erased_again_and_the_book_stays_whole(
    cluster: Any, stand: Stand
) -> None:
    group: Group = stand.group
    flo = group.people["flo"]
    before = await stand.balances()

    async def then(later: Stand) -> None:
        await erase_member(later.house, group.group_id, flo.member_id, now=now())

    async with put_back(cluster, stand, then) as back:
        beside = back.house.checkpoints
        (settled,) = await settle(back.house, beside, now=now())

        assert (settled.erased, settled.without_key) == (1, 0)
        assert await back.balances() == before
        (erasure,) = await records(back, "erasure")
        assert erasure["accounts"] == sorted(flo.accounts.values())
        (row,) = await back.rows(
            "SELECT state, nickname_box, accounts_box, code_box FROM people.members WHERE member_id = $1",
            flo.member_id,
        )
        assert tuple(row) == ("erased", b"", b"", None)
        (head,) = await back.rows("SELECT seq, checkpoint FROM timebank.book_heads")
        beside.replace(group.group_id, *head)
        verdict = await verify_group(back.house, group.group_id)
        assert (verdict.findings, verdict.unproved) == ((), ())
        assert (await replay_erasures(back.house, group.group_id, now=now())).people == 0


async def test_a_request_to_join_that_was_ended_since_has_no_words_any_more(
    cluster: Any, stand: Stand
) -> None:
    group_id = stand.group.group_id
    async with stand.house.database.write_door(group_id) as connection:
        await connection.execute("UPDATE timebank.groups SET joining = 'request'")
        await connection.execute("COMMIT")
    await ask_to_join_as(stand, "Kim")

    async def then(later: Stand) -> None:
        ((request_id,),) = await later.rows("SELECT request_id FROM people.join_requests")
        later.house.keys.erase_members(group_id, [request_id], now=now())

    async with put_back(cluster, stand, then) as back:
        await settle_at_start(back.house, now=now())

        (row,) = await back.rows("SELECT state, nickname_box, words_box FROM people.join_requests")
        assert tuple(row) == ("expired", b"", b"")


async def test_the_server_does_not_start_with_an_older_book_until_that_is_said(
    cluster: Any, stand: Stand
) -> None:
    group_id = stand.group.group_id

    async def then(later: Stand) -> None:
        await later.send("ada", hours(15))
        await later.send("ada", hours(16))

    async with put_back(cluster, stand, then) as back:
        with pytest.raises(OperatorError, match="restore --settle"):
            await settle_at_start(back.house, now=now())
        assert await records(back, "restored") == []
        old = back.house.checkpoints.read_kept(group_id)

        (settled,) = await settle(back.house, Checkpoints(back.house.keys, back.home), now=now())

        assert (settled.epoch, settled.lost) == (2, 2)
        (restored,) = await records(back, "restored")
        assert restored["old"]["size"] == restored["new"]["size"] + 2
        assert restored["epoch"] == 2
        # A crash right here leaves the old checkpoint in its file; the next start brings the new one.
        (again,) = await settle(back.house, Checkpoints(back.house.keys, back.home), now=now())
        assert again.epoch == 0
        assert len(await records(back, "restored")) == 1
        await settle_at_start(back.house, now=now())
        assert back.house.checkpoints.read_kept(group_id) != old
        (aside,) = (back.home / "checkpoints").glob("*.aside")
        assert aside.read_text(encoding="utf-8") == old
        await back.send("ada", hours(20))
        await back.verified()


async def test_a_book_that_lacks_nothing_goes_on_as_if_nothing_had_happened(
    cluster: Any, stand: Stand
) -> None:
    async def then(_later: Stand) -> None:
        return

    async with put_back(cluster, stand, then) as back:
        (settled,) = await settle(back.house, back.house.checkpoints, now=now())

        assert (settled.epoch, settled.erased, settled.lost) == (0, 0, 0)
        assert await records(back, "restored") == []


async def test_without_a_last_checkpoint_nobody_can_know_what_is_missing(cluster: Any, stand: Stand) -> None:
    async def then(_later: Stand) -> None:
        return

    async with put_back(cluster, stand, then) as back:
        for path in (back.home / "checkpoints").iterdir():
            path.unlink()

        (settled,) = await settle(back.house, Checkpoints(back.house.keys, back.home), now=now())

        assert (settled.epoch, settled.lost) == (2, None)
        (restored,) = await records(back, "restored")
        assert "old" not in restored
        await back.verified()


async def test_a_missing_key_is_no_erasure(cluster: Any, stand: Stand) -> None:
    group = stand.group
    flo, ada = group.people["flo"].member_id, group.people["ada"].member_id

    async def then(later: Stand) -> None:
        await erase_member(later.house, group.group_id, flo, now=now())

    async with put_back(cluster, stand, then) as back:
        back.house.keys._db.execute("DELETE FROM member_keys WHERE member_id = ?", (ada.bytes,))
        back.house.keys._forget()

        (settled,) = await settle(back.house, back.house.checkpoints, now=now())

        assert (settled.erased, settled.without_key) == (1, 1)
        # Whose the accounts were that are nobody's cannot be told now, so the record names none.
        assert (await records(back, "erasure"))[0]["accounts"] == []
        rows = await back.rows("SELECT state FROM people.members WHERE member_id = $1", ada)
        assert rows[0][0] == "active"


async def ask_to_join_as(stand: Stand, nickname: str) -> None:
    group_id = stand.group.group_id
    key = issue_key(stand.house, group_id, _FORM)
    await ask_to_join(stand.house, group_id, key=key, nickname=nickname, words="please", now=now())
