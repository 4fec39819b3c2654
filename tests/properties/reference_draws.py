"""Draws in the second ledger: who may do what with an ask, what moves, and what time decides about it."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from tests.properties.reference import MOST, Book, Draw, Entry, Hand, Moves, No, Said, mirrored, unless
from tests.properties.reference_rules import first_day
from tests.properties.reference_steps import (
    agree,
    count_again,
    date_promise,
    decide_at_once,
    drain,
    end,
    give_back,
    keep_papers,
    open_again,
    reached,
    settle,
)


class Ask(NamedTuple):
    """An ask; ``unit`` should be that of the pot."""

    pot: str
    amount: int
    unit: str
    category: str
    behalf: str | None
    needed_by: date | None


class Approve(NamedTuple):
    """A yes."""

    draw: int
    amount: int | None


class Decline(NamedTuple):
    """A "not now"."""

    draw: int


class Object(NamedTuple):
    """An objection, or one taken back."""

    draw: int
    withdraw: bool


class AskBack(NamedTuple):
    """A question to whoever asked."""

    draw: int


class Answer(NamedTuple):
    """What they say to it."""

    draw: int


class StepAside(NamedTuple):
    """Somebody leaves it to others."""

    draw: int


class Cancel(NamedTuple):
    """Whoever asked needs it no more."""

    draw: int


class Change(NamedTuple):
    """Another amount."""

    draw: int
    amount: int


class HandOver(NamedTuple):
    """Money handed over."""

    draw: int
    held: str
    amount: int | None
    day: date | None
    receipt: bool


class Undo(NamedTuple):
    """A hand-over, or hours given for a draw, written by mistake."""

    draw: int
    entry: int
    held: str


class Return(NamedTuple):
    """Money that came back."""

    draw: int
    held: str
    amount: int
    day: date | None


class Release(NamedTuple):
    """What is not needed of a promise."""

    draw: int
    amount: int | None


class Arrived(NamedTuple):
    """It arrived."""

    draw: int


# ---------------------------------------------------------------- whoever asked


def ask(book: Book, who: str, c: Ask) -> Said:
    pot = book.pot(c.pot, c.unit)
    unless(c.category in book.categories, "unknown_category")
    terms = book.pots[pot].versions[-1]
    draw = Draw(pot, c.amount, c.category, terms, book.now, book.today, c.needed_by)
    _check_amount(draw, c.amount)
    asker = c.behalf or who
    if asker != who:
        book.role(who, "steward")
        book.member(asker)
    _check_caps(book, draw, asker, c.amount)
    draw.hands = {name: Hand(asked=True, theirs=name == asker) for name in (asker, who)}
    number = book.next_number()
    book.draws[number] = draw
    book.changed()
    decide_at_once(book, number)
    return Said("ok", {"id": number}, "asked")


def change(book: Book, who: str, c: Change) -> Said:
    draw = _theirs(book, who, c.draw)
    settle(book, c.draw)
    _open(draw, "asked", "looked_at")
    _check_amount(draw, c.amount)
    _check_caps(book, draw, _asker(draw), c.amount)
    for hand in draw.hands.values():
        hand.approved = hand.objected = False
    draw.asked, draw.state = c.amount, "asked"
    open_again(book, c.draw, 0)
    book.changed()
    decide_at_once(book, c.draw)
    return Said("ok", state="asked")


def cancel(book: Book, who: str, c: Cancel) -> Said:
    draw = _theirs(book, who, c.draw)
    settle(book, c.draw)
    _open(draw, "asked", "looked_at", "promised")
    if draw.state == "promised":
        give_back(book, c.draw, draw.left)
        end(book, draw, "handed_over" if draw.handed else "cancelled")
        drain(book, draw.pot)
    else:
        open_again(book, c.draw, draw.agreed)
        end(book, draw, "cancelled")
    return Said("ok", state=draw.state)


def answer(book: Book, who: str, c: Answer) -> Said:
    draw = _theirs(book, who, c.draw)
    settle(book, c.draw)
    _open(draw, "looked_at")
    book.changed()
    return Said("ok", state=draw.state)


def arrived(book: Book, who: str, c: Arrived) -> Said:
    draw = _theirs(book, who, c.draw)
    settle(book, c.draw)
    _open(draw, "handed_over")
    draw.state = "arrived"
    keep_papers(book, draw)
    book.changed()
    return Said("ok", state=draw.state)


# ---------------------------------------------------------------- the group


def approve(book: Book, who: str, c: Approve) -> Said:
    roles = {role for pot in book.pots.values() for terms in pot.versions for role in terms.all_roles()}
    book.role(who, "steward", *roles)
    draw, mine = _theirs_not(book, who, c.draw)
    unless(not mine.approved, "already_approved")
    _open(draw, "asked", "looked_at")
    unless(draw.agreed_at is None, "draw_not_open")
    amount = c.amount if c.amount is not None else draw.agreed or draw.asked
    unless(1 <= amount <= draw.asked, "amount_out_of_range")
    unless(not draw.agreed or amount == draw.agreed, "policy_refuses")
    book.role(who, *draw.terms.roles(amount))
    others = [hand for name, hand in draw.hands.items() if name != who]
    agreed, draw.agreed = draw.agreed, amount
    if 1 + sum(hand.approved for hand in others) >= max(1, draw.terms.needed(amount)):
        try:
            agree(book, c.draw, objected=any(hand.objected for hand in others))
        except No:
            draw.agreed = agreed
            raise
    draw.hands[who] = mine
    mine.approved, mine.objected = True, False
    if draw.state != "promised":
        draw.state = "looked_at"
    book.changed()
    return Said("ok", state=draw.state)


def decline(book: Book, who: str, c: Decline) -> Said:
    book.role(who, "steward")
    draw, _ = _theirs_not(book, who, c.draw)
    _open(draw, "asked", "looked_at")
    open_again(book, c.draw, draw.agreed)
    end(book, draw, "not_now")
    return Said("ok", state="not_now")


def object_to(book: Book, who: str, c: Object) -> Said:
    book.role(who, "steward")
    draw, mine = _theirs_not(book, who, c.draw)
    _open(draw, "asked", "looked_at")
    unless(draw.terms.consent_hours > 0 and draw.queued_at is None, "policy_refuses")
    unless(mine.objected == c.withdraw, "already_done")
    draw.hands[who] = mine
    mine.objected, mine.approved = not c.withdraw, False
    draw.state = "looked_at"
    count_again(book, c.draw)
    book.changed()
    settle(book, c.draw)
    return Said("ok", state=draw.state)


def ask_back(book: Book, who: str, c: AskBack) -> Said:
    book.role(who, "steward")
    draw, _ = _theirs_not(book, who, c.draw)
    _open(draw, "asked", "looked_at")
    draw.state = "looked_at"
    book.changed()
    return Said("ok", state="looked_at")


def step_aside(book: Book, who: str, c: StepAside) -> Said:
    book.role(who, "steward", "treasurer")
    draw, mine = _theirs_not(book, who, c.draw)
    _open(draw, "asked", "looked_at", "promised")
    unless(draw.waits or not (mine.approved or mine.paid), "already_approved")
    draw.hands[who] = mine
    mine.aside, mine.approved, mine.objected = True, False, False
    if draw.waits:
        count_again(book, c.draw)
    book.changed()
    return Said("ok", state=draw.state)


def hand_over(book: Book, who: str, c: HandOver) -> Said:
    book.role(who, "treasurer")
    draw, mine = _theirs_not(book, who, c.draw)
    terms = draw.terms
    unless(not mine.approved or terms.two_people, "payer_approved")
    _open(draw, "promised")
    unless(book.pots[draw.pot].unit != "minutes", "policy_refuses")
    held = book.place(c.held)
    amount = draw.left if c.amount is None else c.amount
    unless(amount <= draw.left, "more_than_promised")
    day = c.day or book.today
    assert draw.promised_on is not None
    unless(not terms.rhythm or day >= terms.day_to_hand_over(draw.promised_on), "policy_refuses")
    unless(
        not (terms.receipts == "above" and amount > terms.receipts_above and not c.receipt), "policy_refuses"
    )
    unless(not (terms.receipts == "never" and c.receipt), "policy_refuses")
    shared = (f"promised {draw.pot}", f"shared {draw.pot}", amount)
    (number,) = book.write(
        Entry("hand_over", (shared, ("custody EUR", held, amount)), day, draw.category, c.draw)
    )
    draw.hands[who] = mine
    mine.paid = True
    reached(book, c.draw, amount)
    return Said("ok", {"entry": number}, draw.state)


def undo(book: Book, who: str, c: Undo) -> Said:
    hours = book.hours.get(c.entry)
    is_hours = hours is not None
    if hours is None:
        book.role(who, "steward", "treasurer")
    unless(c.draw in book.draws, "unknown_draw")
    draw, wrong = book.draws[c.draw], book.entries.get(c.entry)
    unless(wrong is not None and wrong.draw == c.draw, "unknown_entry")
    assert wrong is not None
    settle(book, c.draw)
    if hours is not None:
        if who not in (hours.giver, hours.logged_by):
            unless("steward" in book.roles[who], "not_your_entry")
            _theirs_not(book, who, c.draw)
    else:
        unless(wrong.kind == "hand_over", "unknown_entry")
        _theirs_not(book, who, c.draw)
    _open(draw, "promised", "handed_over", "arrived")
    held = book.place(c.held) if c.held and not is_hours else ""
    back = mirrored(wrong.moves, held)
    promised = f"promised {draw.pot}"
    amount = sum(n for source, _, n in wrong.moves if source == promised)
    unless(wrong.corrected or amount <= draw.handed, "more_than_handed")
    moves: Moves = back
    if draw.state == "arrived":
        moves += tuple((promised, f"pot {draw.pot}", n) for _, target, n in back if target == promised)
    (number,) = book.write(
        Entry(
            "fulfil_undone" if is_hours else "hand_over_undone",
            moves,
            wrong.day,
            draw.category,
            c.draw,
            c.entry,
            len(back),
        )
    )
    if hours is not None:
        hours.state = "withdrawn"
    draw.handed -= amount
    if draw.state == "arrived":
        draw.released += amount
        draw.state = "arrived" if draw.handed else "released"
        keep_papers(book, draw)
        drain(book, draw.pot)
    else:
        draw.state = "promised"
        date_promise(book, draw)
    return Said("ok", {"entry": number}, draw.state)


def returned(book: Book, who: str, c: Return) -> Said:
    book.role(who, "treasurer")
    draw, _ = _theirs_not(book, who, c.draw)
    _open(draw, "promised", "handed_over", "arrived")
    unless(book.pots[draw.pot].unit != "minutes", "policy_refuses")
    held = book.place(c.held)
    unless(c.amount <= draw.handed, "more_than_handed")
    moves = ((f"shared {draw.pot}", f"pot {draw.pot}", c.amount), (held, "custody EUR", c.amount))
    (number,) = book.write(
        Entry("money_returned", moves, c.day or book.today, draw.category, c.draw, taken_back=2)
    )
    draw.handed -= c.amount
    draw.released += c.amount
    if not draw.handed and not draw.left:
        end(book, draw, "released")
    elif draw.state != "promised":
        keep_papers(book, draw)
    drain(book, draw.pot)
    return Said("ok", {"entry": number}, draw.state)


def release(book: Book, who: str, c: Release) -> Said:
    book.role(who, "steward", "treasurer")
    draw, _ = _theirs_not(book, who, c.draw)
    _open(draw, "promised")
    amount = draw.left if c.amount is None else c.amount
    unless(amount <= draw.left, "more_than_promised")
    give_back(book, c.draw, amount)
    if not draw.left:
        end(book, draw, "handed_over" if draw.handed else "released")
    drain(book, draw.pot)
    return Said("ok", state=draw.state)


# ---------------------------------------------------------------- who, and how much


def promised_hours(book: Book, number: int, giver: str) -> Draw:
    """Return an ask for hours that somebody can answer now."""
    draw = book.draws.get(number)
    unless(draw is not None and book.pots[draw.pot].unit == "minutes", "unknown_draw")
    assert draw is not None
    settle(book, number)
    _open(draw, "promised")
    unless(not draw.hands.get(giver, Hand()).asked, "own_draw")
    return draw


def _theirs(book: Book, who: str, number: int) -> Draw:
    unless(number in book.draws, "unknown_draw")
    draw = book.draws[number]
    if not draw.hands.get(who, Hand()).asked:
        unless(bool(book.roles[who] & {"steward", "treasurer"}), "unknown_draw")
        raise No("not_asker")
    return draw


def _theirs_not(book: Book, who: str, number: int) -> tuple[Draw, Hand]:
    unless(number in book.draws, "unknown_draw")
    draw = book.draws[number]
    settle(book, number)
    mine = draw.hands.get(who) or Hand()
    unless(not mine.asked, "own_draw")
    unless(not mine.aside, "stepped_aside")
    return draw, mine


def _asker(draw: Draw) -> str:
    return next(name for name, hand in draw.hands.items() if hand.theirs)


def _open(draw: Draw, *states: str) -> None:
    unless(draw.state in states, "draw_not_open")


def _check_amount(draw: Draw, amount: int) -> None:
    unless(1 <= amount <= MOST, "amount_out_of_range")
    unless(draw.terms.most is None or amount <= draw.terms.most, "policy_refuses")


def _check_caps(book: Book, draw: Draw, asker: str, amount: int) -> None:
    unless(not draw.terms.pauses(book.net(f"exchange {asker}")), "policy_refuses")
    for cap in draw.terms.caps:
        whose = {asker}
        if cap["per"] == "household" and asker in book.households:
            whose = {n for n, home in book.households.items() if home == book.households[asker]}
        since = first_day(cap, book.today)
        had = [
            (other.agreed or other.asked) if other.waits else other.promised - other.released
            for other in book.draws.values()
            if other is not draw
            and other.pot == draw.pot
            and _asker(other) in whose
            and other.asked_on >= since
        ]
        unless("sum" not in cap or sum(had) + amount <= cap["sum"], "policy_refuses")
        unless("count" not in cap or sum(each > 0 for each in had) + 1 <= cap["count"], "policy_refuses")
