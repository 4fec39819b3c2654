"""Money as those with a duty look at it: where it is, what waits for a second signature, and what expired."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from timebank.errors import FieldInvalid
from timebank.rules.commands import ExpireProposal
from timebank.rules.proposals import DAYS_OPEN, PROPOSAL_STATES
from timebank.rules.set_up import NOT_KNOWN
from timebank.store import treasury as store
from timebank.store.boxes import BoxBrokenError, open_box
from timebank.store.statement import list_notes_of_others

if TYPE_CHECKING:
    from collections.abc import Sequence

    from timebank.rules.commands import Command
    from timebank.rules.people import Actor
    from timebank.rules.state import Proposal
    from timebank.services.house import House
    from timebank.store.engine import Tx
    from timebank.store.treasury import ListedPlace

PAGE_MAX: Final = 100
KINDS: Final = ("count", "money_out", "opening", "pot_move")
#: Who sees where money is, and what waits.
LOOKERS: Final = ("treasurer", "steward", "auditor")
SWEEP_MAX: Final = 1_000
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
        said = await _reasons(tx, house, actor, shown)
    seen = tuple(
        SeenProposal(
            proposal=row,
            expires_at=row.proposed_at + timedelta(days=DAYS_OPEN),
            why=said.get(row.proposal_id, ""),
            mine=row.proposed_by == actor.member_id,
        )
        for row in shown
    )
    last = shown[-1] if len(rows) > limit else None
    return ProposalPage(seen, None if last is None else (last.proposed_at, last.proposal_id))


async def due_proposals(house: House, group_id: UUID, *, now: datetime) -> list[Command]:
    """Return what nobody signed in time, to be ended through the writer by the group itself."""
    async with house.database.read(group_id) as tx:
        overdue = await store.list_overdue(
            tx, group_id, before=now - timedelta(days=DAYS_OPEN), limit=SWEEP_MAX
        )
    return [ExpireProposal(proposal_id) for proposal_id in overdue]


async def _reasons(tx: Tx, house: House, actor: Actor, rows: Sequence[Proposal]) -> dict[UUID, str]:
    said = {}
    about = [row.proposal_id for row in rows]
    for proposal_id, what, author, box in await list_notes_of_others(tx, actor.group_id, about):
        key = house.keys.find_member_key(actor.group_id, author)
        if key is None:
            continue
        try:
            words = open_box(
                key, box, group_id=actor.group_id, table="people.notes", row=proposal_id, column=what
            )
        except BoxBrokenError:
            continue
        said[proposal_id] = words.decode()
    return said
