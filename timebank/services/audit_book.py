"""The whole book, opened for one of its auditors: every record with its salt, and what decisions rested on."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from hashlib import sha256
from typing import TYPE_CHECKING

from timebank.formats.opened_book import (
    FORMAT,
    NOT_KNOWN,
    AskLine,
    EndLine,
    FactsLine,
    HeadLine,
    RecordLine,
    SettingLine,
    WayLine,
    write_line,
)
from timebank.rules.readiness import ANYBODY
from timebank.services.looks import note_seen
from timebank.store import audit as audit_store
from timebank.store import audit_book as store
from timebank.store.boxes import BoxBrokenError, open_box
from timebank.store.closes import find_frame
from timebank.store.members import list_ties

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from timebank.rules.people import Actor
    from timebank.services.house import House
    from timebank.store.audit import CountedRow
    from timebank.store.audit_book import AskRow, FactsRow, OpenedHead


async def open_book(house: House, actor: Actor, *, now: datetime) -> tuple[str, AsyncGenerator[bytes, None]]:
    """Open the book for an auditor; return what to call the file, and its lines.

    That they looked is written down before the first line.

    Raises:
        NeedsScope: The token was not made for reading.
        NeedsRole: They are no auditor.
        StepUpNeeded: Their last proof is too long ago.
    """
    actor.require_scope("read")
    actor.require_role("auditor")
    actor.require_fresh()
    group_id = actor.group_id
    async with house.database.tx(group_id) as tx:
        await note_seen(tx, group_id, actor, what="audit", now=now)
    async with audit_store.open_line(house.database) as connection:
        head = await store.find_head(connection, group_id)
    opening = _Opening(house, group_id, head)
    return f"{head.slug}-opened-through-record-{head.seq}.jsonl", opening.lines()


class _Opening:
    """One opening under way."""

    def __init__(self, house: House, group_id: UUID, head: OpenedHead) -> None:
        self.house = house
        self.group_id = group_id
        self.head = head
        # Nobody can follow a person from one audit to the next, or to an account.
        self._blind = house.random(32)

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Yield the file; between two pieces nothing is held in the database."""
        house, group_id, head = self.house, self.group_id, self.head
        yield write_line(
            HeadLine(
                format=FORMAT,
                origin=head.origin,
                book=head.book_id.hex(),
                began_on=head.began_on,
                time_zone=head.time_zone,
                epoch=head.epoch,
                records=head.seq,
                live=head.checkpoint,
                ways=[WayLine(day, *way) for day, way in head.ways],
            )
        )
        for change in head.changes:
            yield write_line(SettingLine(*change))
        async for asks in store.list_asks(house.database, group_id):
            yield b"".join(write_line(self._ask(row)) for row in asks)
        async for facts in store.list_facts(house.database, group_id):
            opened = (self._facts(row) for row in facts)
            yield b"".join(write_line(line) for line in opened if line is not None)
        async with house.database.read(group_id) as tx:
            ties = await list_ties(tx, house.keys, group_id)
            outside = (await find_frame(tx, group_id)).outside
        # Under *open* nothing waits for people, and nobody has to know whom anything was for.
        people_count = any(way.people for _, way in head.ways)
        for first in range(1, head.seq + 1, store.PAGE):
            last = min(first + store.PAGE - 1, head.seq)
            async with audit_store.open_line(house.database) as connection:
                records = await store.read_records(connection, group_id, first, last)
                counted = (
                    await audit_store.read_counted(connection, group_id, first, last) if people_count else {}
                )
            yield b"".join(
                write_line(
                    RecordLine(
                        seq,
                        record.decode(),
                        salt.hex(),
                        self._counts_for(counted[seq], ties, outside) if seq in counted else "",
                    )
                )
                for seq, record, salt in records
            )
        yield write_line(EndLine(head.seq))

    def _word(self, what: str, whose: UUID | None) -> str:
        """Return the word that stands for somebody in this opening."""
        if whose is None:
            return ""
        return sha256(self._blind + what.encode() + whose.bytes).hexdigest()[:20]

    def _ask(self, row: AskRow) -> AskLine:
        return AskLine(
            str(row.draw_id),
            row.asked_at,
            self._word("person", row.member_id),
            self._word("household", row.household_id),
        )

    def _facts(self, row: FactsRow) -> FactsLine | None:
        """Return the facts of a decision; None where they cannot be opened any more."""
        key = self.house.keys.find_member_key(self.group_id, row.owner)
        if key is None:
            return None
        table = "people.ask_notes" if row.of_ask else "people.notes"
        try:
            text = open_box(
                key, row.box, group_id=self.group_id, table=table, row=row.about_id, column="facts"
            )
        except BoxBrokenError:
            return None
        return FactsLine(str(row.about_id), row.salt.hex(), text.decode())

    def _counts_for(self, row: CountedRow, ties: Mapping[int, UUID], outside: frozenset[int]) -> str:
        if row.without_account or row.receiver in outside:
            return ANYBODY
        member_id = row.member_id or (None if row.receiver is None else ties.get(row.receiver))
        if member_id is None:
            return "" if row.receiver is None else NOT_KNOWN
        return self._word("person", member_id)
