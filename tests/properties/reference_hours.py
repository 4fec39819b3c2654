"""Hours in the second ledger: logged, said yes to, questioned, settled, withdrawn, and what silence decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import NamedTuple

from tests.properties.reference import MOST, Book, Entry, Hours, Moves, No, Said, mirrored, unless
from tests.properties.reference_draws import promised_hours
from tests.properties.reference_steps import reached

CONFIRM_DAYS = 7


class Log(NamedTuple):
    """Help that ``giver`` gave: to the pot, to ``receiver``, for a draw, or between the two."""

    giver: str | None
    receiver: str | None
    draw: int | None
    minutes: int
    day: date
    category: str
    exchange: bool = False


class Confirm(NamedTuple):
    """The other side's yes."""

    hours: int


class Question(NamedTuple):
    """The other side's "not quite"."""

    hours: int
    minutes: int


class Settle(NamedTuple):
    """An end to a question."""

    hours: int
    minutes: int | None


class Withdraw(NamedTuple):
    """Hours taken back."""

    hours: int


def log(book: Book, who: str, c: Log) -> Said:
    giver = c.giver or who
    unless(who in (giver, c.receiver) or "steward" in book.roles[who], "not_your_entry")
    book.member(giver)
    if c.receiver is not None:
        book.member(c.receiver)
    unless(c.category in book.categories, "unknown_category")
    unless(c.receiver != giver, "same_account_twice")
    row = Hours(
        giver, c.receiver, c.minutes, c.day, c.category, who, book.now, draw=c.draw, exchange=c.exchange
    )
    if c.exchange:
        return _log_exchange(book, who, c, row)
    pot = book.pot("", "minutes")
    moves: Moves = ((f"member {giver} minutes", f"pot {pot}", c.minutes),)
    kind = "help_given"
    if c.draw is not None:
        draw = promised_hours(book, c.draw, giver)
        kind, covered = "fulfil", min(c.minutes, draw.left)
        beyond = c.minutes - covered
        if covered:
            moves += ((f"promised {pot}", f"shared {pot}", covered),)
        if beyond > 0 and draw.terms.lets_beyond(beyond):
            moves += ((f"pot {pot}", f"shared {pot}", beyond),)
    elif c.receiver is not None:
        kind = "help_answered"
        moves += ((f"pot {pot}", f"shared {pot}", c.minutes),)
    (number,) = book.write(Entry(kind, moves, c.day, c.category, c.draw))
    book.hours[number] = row
    if c.draw is not None:
        reached(book, c.draw, c.minutes)
    return Said("ok", {"id": number}, "logged")


def _log_exchange(book: Book, who: str, c: Log, row: Hours) -> Said:
    unless(c.receiver is not None, "field_invalid")
    unless(c.draw is None, "field_invalid")
    unless(1 <= c.minutes <= MOST, "amount_out_of_range")
    book.day_is_possible(c.day)
    if who == c.receiver:
        (number,) = _post(book, row)
    else:
        number = book.next_number()
        row.posted = False
        book.changed()
    book.hours[number] = row
    return Said("ok", {"id": number}, "logged")


def confirm(book: Book, who: str, c: Confirm) -> Said:
    row = _find(book, who, c.hours)
    _open(row, "logged", "questioned")
    if row.posted:
        _other_side(book, who, row)
    else:
        unless(who == row.receiver, "not_your_hours")
        _post(book, row, c.hours)
    row.state, row.asked = "confirmed", None
    book.changed()
    return Said("ok", state="confirmed")


def question(book: Book, who: str, c: Question) -> Said:
    row = _find(book, who, c.hours)
    _open(row, "logged", "questioned")
    _other_side(book, who, row)
    unless(1 <= c.minutes <= MOST, "amount_out_of_range")
    if row.state == "logged" and _is_silent(book, row):
        _pass_silence(book, c.hours, row)
    row.state, row.asked = "questioned", (who, c.minutes)
    book.changed()
    return Said("ok", state="questioned")


def settle(book: Book, who: str, c: Settle) -> Said:
    row = _find(book, who, c.hours)
    _open(row, "logged", "questioned", "confirmed")
    sides = {row.giver, row.receiver} - {None}
    agrees = row.asked is not None and who in sides - {row.asked[0]}
    if not agrees:
        unless("steward" in book.roles[who], "not_your_hours")
        unless(who not in sides, "own_hours")
    minutes = c.minutes
    if minutes is None:
        unless(row.asked is not None or not row.posted, "field_invalid")
        minutes = row.asked[1] if row.asked is not None else row.minutes
    else:
        unless(1 <= minutes <= MOST, "amount_out_of_range")
        unless(not agrees or row.asked is None or minutes == row.asked[1], "field_invalid")
    made: dict[str, int] = {}
    if minutes == row.minutes:
        if not row.posted:
            _post(book, row, c.hours)
        row.state = "confirmed"
    else:
        right = replace(
            row, minutes=minutes, logged_by=who, logged_at=book.now, state="confirmed", asked=None
        )
        if row.posted:
            made["correction"], made["instead"] = _take_back(book, c.hours, row, minutes)
        else:
            (made["instead"],) = _post(book, right)
        book.hours[made["instead"]] = right
        row.state = "settled"
    row.asked = None
    book.changed()
    return Said("ok", made, row.state)


def withdraw(book: Book, who: str, c: Withdraw) -> Said:
    row = _find(book, who, c.hours)
    _open(row, "logged", "questioned", "confirmed")
    if who != row.giver and "steward" not in book.roles[who]:
        unless(who == row.logged_by and row.state != "confirmed", "not_your_hours")
    made: dict[str, int] = {}
    if row.posted:
        (made["correction"],) = _take_back(book, c.hours, row, None)
    row.state, row.asked = "withdrawn", None
    book.changed()
    return Said("ok", made, "withdrawn")


def hear_silences(book: Book) -> None:
    """What a look at hours that wait finds due."""
    waiting = [(row.logged_at, number) for number, row in book.hours.items() if _waits(row)]
    for _, number in sorted(waiting):
        row = book.hours[number]
        if _is_silent(book, row) and _pass_silence(book, number, row):
            row.state = "confirmed"


def _waits(row: Hours) -> bool:
    return not row.posted and row.state == "logged"


def _is_silent(book: Book, row: Hours) -> bool:
    assert row.receiver is not None or row.posted
    return (
        _waits(row)
        and book.active[row.receiver or ""]
        and row.receiver not in book.without_device
        and book.now >= row.logged_at + timedelta(days=CONFIRM_DAYS)
    )


def _pass_silence(book: Book, number: int, row: Hours) -> bool:
    try:
        _post(book, row, number)
    except No:
        return False
    return True


def _post(book: Book, row: Hours, *number: int) -> tuple[int, ...]:
    """Write hours between two people, under the number that they have already if they waited."""
    limit = book.pots[book.pot("", "minutes")].versions[-1].limit
    if limit is not None and limit["then"] == "pause":
        unless(book.net(f"exchange {row.receiver}") + row.minutes <= limit["at"], "policy_refuses")
    moves = ((f"exchange {row.giver}", f"exchange {row.receiver}", row.minutes),)
    numbers = book.write(Entry("help_exchanged", moves, row.day, row.category), numbers=number)
    row.posted = True
    return numbers


def _take_back(book: Book, number: int, row: Hours, minutes: int | None) -> tuple[int, ...]:
    unless(row.draw is None, "entry_belongs_to_draw")
    wrong = book.entries[number]
    entries = [
        Entry(
            "correction",
            mirrored(wrong.moves),
            wrong.day,
            wrong.category,
            reverses=number,
            taken_back=len(wrong.moves),
        )
    ]
    if minutes is not None:
        moves = tuple((source, target, minutes) for source, target, _ in wrong.moves)
        entries.append(Entry(wrong.kind, moves, wrong.day, wrong.category))
    return book.write(*entries)


def _find(book: Book, who: str, number: int) -> Hours:
    unless(number in book.hours, "unknown_hours")
    row = book.hours[number]
    seen = who in (row.giver, row.receiver, row.logged_by) or "steward" in book.roles[who]
    unless(seen, "unknown_hours")
    return row


def _open(row: Hours, *states: str) -> None:
    unless(row.state in states, "hours_not_open")


def _other_side(book: Book, who: str, row: Hours) -> None:
    spoke = row.logged_by if row.logged_by in (row.giver, row.receiver) else row.giver
    if who in (row.giver, row.receiver) and who != spoke:
        return
    steward = "steward" in book.roles[who] and who not in (row.giver, row.logged_by)
    unless(steward, "not_your_hours")
