"""What the commands of a batch name, and so what must be read before they can be decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from timebank.rules.commands import (
    AnswerDraw,
    ApproveDraw,
    AskDraw,
    CancelDraw,
    ChangeDraw,
    ClosePlace,
    Command,
    ConfirmHours,
    CorrectEntry,
    CountHeld,
    DeclineDraw,
    DrawArrived,
    DrawCommand,
    DrawDue,
    ExpireProposal,
    GiveMoney,
    HandOver,
    LogHours,
    MoveHeld,
    ObjectDraw,
    OpenPlace,
    PassSilence,
    ProposeOpening,
    ProposeOut,
    ProposePotMove,
    QuestionDraw,
    QuestionHours,
    QueueDue,
    ReleaseDraw,
    ReturnMoney,
    SettleHours,
    ShareHours,
    SignProposal,
    StepAside,
    UndoDrawEntry,
    WithdrawHours,
    WithdrawProposal,
)
from timebank.rules.names import folded
from timebank.rules.state import EXCHANGE, MINUTES

if TYPE_CHECKING:
    from timebank.ledger.entries import KnownEntry
    from timebank.rules.people import Actor
    from timebank.rules.state import Hand, Past, SetUp


class Named:
    """What the commands of a batch name: ids, and the units in which members' accounts are needed."""

    __slots__ = (
        "askers", "changed", "contacts", "decides", "draws", "entries", "members", "openings", "proposals",
        "references", "units",
    )  # fmt: skip

    def __init__(self) -> None:
        self.members: set[UUID] = set()
        self.units: set[str] = {MINUTES}
        self.draws: set[UUID] = set()
        self.entries: set[UUID] = set()
        self.references: set[str] = set()
        self.proposals: set[UUID] = set()
        self.openings = False
        #: Whose earlier draws count, and draws whose askers' do.
        self.askers: set[UUID] = set()
        self.changed: set[UUID] = set()
        self.contacts: set[bytes] = set()
        #: Whether something may be promised, for which others wait, too.
        self.decides = False

    def add(self, command: Command, actor: Actor) -> None:
        """Note what a command names."""
        _NAMERS[type(command)](command, actor, self)


def numbers_of(setup: SetUp, named: Named, known: Mapping[UUID, KnownEntry]) -> set[int]:
    """Return the numbers of all accounts that the rules may ask for."""
    numbers = set(setup.common_accounts)
    for member_id in named.members & setup.members.keys():
        own = setup.members[member_id].accounts
        numbers.update(own[unit] for unit in named.units if unit in own)
    for entry in known.values():
        for transfer in entry.draft.transfers:
            numbers.add(transfer.debit)
            numbers.add(transfer.credit)
    return numbers


def _name_hours(command: LogHours, _actor: Actor, named: Named) -> None:
    if command.giver is not None:
        named.members.add(command.giver)
    if command.receiver is not None:
        named.members.add(command.receiver)
    if command.draw is not None:
        named.draws.add(command.draw)
    if command.exchange:
        named.units.add(EXCHANGE)


def _name_shares(command: ShareHours, _actor: Actor, named: Named) -> None:
    named.members.update(share.giver for share in command.shares)
    if command.receiver is not None:
        named.members.add(command.receiver)
    if command.draw is not None:
        named.draws.add(command.draw)


def _name_logged(
    command: ConfirmHours | QuestionHours | SettleHours | WithdrawHours | PassSilence,
    _actor: Actor,
    named: Named,
) -> None:
    # Hours and their entry have one id.
    named.entries.add(command.hours)


def _name_money(command: GiveMoney, _actor: Actor, named: Named) -> None:
    named.units.add(command.currency)
    if command.giver is not None:
        named.members.add(command.giver)
    if command.reference:
        named.references.add(folded(command.reference))


def _name_opening(command: ProposeOpening, _actor: Actor, named: Named) -> None:
    named.openings = True
    if command.member is not None:
        named.members.add(command.member)
        named.units.add(EXCHANGE)


def _name_proposal(
    command: SignProposal | WithdrawProposal | ExpireProposal, _actor: Actor, named: Named
) -> None:
    named.proposals.add(command.proposal)


def _name_nothing(_command: Command, _actor: Actor, _named: Named) -> None:
    """The accounts of pots, places and the group itself are always there."""


def _name_ask(command: AskDraw, actor: Actor, named: Named) -> None:
    named.decides = True
    # Whether somebody is at the limit of a time bank is a look at their own account.
    named.units.add(f"exchange:{MINUTES}")
    if command.ask_id is not None:
        named.draws.add(command.ask_id)
    if command.without_account:
        named.contacts.add(command.contact_index)
        return
    asker = actor.member_id if command.on_behalf_of is None else command.on_behalf_of
    named.members.add(asker)
    named.askers.add(asker)


def _name_draw(command: DrawCommand, _actor: Actor, named: Named) -> None:
    named.decides = True
    named.draws.add(command.draw)


def _name_change(command: ChangeDraw, actor: Actor, named: Named) -> None:
    _name_draw(command, actor, named)
    named.units.add(f"exchange:{MINUTES}")
    named.changed.add(command.draw)


def _name_undo(command: UndoDrawEntry, actor: Actor, named: Named) -> None:
    _name_draw(command, actor, named)
    named.entries.add(command.entry)


def _name_queue(_command: QueueDue, _actor: Actor, named: Named) -> None:
    named.decides = True


def name_changed_askers(named: Named, hands: Mapping[UUID, Mapping[UUID, Hand]]) -> set[UUID]:
    """Return who the draws are for whose amount changes; what they had counts for their limits."""
    askers = {
        member_id
        for draw_id in named.changed
        for member_id, hand in hands.get(draw_id, {}).items()
        if hand.theirs
    }
    named.askers |= askers
    return askers


def past_by_whom(found: Sequence[tuple[UUID, bool, Past]], setup: SetUp) -> dict[UUID, dict[UUID, Past]]:
    """Return earlier draws by person and by household."""
    past: dict[UUID, dict[UUID, Past]] = {}
    for asker, own, draw in found:
        household = setup.members[asker].household
        for whose in {asker if own else household, household} - {None}:
            assert whose is not None
            past.setdefault(whose, {})[draw.draw_id] = draw
    return past


def _name_correction(command: CorrectEntry, _actor: Actor, named: Named) -> None:
    named.entries.add(command.entry)


_NAMERS: Final[dict[type, Callable[[Any, Actor, Named], None]]] = {
    LogHours: _name_hours,
    ShareHours: _name_shares,
    ConfirmHours: _name_logged,
    QuestionHours: _name_logged,
    SettleHours: _name_logged,
    WithdrawHours: _name_logged,
    PassSilence: _name_logged,
    GiveMoney: _name_money,
    OpenPlace: _name_nothing,
    ClosePlace: _name_nothing,
    MoveHeld: _name_nothing,
    CountHeld: _name_nothing,
    ProposeOut: _name_nothing,
    ProposePotMove: _name_nothing,
    ProposeOpening: _name_opening,
    SignProposal: _name_proposal,
    WithdrawProposal: _name_proposal,
    ExpireProposal: _name_proposal,
    AskDraw: _name_ask,
    ApproveDraw: _name_draw,
    DeclineDraw: _name_draw,
    ObjectDraw: _name_draw,
    QuestionDraw: _name_draw,
    AnswerDraw: _name_draw,
    StepAside: _name_draw,
    CancelDraw: _name_draw,
    ChangeDraw: _name_change,
    HandOver: _name_draw,
    UndoDrawEntry: _name_undo,
    ReturnMoney: _name_draw,
    ReleaseDraw: _name_draw,
    DrawArrived: _name_draw,
    DrawDue: _name_draw,
    QueueDue: _name_queue,
    CorrectEntry: _name_correction,
}
