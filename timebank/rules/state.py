"""What the rules look at while they decide: the set-up of a group, its draws, and the rows that follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from timebank.errors import Refusal, UnknownMember, UnknownPot
from timebank.ledger.books import Books
from timebank.ledger.entries import Draft, Entry, KnownEntry, Replayed
from timebank.rules.policies import Limit, Policy, Terms

MINUTES = "minutes"
#: Name of a member's other account of hours, in groups with time-bank mode.
EXCHANGE: Final = f"exchange:{MINUTES}"


class Pot(NamedTuple):
    """A common pot and the numbers of its three accounts."""

    pot_id: UUID
    code: str
    unit: str
    number: int
    pot_account: int
    promised_account: int
    shared_account: int


class HeldPlace(NamedTuple):
    """A place where money of one currency physically is; ``kind`` is cash, bank or platform."""

    held_id: UUID
    code: str
    kind: str
    number: int
    unit: str
    account_id: int


class MemberAccounts(NamedTuple):
    """What the rules need to know of one member.

    Attributes:
        active: Whether they may be named.
        accounts: Their account numbers by unit.
        signs_in: Whether they can sign in themselves; silence of those who cannot is never a yes.
        household: Random id that stewards tied them to, or None.
    """

    active: bool
    accounts: dict[str, int]
    signs_in: bool = False
    household: UUID | None = None


#: Stands for an id that is nobody's, or of somebody who was erased.
NOBODY = MemberAccounts(active=False, accounts={})


class Rounding(NamedTuple):
    """How a group rounds hours: to a step of so many minutes, up or to the nearest; 1 is not at all."""

    minutes: int = 1
    up: bool = False

    def of(self, minutes: int) -> int:
        """Return minutes as the group counts them; a half step goes up, and nothing becomes no time at all."""
        add = self.minutes - 1 if self.up else self.minutes // 2
        return max(self.minutes, (minutes + add) // self.minutes * self.minutes)


NO_ROUNDING: Final = Rounding()


@dataclass(slots=True)
class SetUp:
    """What of a group changes rarely; true for exactly one ``version`` of the head row.

    Attributes:
        version: setup_version of the head row that this was read under.
        pots: By code, in order of number.
        policies: Every version by (pot, version): what was asked under one is decided under it.
        special: Account numbers of outside, custody, opening, adjustment by (kind, unit).
        time_bank: Whether hours also go between two people.
        confirm_days: Days of silence after which logged time-bank hours count as confirmed.
        next_time_zone: (moment, name) of the time zone that begins then; None for no change.
        members: Filled as members are met; a new version starts empty.
        exchange_limit: What the newest rules of the first pot of hours say of time-bank hours; None for nothing.
    """

    version: int
    group_id: UUID
    book_id: bytes
    origin: str
    began_on: date
    time_zone: str
    categories: frozenset[str]
    pots: dict[str, Pot]
    held: dict[str, HeldPlace]
    policies: dict[tuple[UUID, int], Policy]
    special: dict[tuple[str, str], int]
    time_bank: bool = False
    confirm_days: int = 7
    rounding: Rounding = NO_ROUNDING
    next_time_zone: tuple[datetime, str] | None = None
    members: dict[UUID, MemberAccounts] = field(default_factory=dict)
    pots_by_id: dict[UUID, Pot] = field(init=False)
    first_pots: dict[str, Pot] = field(init=False)
    newest: dict[UUID, Policy] = field(init=False)
    common_accounts: frozenset[int] = field(init=False)
    exchange_limit: Limit | None = field(init=False)

    def __post_init__(self) -> None:
        self.pots_by_id = {pot.pot_id: pot for pot in self.pots.values()}
        self.first_pots = {pot.unit: pot for pot in reversed(self.pots.values())}
        self.newest = {pot_id: policy for (pot_id, _), policy in sorted(self.policies.items())}
        own = {
            number
            for pot in self.pots.values()
            for number in (pot.pot_account, pot.promised_account, pot.shared_account)
        }
        self.common_accounts = frozenset(
            own | set(self.special.values()) | {place.account_id for place in self.held.values()}
        )
        pot = self.first_pots.get(MINUTES)
        policy = self.newest.get(pot.pot_id) if pot else None
        self.exchange_limit = policy.terms.limit if policy else None

    def zone_at(self, now: datetime) -> str:
        """Return the time zone that counts at a moment, whether or not a sweep has been by."""
        begins = self.next_time_zone
        return begins[1] if begins is not None and begins[0] <= now else self.time_zone

    def pot(self, code: str, unit: str) -> Pot:
        """Return a pot by code; an empty code is the first pot of that unit.

        Raises:
            UnknownPot: No such pot keeps this unit.
        """
        pot = self.pots.get(code) if code else self.first_pots.get(unit)
        if pot is None or pot.unit != unit:
            raise UnknownPot
        return pot

    def terms_of(self, draw: Draw) -> Terms:
        """Return the rules that a draw was asked under; they hold for the draw to its end."""
        return self.policies[draw.pot_id, draw.policy_version].terms

    def member_account(self, member_id: UUID, unit: str) -> int:
        """Return the number of a member's account in a unit.

        Raises:
            UnknownMember: Nobody active has this id.
        """
        member = self.members.get(member_id)
        if member is None or not member.active or unit not in member.accounts:
            raise UnknownMember
        return member.accounts[unit]


class HoursRow(NamedTuple):
    """A row of the hours table; ``seq`` is None while time-bank hours wait for a yes."""

    hours_id: UUID
    seq: int | None
    state: str
    giver_account: int
    receiver_account: int | None
    draw_id: UUID | None
    minutes: int
    effective_on: date
    category: str
    logged_by: int
    logged_at: datetime


class Waiting(NamedTuple):
    """Who the two are between whom hours wait for a yes."""

    giver_id: UUID
    receiver_id: UUID


class Question(NamedTuple):
    """A "not quite" to hours that nobody has settled yet; ``asked_by`` is an account number."""

    question_id: UUID
    hours_id: UUID
    asked_by: int
    minutes: int
    asked_at: datetime


@dataclass(slots=True)
class OpenHours:
    """What is known of hours that wait for somebody, and what became of it in this batch.

    Attributes:
        waiting: By hours, those between two people that nobody said yes to yet.
        questions: By hours, the open question to them.
        posted: By hours, the record that posted them after they had waited.
        began, ended: Hours that began to wait, and that ceased.
        asked: New questions.
        answered: By question, what became of it.
    """

    waiting: dict[UUID, Waiting] = field(default_factory=dict)
    questions: dict[UUID, Question] = field(default_factory=dict)
    posted: dict[UUID, int] = field(default_factory=dict)
    began: list[tuple[HoursRow, Waiting]] = field(default_factory=list)
    ended: list[UUID] = field(default_factory=list)
    asked: list[Question] = field(default_factory=list)
    answered: dict[UUID, str] = field(default_factory=dict)


@dataclass(slots=True)
class Proposal:
    """Something that takes two people, and what became of it.

    Attributes:
        kind: ``count``, ``money_out``, ``opening`` or ``pot_move``.
        body: Codes, amounts and days, as rules.proposals writes and reads them.
        state: ``open``, ``signed``, ``withdrawn`` or ``expired``.
        proposed_by, signed_by: Members.
    """

    proposal_id: UUID
    kind: str
    body: dict[str, Any]
    state: str
    proposed_by: UUID
    proposed_at: datetime
    signed_by: UUID | None = None
    entry_id: UUID | None = None


class Reference(NamedTuple):
    """What came in under a reference: the words folded, the place that they came to, and how much."""

    folded: str
    held_account: int
    amount: int


@dataclass(slots=True)
class Treasury:
    """What is known of money beside the balances, and what became of it in this batch.

    Attributes:
        references: Entries that the book has with these references.
        proposals: The ones that the batch names, by id.
        has_entries: Whether the book says anything but openings yet; read where it matters.
        new_references: Written with the entry of each.
        carried: (wrong entry, right entry, place, amount): the right one takes over the reference.
        new_proposals, changed_proposals: Of this batch.
        new_places: Opened by this batch; usable from the next one on.
        closed: By account number, whether it is closed now.
    """

    references: dict[Reference, UUID] = field(default_factory=dict)
    proposals: dict[UUID, Proposal] = field(default_factory=dict)
    has_entries: bool = True
    new_references: list[tuple[Reference, UUID]] = field(default_factory=list)
    carried: list[tuple[UUID, UUID, int, int]] = field(default_factory=list)
    new_proposals: list[Proposal] = field(default_factory=list)
    changed_proposals: dict[UUID, Proposal] = field(default_factory=dict)
    new_places: list[HeldPlace] = field(default_factory=list)
    closed: dict[int, bool] = field(default_factory=dict)


@dataclass(slots=True)
class Draw:
    """An ask and what became of it; amounts in the unit of its pot.

    handed + released <= promised <= asked.

    Attributes:
        agreed: What the first yes settled on, 0 before it.
        agreed_at: When the last yes came that the rules want; None before it.
        queued_at: Since when it waits for the pot; None if it does not.
        promised_on: Day on which the amount was set aside; None before it.
        due_at: When the group next has to do something with it; None for never.
        without_account: Whether somebody asked who is no member.
        warnings: What stewards are told: ``perhaps_twice``, ``talk_first``.
    """

    draw_id: UUID
    pot_id: UUID
    category: str
    needed_by: date | None
    state: str
    policy_version: int
    asked: int
    agreed: int
    promised: int
    handed: int
    released: int
    asked_at: datetime
    agreed_at: datetime | None = None
    queued_at: datetime | None = None
    promised_on: date | None = None
    due_at: datetime | None = None
    without_account: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def left(self) -> int:
        """What is promised and neither handed over nor given back."""
        return self.promised - self.handed - self.released

    @property
    def counted(self) -> int:
        """What of it counts against limits: what may still be had, else what was had."""
        if self.state in {"asked", "looked_at"}:
            return self.agreed or self.asked
        return self.promised - self.released


@dataclass(slots=True)
class Hand:
    """What one person did with one draw.

    Attributes:
        theirs: Whether the draw is for them; whoever asked on their behalf has ``asked`` only.
        not_own: Whether they stated that an ask without an account is not theirs.
    """

    asked: bool = False
    approved: bool = False
    paid: bool = False
    two_people: bool = False
    theirs: bool = False
    stepped_aside: bool = False
    objected: bool = False
    not_own: bool = False


class Past(NamedTuple):
    """A draw of somebody as far as limits look at it; ``on`` is the day it was asked, in the group's time zone."""

    draw_id: UUID
    pot_id: UUID
    on: date
    counted: int
    is_open: bool
    asked: int


class NewLink(NamedTuple):
    """How somebody without an account finds an ask again: hashes of the link, and of what they can be reached by."""

    draw_id: UUID
    link_hash: bytes
    contact_index: bytes


class Note(NamedTuple):
    """Free text to be sealed with one member's key; ``salt`` is what its hash in the record used.

    ``of_ask``: sealed with the key of an ask without an account instead; ``member_id`` is the ask's id.
    """

    about_id: UUID
    what: str
    member_id: UUID
    salt: bytes
    text: str
    of_ask: bool = False


class OtherRecord(NamedTuple):
    """A record that moves nothing: an approval, a role, a policy, a closing."""

    seq: int
    kind: str
    recorded_at: datetime
    actor: int
    fields: dict[str, Any]


@dataclass(slots=True)
class State:
    """Everything one batch decides on; the rules change it in memory, the store writes what changed.

    Attributes:
        books: The balances; entries are accepted or refused here.
        ids: Fresh random ids.
        salt: Gives 32 fresh random bytes.
        draws, hands, known, hours: The rows that the batch names, by id.
        past: By person and by household, earlier draws of those who ask, by id.
        open_asks: (who, pot, amount) of asks that were open when the batch began, and of its own.
        contacts: Blind indexes by which somebody without an account asked before and still waits.
        queues: By pot, asks that wait for it, longest first; they are in ``draws``, too.
        long_queues: Pots for which more wait than ``queues`` has.
        papers_gone: Draws whose contact and payout are wiped.
        written: Entries and other records in order of seq.
    """

    setup: SetUp
    books: Books
    now: datetime
    today: date
    ids: Iterator[UUID]
    salt: Callable[[], bytes]
    draws: dict[UUID, Draw] = field(default_factory=dict)
    hands: dict[UUID, dict[UUID, Hand]] = field(default_factory=dict)
    known: dict[UUID, KnownEntry] = field(default_factory=dict)
    hours: dict[UUID, HoursRow] = field(default_factory=dict)
    past: dict[UUID, dict[UUID, Past]] = field(default_factory=dict)
    open_asks: set[tuple[UUID, UUID, int]] = field(default_factory=set)
    contacts: set[bytes] = field(default_factory=set)
    queues: dict[UUID, list[UUID]] = field(default_factory=dict)
    long_queues: frozenset[UUID] = frozenset()

    written: list[Entry | OtherRecord] = field(default_factory=list)
    new_hours: list[HoursRow] = field(default_factory=list)
    changed_hours: dict[UUID, str] = field(default_factory=dict)
    open_hours: OpenHours = field(default_factory=OpenHours)
    treasury: Treasury = field(default_factory=Treasury)
    new_draws: list[Draw] = field(default_factory=list)
    changed_draws: dict[UUID, Draw] = field(default_factory=dict)
    changed_hands: set[tuple[UUID, UUID]] = field(default_factory=set)
    notes: list[Note] = field(default_factory=list)
    new_links: list[NewLink] = field(default_factory=list)
    papers_gone: list[UUID] = field(default_factory=list)

    def post(self, *drafts: Draft) -> tuple[Entry, ...] | Refusal:
        """Have the books accept a chain of new drafts and remember its entries, or refuse it."""
        result = self.books.post(drafts, self.now)
        if isinstance(result, Refusal):
            return result
        assert not isinstance(result, Replayed), "rules draft under fresh ids"
        self.written.extend(result)
        return result

    def record(self, kind: str, actor: int, fields: dict[str, Any]) -> int:
        """Write down something that moves nothing; return its seq."""
        seq, recorded_at = self.books.next_record(self.now)
        self.written.append(OtherRecord(seq, kind, recorded_at, actor, fields))
        return seq
