"""What belongs to one member: their whole statement, and everything that the group holds of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple
from zoneinfo import ZoneInfo

from babel.numbers import get_currency_precision

from timebank.errors import FieldInvalid
from timebank.formats.statement_csv import StatementLine, StatementSum, write_statement
from timebank.ledger.units import MINUTES
from timebank.services.export import ENDS_BEFORE
from timebank.services.mail import MailAddress, find_address
from timebank.services.passkeys import OwnPasskey
from timebank.services.passkeys import list_in as list_passkeys
from timebank.services.statement import Line, Total, list_own_lines, list_own_totals
from timebank.store import members as members_store
from timebank.store import own_data as store
from timebank.store import stand_ins as stand_ins_store
from timebank.store import statement as statement_store
from timebank.store import tokens as tokens_store
from timebank.store.boxes import BoxBrokenError, open_box
from timebank.store.members import Listing
from timebank.store.recoveries import RecoveryRow, list_recoveries_of

if TYPE_CHECKING:
    from datetime import date, datetime
    from uuid import UUID

    from timebank.rules.people import Actor
    from timebank.services.house import House
    from timebank.store.engine import Tx
    from timebank.store.own_data import DutyRow, HandRow, OwnCardRow, OwnGroup, OwnSessionRow
    from timebank.store.stand_ins import StandInRow
    from timebank.store.statement import TotalRow
    from timebank.store.tokens import TokenRow

LINES_MAX: Final = 100_000
"""More than one person does in a life; so many lines fit into memory."""

FORMAT: Final = "timebank member data, format 1"


class DatedLine(NamedTuple):
    """A line of a statement with its day: when it happened, for an ask when it was asked."""

    day: date
    line: Line


@dataclass(frozen=True, slots=True)
class OwnStatement:
    """Everything that one member gave, received and asked for in some days, all of one moment.

    Attributes:
        nickname: Their own, because the paper is theirs.
        taken_at: The moment of which the lines are all there were.
        first, last: Days that were asked for; None for no bound.
        lines: Oldest day first.
        given: What they gave, by unit, minutes first.
        received: Minutes of help that reached them.
    """

    group: OwnGroup
    nickname: str
    taken_at: datetime
    first: date | None
    last: date | None
    lines: tuple[DatedLine, ...]
    given: tuple[StatementSum, ...]
    received: StatementSum


@dataclass(frozen=True, slots=True)
class OwnAsk:
    """An ask of theirs, with what they wrote for those who hand over."""

    line: Line
    contact: str
    payout: str


class Words(NamedTuple):
    """Something that they wrote, or that was sealed for them, about an entry, hours or an ask."""

    about_id: UUID
    what: str
    text: str


@dataclass(frozen=True, slots=True)
class OwnData:
    """Everything that the group holds of one member.

    Attributes:
        accounts: Their accounts and what passed through each.
        lines: As in their statement, newest first, without their asks.
        hands: What they had to do with asks, their own and those of others.
        tokens: Without the secrets, which are not kept.
        mail: Their address and whether it is confirmed; None for none.
        recoveries: Ways back in that were asked for, newest first.
        code: Short code by which others find them; empty if they have none.
        household: Random id that stewards tied them to.
        stand_ins: Who stands in for them, and for whom they do, then and now.
        passkeys: As their owner calls them; what they prove with is not told.
        app_since: Since when they have an app that shows codes; None for none.
        cards: Printed cards without their codes, which are not kept.
        sessions: Of browsers, without their secrets.
    """

    group: OwnGroup
    member_id: UUID
    nickname: str
    state: str
    joined_on: date
    taken_at: datetime
    duties: tuple[DutyRow, ...]
    accounts: tuple[TotalRow, ...]
    totals: tuple[Total, ...]
    lines: tuple[Line, ...]
    asks: tuple[OwnAsk, ...]
    hands: tuple[HandRow, ...]
    words: tuple[Words, ...]
    tokens: tuple[TokenRow, ...]
    mail: MailAddress | None
    recoveries: tuple[RecoveryRow, ...]
    code: str
    household: UUID | None
    stand_ins: tuple[StandInRow, ...]
    passkeys: tuple[OwnPasskey, ...]
    app_since: datetime | None
    cards: tuple[OwnCardRow, ...]
    sessions: tuple[OwnSessionRow, ...]


async def read_own_statement(
    house: House, actor: Actor, *, first: date | None, last: date | None, now: datetime
) -> OwnStatement:
    """Return the actor's whole statement, or the part of some days.

    Raises:
        NeedsScope: The token was not made for reading.
        FieldInvalid: ``last`` is before ``first``.
        TooLarge: They have more lines than anybody should have.
    """
    actor.require_scope("read")
    if first and last and last < first:
        raise FieldInvalid(field="to", why=ENDS_BEFORE)
    async with house.database.read(actor.group_id) as tx:
        group = await store.find_group(tx, actor.group_id)
        member = await members_store.find_member(tx, actor.group_id, actor.member_id)
        assert member is not None, "they are signed in"
        totals = await list_own_totals(tx, actor)
        lines = await list_own_lines(tx, house.keys, actor, lines_max=LINES_MAX)
    zone = ZoneInfo(group.time_zone)
    dated = [DatedLine(_day_of(line, zone), line) for line in reversed(lines)]
    shown = [each for each in dated if (not first or each.day >= first) and (not last or each.day <= last)]
    # Sorting keeps the order of what was recorded on one day.
    shown.sort(key=lambda each: each.day)
    own = [each.line for each in shown]
    return OwnStatement(
        group=group,
        nickname=members_store.open_nickname(house.keys, actor.group_id, actor.member_id, member.nickname_box)
        or "",
        taken_at=now,
        first=first,
        last=last,
        lines=tuple(shown),
        given=tuple(_sum("given", total.unit, own) for total in totals),
        received=_received(totals, own),
    )


def write_own_csv(statement: OwnStatement) -> Iterator[str]:
    """Yield a statement as a sheet, in pieces."""
    lines = [
        StatementLine(
            day, line.what, line.kind, line.unit, line.amount, line.category, line.state, line.pot, line.note
        )
        for day, line in statement.lines
    ]
    units = {line.unit for line in lines} | {total.unit for total in statement.given}
    digits = {unit: 0 if unit == MINUTES else get_currency_precision(unit) for unit in units}
    sums = [*statement.given, statement.received]
    return write_statement(lines, sums, digits=digits, taken_at=statement.taken_at)


async def read_own_data(house: House, actor: Actor, *, now: datetime) -> OwnData:
    """Return everything that the group holds of the actor, in one moment's view.

    Raises:
        NeedsScope, TooLarge: See ``read_own_statement``.
    """
    actor.require_scope("read")
    numbers = list(actor.accounts.values())
    async with house.database.read(actor.group_id) as tx:
        group = await store.find_group(tx, actor.group_id)
        member = await members_store.find_member(tx, actor.group_id, actor.member_id)
        assert member is not None, "they are signed in"
        duties = await store.list_duties(tx, actor.group_id, actor.member_id)
        accounts = await statement_store.list_totals(tx, actor.group_id, numbers)
        totals = await list_own_totals(tx, actor)
        lines = await list_own_lines(tx, house.keys, actor, lines_max=LINES_MAX)
        hands = await store.list_hands(tx, actor.group_id, actor.member_id)
        words = await _open_words(tx, house, actor)
        tokens = await tokens_store.list_tokens(tx, actor.group_id, actor.member_id)
        mail = await find_address(tx, house, actor.group_id, actor.member_id)
        recoveries = await list_recoveries_of(tx, actor.group_id, actor.member_id)
        (listed,) = await members_store.list_members(
            tx, actor.group_id, Listing(member_id=actor.member_id), now=now, after=None, limit=1
        )
        stand_ins = await stand_ins_store.list_stand_ins(tx, actor.group_id, member_id=actor.member_id)
        passkeys = await list_passkeys(tx, house, actor.group_id, actor.member_id)
        app_since = await store.find_app(tx, actor.group_id, actor.member_id)
        cards = await store.list_cards(tx, actor.group_id, actor.member_id)
        sessions = await store.list_sessions(tx, actor.group_id, actor.member_id)
    told = {(about_id, what): said for about_id, what, said in words}
    return OwnData(
        group=group,
        member_id=actor.member_id,
        nickname=members_store.open_nickname(house.keys, actor.group_id, actor.member_id, member.nickname_box)
        or "",
        state=member.state,
        joined_on=member.joined_on,
        taken_at=now,
        duties=tuple(duties),
        accounts=tuple(accounts),
        totals=totals,
        lines=tuple(line for line in lines if line.what != "asked"),
        asks=tuple(
            OwnAsk(line, told.get((line.id, "contact"), ""), told.get((line.id, "payout"), ""))
            for line in lines
            if line.what == "asked"
        ),
        hands=tuple(hands),
        words=tuple(words),
        tokens=tuple(tokens),
        mail=mail,
        recoveries=tuple(recoveries),
        code=members_store.open_code(house.keys, actor.group_id, actor.member_id, listed.code_box),
        household=listed.household_id,
        stand_ins=tuple(stand_ins),
        passkeys=tuple(passkeys),
        app_since=app_since,
        cards=tuple(cards),
        sessions=tuple(sessions),
    )


def counts(line: Line) -> bool:
    """Say whether a line is part of a total: what was taken back or replaced is not, nor what takes it back."""
    return line.what in {"given", "received"} and line.state not in {"corrected", "withdrawn", "settled"}


def _day_of(line: Line, zone: ZoneInfo) -> date:
    if line.what == "asked" or line.effective_on is None:
        return line.at.astimezone(zone).date()
    return line.effective_on


def _sum(what: str, unit: str, lines: Sequence[Line]) -> StatementSum:
    counted = [line.amount for line in lines if counts(line) and (line.what, line.unit) == (what, unit)]
    return StatementSum(what, unit, sum(counted), len(counted))


def _received(totals: Sequence[Total], lines: Sequence[Line]) -> StatementSum:
    """Return the help that reached them: between two people by its entry, else by the hours that name them."""
    exchanged = any(total.received is not None for total in totals if total.unit == MINUTES)
    return _sum("received", MINUTES, [line for line in lines if (line.kind != "hours") == exchanged])


async def _open_words(tx: Tx, house: House, actor: Actor) -> list[Words]:
    key = house.keys.find_member_key(actor.group_id, actor.member_id)
    if key is None:
        return []
    opened = []
    for about_id, what, box in await store.list_words(tx, actor.group_id, actor.member_id):
        try:
            said = open_box(
                key, box, group_id=actor.group_id, table="people.notes", row=about_id, column=what
            )
        except BoxBrokenError:
            continue
        opened.append(Words(about_id, what, said.decode()))
    return opened
