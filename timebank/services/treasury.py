"""Money as those with a duty look at it: where it is, what waits for a second signature, and what expired."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from timebank.errors import FieldInvalid, UnknownEntry, UnknownProposal
from timebank.ledger.entries import EntryKind, Transfer
from timebank.rules.commands import ExpireProposal
from timebank.rules.proposals import DAYS_OPEN, PROPOSAL_STATES
from timebank.rules.set_up import NOT_KNOWN
from timebank.store import treasury as store
from timebank.store.boxes import BoxBrokenError, open_box
from timebank.store.checkpoints import receipt_code
from timebank.store.engine import driver
from timebank.store.overview import find_nicknames
from timebank.store.setup import load_setup
from timebank.store.statement import list_notes_of_others

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from timebank.rules.commands import Command
    from timebank.rules.people import Actor
    from timebank.rules.state import Proposal, SetUp
    from timebank.services.house import House
    from timebank.store.engine import Tx
    from timebank.store.treasury import ListedPlace, MoneyRow

PAGE_MAX: Final = 100
KINDS: Final = ("count", "money_out", "opening", "pot_move")
#: Who sees where money is, and what waits.
LOOKERS: Final = ("treasurer", "steward", "auditor")
SWEEP_MAX: Final = 1_000
#: Their note is the reason that somebody with a duty gave. A note about any other entry may be its giver's own.
_UNDONE_WITH_WORDS: Final = frozenset({EntryKind.CORRECTION, EntryKind.HAND_OVER_UNDONE})
#: Of a row in a list: when it was proposed, and its id.
Place = tuple[datetime, UUID]
_END_OF_TIME: Final = datetime(9999, 1, 1, tzinfo=UTC)
_LAST_ID: Final = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class SeenProposal:
    """A proposal; ``why`` is what was written with it, and ``mine`` says whether the reader proposed it."""

    proposal: Proposal
    expires_at: datetime
    why: str
    mine: bool


@dataclass(frozen=True, slots=True)
class ProposalPage:
    """One page, newest first; ``next`` is None on the last one."""

    proposals: tuple[SeenProposal, ...]
    next: Place | None


async def list_held(house: House, actor: Actor) -> list[ListedPlace]:
    """Return every place with what is in it now.

    Raises:
        NeedsScope: The token was not made for reading.
        NeedsRole: They are neither treasurer nor steward nor auditor.
    """
    actor.require_scope("read")
    actor.require_role(*LOOKERS)
    async with house.database.read(actor.group_id) as tx:
        return await store.list_places(tx, actor.group_id)


async def list_proposals(
    house: House,
    actor: Actor,
    *,
    state: str = "",
    kind: str = "",
    after: Place | None = None,
    limit: int = 50,
) -> ProposalPage:
    """Return a page of what takes two people.

    Args:
        state, kind: Only these; empty for all.
        after: ``next`` of the page before; None for the first one.
        limit: Most rows, 1 to 100.

    Raises:
        NeedsScope, NeedsRole: See list_held.
        FieldInvalid: A filter says something that is not there.
    """
    assert 1 <= limit <= PAGE_MAX, limit
    actor.require_scope("read")
    actor.require_role(*LOOKERS)
    for field, wanted, known in (("state", state, PROPOSAL_STATES), ("kind", kind, KINDS)):
        if wanted and wanted not in known:
            raise FieldInvalid(field=field, why=NOT_KNOWN)
    place = after or (_END_OF_TIME, _LAST_ID)
    async with house.database.read(actor.group_id) as tx:
        rows = await store.list_proposals(
            tx, actor.group_id, state=state or None, kind=kind or None, before=place, limit=limit + 1
        )
        shown = rows[:limit]
        said = await _words(tx, house, actor, [row.proposal_id for row in shown], what="note")
    seen = tuple(_seen(row, said, actor) for row in shown)
    last = shown[-1] if len(rows) > limit else None
    return ProposalPage(seen, None if last is None else (last.proposed_at, last.proposal_id))


@dataclass(frozen=True, slots=True)
class MoneyEntry:
    """An entry about money as those with a duty see it; nobody's name is in it.

    Attributes:
        amount: In the smallest unit of ``unit``.
        pots: Codes of the pots that it touched: none where money only went from place to place, two
            where one pot passed something on to another.
        into, out_of: Codes of the places that it came to and was taken from; empty for none.
        from_member: Whether somebody of the group gave it.
        receipt: Code by which it can be shown to be in the book.
        corrects, corrected_by: What it takes back, and what took it back.
        draw_state: How far its ask is now; empty where it has none.
        category: As the book has it; empty for most.
        moved: All that it moved, in order.
        reference: What came with money; for treasurers alone, and empty for others.
        note: Why something was taken back; for treasurers alone, and empty for others.
    """

    entry_id: UUID
    kind: str
    amount: int
    unit: str
    pots: tuple[str, ...]
    into: str
    out_of: str
    from_member: bool
    effective_on: date
    recorded_at: datetime
    receipt: str
    draw_id: UUID | None
    draw_state: str
    corrects: UUID | None
    corrected_by: UUID | None
    category: str
    moved: tuple[Transfer, ...]
    reference: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class SignedProposal:
    """A proposal with the nicknames of who made and who signed it; empty for nobody, or somebody who left."""

    seen: SeenProposal
    proposed_by: str
    signed_by: str


async def list_money(
    house: House, actor: Actor, *, kind: EntryKind | None = None, limit: int = 20
) -> list[MoneyEntry]:
    """Return the last entries that moved money at any place, newest first.

    Args:
        kind: Only these; None for all.
        limit: Most entries.

    Raises:
        NeedsScope, NeedsRole: See list_held.
    """
    actor.require_scope("read")
    actor.require_role(*LOOKERS)
    async with house.database.read(actor.group_id) as tx:
        setup = await load_setup(await driver(tx), actor.group_id, 0)
        accounts = [place.account_id for place in setup.held.values()]
        rows = await store.list_last_entries(tx, actor.group_id, accounts, kind=kind, limit=limit)
    return [entry for row in rows if (entry := _entry(row, setup)) is not None]


async def read_money(house: House, actor: Actor, entry_id: UUID) -> MoneyEntry:
    """Return one entry about money.

    Raises:
        NeedsScope, NeedsRole: See list_held.
        UnknownEntry: There is none with this id, or it is not about money.
    """
    actor.require_scope("read")
    actor.require_role(*LOOKERS)
    async with house.database.read(actor.group_id) as tx:
        setup = await load_setup(await driver(tx), actor.group_id, 0)
        row = await store.find_entry(tx, actor.group_id, entry_id)
        entry = None if row is None else _entry(row, setup)
        if entry is None:
            raise UnknownEntry
        if "treasurer" in actor.roles:
            said = await _words(tx, house, actor, [entry_id], what="reference")
            entry = replace(entry, reference=said.get(entry_id, ""))
            if entry.kind in _UNDONE_WITH_WORDS:
                said = await _words(tx, house, actor, [entry_id], what="note")
                entry = replace(entry, note=said.get(entry_id, ""))
    return entry


async def read_proposal(house: House, actor: Actor, proposal_id: UUID) -> SignedProposal:
    """Return one proposal with who made it and who signed it.

    Raises:
        NeedsScope, NeedsRole: See list_held.
        UnknownProposal: There is none with this id.
    """
    actor.require_scope("read")
    actor.require_role(*LOOKERS)
    async with house.database.read(actor.group_id) as tx:
        found = await store.find_proposals(await driver(tx), actor.group_id, [proposal_id])
        if proposal_id not in found:
            raise UnknownProposal
        proposal = found[proposal_id]
        said = await _words(tx, house, actor, [proposal_id], what="note")
        people = [one for one in (proposal.proposed_by, proposal.signed_by) if one is not None]
        names = await find_nicknames(tx, house.keys, actor.group_id, people)
    return SignedProposal(
        seen=_seen(proposal, said, actor),
        proposed_by=names.get(proposal.proposed_by, ""),
        signed_by=names.get(proposal.signed_by, "") if proposal.signed_by else "",
    )


def _entry(row: MoneyRow, setup: SetUp) -> MoneyEntry | None:
    """Return what an entry says of money; None if it says nothing of it."""
    places = {place.account_id: place for place in setup.held.values()}
    pots = {
        account: pot
        for pot in setup.pots.values()
        for account in (pot.pot_account, pot.promised_account, pot.shared_account)
    }
    into = next((places[debit] for debit, _, _ in row.moved if debit in places), None)
    out_of = next((places[credit] for _, credit, _ in row.moved if credit in places), None)
    touched = [
        pots[account] for debit, credit, _ in row.moved for account in (debit, credit) if account in pots
    ]
    codes = tuple(dict.fromkeys(pot.code for pot in touched))
    place = into or out_of
    if place is None and len(codes) < 2:
        return None
    debit = row.moved[0][0]
    unit = place.unit if place is not None else touched[0].unit
    return MoneyEntry(
        entry_id=row.entry_id,
        kind=row.kind,
        amount=row.moved[0][2],
        unit=unit,
        pots=codes,
        into="" if into is None else into.code,
        out_of="" if out_of is None else out_of.code,
        from_member=row.kind == EntryKind.MONEY_IN and debit not in setup.common_accounts,
        effective_on=row.effective_on,
        recorded_at=row.recorded_at,
        receipt=receipt_code(row.commitment),
        category=row.category,
        moved=tuple(Transfer(unit, debit, credit, amount) for debit, credit, amount in row.moved),
        draw_id=row.draw_id,
        draw_state=row.draw_state or "",
        corrects=row.corrects,
        corrected_by=row.corrected_by,
    )


def _seen(proposal: Proposal, said: Mapping[UUID, str], actor: Actor) -> SeenProposal:
    return SeenProposal(
        proposal=proposal,
        expires_at=proposal.proposed_at + timedelta(days=DAYS_OPEN),
        why=said.get(proposal.proposal_id, ""),
        mine=proposal.proposed_by == actor.member_id,
    )


async def due_proposals(house: House, group_id: UUID, *, now: datetime) -> list[Command]:
    """Return what nobody signed in time, to be ended through the writer by the group itself."""
    async with house.database.read(group_id) as tx:
        overdue = await store.list_overdue(
            tx, group_id, before=now - timedelta(days=DAYS_OPEN), limit=SWEEP_MAX
        )
    return [ExpireProposal(proposal_id) for proposal_id in overdue]


async def _words(tx: Tx, house: House, actor: Actor, about: Sequence[UUID], *, what: str) -> dict[UUID, str]:
    """Return what was written about things by whoever wrote it down; what cannot be opened any more is left out.

    Args:
        what: Which words: notes of another kind are sealed for others, and stay closed.
    """
    said = {}
    for about_id, kind, author, box in await list_notes_of_others(tx, actor.group_id, about):
        key = house.keys.find_member_key(actor.group_id, author) if kind == what else None
        if key is None:
            continue
        try:
            words = open_box(
                key, box, group_id=actor.group_id, table="people.notes", row=about_id, column=what
            )
        except BoxBrokenError:
            continue
        said[about_id] = words.decode()
    return said
