"""Money in the second ledger: what comes in, where it lies, what two people sign; and corrections of anything."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

from tests.properties.reference import (
    MOST,
    Book,
    Entry,
    Hours,
    Moves,
    Proposal,
    Said,
    mirrored,
    now_at,
    unless,
)

DAYS_OPEN = 30


class Give(NamedTuple):
    """Money that came into a place, from somebody or from outside."""

    pot: str
    amount: int
    held: str
    giver: str | None
    day: date


class Move(NamedTuple):
    """Money carried from one place to another."""

    source: str
    target: str
    amount: int
    day: date | None


class Count(NamedTuple):
    """What somebody counted in a place; ``pot`` bears the difference."""

    held: str
    counted: int
    pot: str


class Out(NamedTuple):
    """Money that shall leave."""

    pot: str
    amount: int
    held: str
    category: str
    day: date | None


class PotMove(NamedTuple):
    """Something that a pot shall pass on to another."""

    source: str
    target: str
    amount: int
    unit: str
    day: date | None


class Opening(NamedTuple):
    """What a pot or a member brings along."""

    pot: str
    amount: int
    unit: str
    held: str
    member: str | None
    received: bool
    day: date | None


class Sign(NamedTuple):
    """A second signature."""

    proposal: int


class Unsign(NamedTuple):
    """A proposal taken back."""

    proposal: int


class Correct(NamedTuple):
    """An entry taken back; with ``instead`` another amount, day or category is written in its place."""

    entry: int
    instead: tuple[int | None, date | None, str | None] | None
    held: str


def give(book: Book, who: str, c: Give) -> Said:
    book.role(who, "treasurer")
    pot = book.pot(c.pot, "EUR")
    held = book.place(c.held)
    if c.giver is not None:
        book.member(c.giver)
    giver = f"member {c.giver} EUR" if c.giver else "outside EUR"
    moves = ((giver, f"pot {pot}", c.amount), (held, "custody EUR", c.amount))
    (number,) = book.write(Entry("money_in", moves, c.day))
    return Said("ok", {"entry": number})


def move(book: Book, who: str, c: Move) -> Said:
    book.role(who, "treasurer")
    source, target = book.place(c.source), book.place(c.target)
    unless(source != target, "field_invalid")
    (number,) = book.write(Entry("held_move", ((target, source, c.amount),), c.day or book.today))
    return Said("ok", {"entry": number})


def count(book: Book, who: str, c: Count) -> Said:
    book.role(who, "treasurer", "steward")
    unless(c.held in book.held, "unknown_page")
    unless(0 <= c.counted <= MOST, "amount_out_of_range")
    pot = f"pot {book.pot(c.pot, 'EUR')}"
    held = f"held {c.held}"
    is_there = -book.net(held)
    if c.counted == is_there:
        book.changed()
        return Said("ok", state="right")
    missing = is_there - c.counted
    if missing > 0:
        moves = ((pot, "adjustment EUR", missing), ("custody EUR", held, missing))
        return _propose(book, who, "count", moves, None, kind="counted_missing", held=c.held)
    moves = (("adjustment EUR", pot, -missing), (held, "custody EUR", -missing))
    return _propose(book, who, "count", moves, None, kind="counted_found", held=c.held)


def out(book: Book, who: str, c: Out) -> Said:
    book.role(who, "treasurer")
    pot = book.pot(c.pot, "EUR")
    held = book.place(c.held)
    unless(not c.category or c.category in book.categories, "unknown_category")
    moves = ((f"pot {pot}", "outside EUR", c.amount), ("custody EUR", held, c.amount))
    return _propose(book, who, "money_out", moves, c.day, category=c.category)


def pot_move(book: Book, who: str, c: PotMove) -> Said:
    book.role(who, "treasurer", *(["steward"] if c.unit == "minutes" else []))
    source, target = book.pot(c.source, c.unit), book.pot(c.target, c.unit)
    unless(source != target, "field_invalid")
    return _propose(book, who, "pot_move", ((f"pot {source}", f"pot {target}", c.amount),), c.day)


def opening(book: Book, who: str, c: Opening) -> Said:
    is_hours = c.unit == "minutes"
    book.role(who, "steward" if is_hours else "treasurer")
    unless(1 <= c.amount <= MOST, "amount_out_of_range")
    day = c.day or book.today
    book.day_is_possible(day)
    unless((c.member is None) != (not c.pot), "field_invalid")
    unless((is_hours or c.member is not None) != bool(c.held), "field_invalid")
    if c.member is not None:
        unless(is_hours, "no_time_bank")
        book.member(c.member)
        account = f"exchange {c.member}"
        pair = ("opening minutes", account) if c.received else (account, "opening minutes")
        moves: Moves = ((*pair, c.amount),)
    else:
        moves = ((f"opening {c.unit}", f"pot {book.pot(c.pot, c.unit)}", c.amount),)
        if not is_hours:
            moves += ((book.place(c.held), "custody EUR", c.amount),)
    if all(entry.kind == "opening" for entry in book.entries.values()):
        (number,) = book.write(Entry("opening", moves, day))
        return Said("ok", {"entry": number}, "posted")
    return _propose(book, who, "opening", moves, day)


def sign(book: Book, who: str, c: Sign) -> Said:
    book.role(who, "treasurer", "steward")
    unless(c.proposal in book.proposals, "unknown_proposal")
    proposal = book.proposals[c.proposal]
    unless(proposal.state == "open" and not is_over(book, proposal), "proposal_not_open")
    unless(proposal.by != who, "own_proposal")
    (number,) = book.write(Entry(proposal.kind, proposal.moves, proposal.day, proposal.category))
    proposal.state = "signed"
    return Said("ok", {"entry": number}, "signed")


def unsign(book: Book, who: str, c: Unsign) -> Said:
    proposal = book.proposals.get(c.proposal)
    if not book.roles[who] & {"treasurer", "steward"}:
        unless(proposal is not None and proposal.by == who, "not_your_proposal")
    unless(proposal is not None, "unknown_proposal")
    assert proposal is not None
    unless(proposal.state == "open", "proposal_not_open")
    proposal.state = "withdrawn"
    book.changed()
    return Said("ok", state="withdrawn")


def is_over(book: Book, proposal: Proposal) -> bool:
    return book.now >= proposal.at + timedelta(days=DAYS_OPEN)


def expire_proposals(book: Book) -> None:
    """What a look at the proposals finds due."""
    for proposal in book.proposals.values():
        if proposal.state == "open" and is_over(book, proposal):
            proposal.state = "expired"
            book.changed()


def _propose(
    book: Book, who: str, what: str, moves: Moves, day: date | None, *, kind: str = "", **more: str
) -> Said:
    day = day or book.today
    if what != "count":
        unless(1 <= moves[0][2] <= MOST, "amount_out_of_range")
    book.day_is_possible(day)
    number = book.next_number()
    book.proposals[number] = Proposal(kind or what, moves, day, who, book.now, **more)
    book.changed()
    return Said("ok", {"proposal": number}, "open")


def correct(book: Book, who: str, c: Correct) -> Said:
    unless(c.entry in book.entries, "unknown_entry")
    wrong, hours = book.entries[c.entry], book.hours.get(c.entry)
    amount, day, category = c.instead or (None, None, None)
    if "steward" not in book.roles[who]:
        if hours is None:
            unless("treasurer" in book.roles[who], "not_your_entry")
        else:
            unless(who in (hours.giver, hours.receiver, hours.logged_by), "not_your_entry")
    if hours is not None and hours.exchange:
        now = 0 if c.instead is None else hours.minutes if amount is None else amount
        unless(not (who == hours.giver and now > hours.minutes), "not_your_entry")
        takes_back = who == hours.receiver and now < hours.minutes
        unless(not (takes_back and hours.state == "confirmed"), "not_your_entry")
    unless(category is None or category in book.categories, "unknown_category")
    held = ""
    if c.held and any(
        name.startswith("held ") for source, target, _ in wrong.moves for name in (source, target)
    ):
        held = book.place(c.held)
    mirror = Entry(
        "correction",
        mirrored(wrong.moves, held),
        wrong.day,
        wrong.category,
        reverses=c.entry,
        taken_back=len(wrong.moves),
    )
    if c.instead is None:
        (number,) = book.write(mirror)
        made = {"entry": number}
    else:
        moves = tuple((s, t, n if amount is None else amount) for s, t, n in now_at(wrong.moves, held))
        right = Entry(wrong.kind, moves, day or wrong.day, wrong.category if category is None else category)
        number, instead = book.write(mirror, right)
        made = {"entry": number, "instead": instead}
    if hours is not None:
        hours.asked = None
        hours.state = "withdrawn" if c.instead is None else "settled"
        if c.instead is not None:
            book.hours[made["instead"]] = Hours(
                hours.giver,
                hours.receiver,
                right.moves[0][2],
                right.day,
                right.category,
                who,
                book.now,
                exchange=hours.exchange,
            )
    return Said("ok", made)
