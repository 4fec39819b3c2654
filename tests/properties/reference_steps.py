"""How an ask moves in the second ledger: promised, given back, in a queue, and what time decides about it."""

from __future__ import annotations

from datetime import timedelta

from tests.properties.reference import Book, Draw, Entry, No, unless


def sort_queues(book: Book) -> None:
    """Put what waits in the order in which a new batch finds it: who came in one moment, by the book's id."""
    for code in book.queues:
        waiting = [n for n, draw in book.draws.items() if draw.pot == code and draw.queued_at is not None]
        book.queues[code] = sorted(waiting, key=lambda n: (book.draws[n].queued_at, book.draws[n].tie))


def due_draws(book: Book) -> list[int]:
    """What a look at all asks finds due, in the order in which it is done; what has no moment comes last."""
    dated, others = [], []
    for number, draw in book.draws.items():
        if draw.due_at is None:
            others += [(draw.tie, number)] if _helps_no_more(book, draw) else []
        elif draw.due_at <= book.now or _helps_no_more(book, draw):
            dated.append((draw.due_at, draw.tie, number))
    return [number for *_, number in sorted(dated)] + [number for _, number in sorted(others)]


def settle(book: Book, number: int) -> None:
    """Do what time has decided about an ask."""
    draw = book.draws[number]
    if _helps_no_more(book, draw):
        _expire(book, number)
        return
    if draw.due_at is None or book.now < draw.due_at:
        return
    if draw.waits:
        try:
            _promise_in_turn(book, number)
        except No:
            draw.due_at, draw.state = None, "looked_at"
            _queue_up(book, number)
    elif draw.state == "promised":
        give_back(book, number, draw.left)
        end(book, draw, "handed_over" if draw.handed else "expired")
        drain(book, draw.pot)
    else:
        draw.due_at = None
    book.changed()


def drain(book: Book, pot: str) -> None:
    """Promise what waits for a pot, in order, until it is short."""
    queue = book.queues[pot]
    while queue:
        if _helps_no_more(book, book.draws[queue[0]]):
            _expire(book, queue[0])
            continue
        try:
            _promise(book, queue[0])
        except No:
            return


def _helps_no_more(book: Book, draw: Draw) -> bool:
    return draw.waits and draw.needed_by is not None and draw.needed_by < book.today


def _expire(book: Book, number: int) -> None:
    draw = book.draws[number]
    open_again(book, number, draw.agreed)
    end(book, draw, "expired")


def reached(book: Book, number: int, amount: int) -> None:
    """Count what reached whoever asked."""
    draw = book.draws[number]
    draw.handed += min(amount, draw.left)
    if not draw.left:
        end(book, draw, "handed_over")


# ---------------------------------------------------------------- steps


def decide_at_once(book: Book, number: int) -> None:
    draw = book.draws[number]
    if draw.terms.needed(draw.asked):
        return
    draw.agreed = draw.asked
    try:
        agree(book, number, objected=False)
    except No:
        open_again(book, number, 0)
    else:
        if draw.state == "asked":
            draw.state = "looked_at"


def agree(book: Book, number: int, *, objected: bool) -> None:
    draw = book.draws[number]
    if draw.terms.consent_hours:
        draw.agreed_at = book.now
        _date_window(book, draw, objected=objected)
        return
    try:
        _promise_in_turn(book, number)
    except No:
        if not draw.terms.queues:
            raise
        draw.agreed_at = book.now
        _queue_up(book, number)


def _promise_in_turn(book: Book, number: int) -> None:
    pot = book.draws[number].pot
    drain(book, pot)
    unless(not book.queues[pot], "below_floor")
    _promise(book, number)


def _promise(book: Book, number: int) -> None:
    draw = book.draws[number]
    pot = f"pot {draw.pot}"
    reserve = draw.terms.reserve
    unless(reserve is None or book.net(pot) - draw.agreed >= reserve, "below_floor")
    moves = ((pot, f"promised {draw.pot}", draw.agreed),)
    book.write(Entry("promise", moves, book.today, draw.category, number))
    draw.agreed_at = draw.agreed_at or book.now
    _leave_queue(book, number)
    draw.promised, draw.promised_on, draw.state = draw.agreed, book.today, "promised"
    date_promise(book, draw)


def give_back(book: Book, number: int, amount: int) -> None:
    draw = book.draws[number]
    moves = ((f"promised {draw.pot}", f"pot {draw.pot}", amount),)
    book.write(Entry("release", moves, book.today, draw.category, number))
    draw.released += amount


def end(book: Book, draw: Draw, state: str) -> None:
    draw.state = state
    draw.due_at = book.now + timedelta(days=draw.terms.keep_days)
    book.changed()


def keep_papers(book: Book, draw: Draw) -> None:
    """Have papers wiped on the day that was set, or, where they are gone already, some days from now."""
    draw.due_at = draw.due_at or book.now + timedelta(days=draw.terms.keep_days)


def date_promise(book: Book, draw: Draw) -> None:
    days = draw.terms.promise_days
    draw.due_at = book.now + timedelta(days=days) if days else None


def _date_window(book: Book, draw: Draw, *, objected: bool) -> None:
    hours = timedelta(hours=draw.terms.consent_hours)
    draw.due_at = None if objected or draw.agreed_at is None else draw.agreed_at + hours


def open_again(book: Book, number: int, agreed: int) -> None:
    draw = book.draws[number]
    _leave_queue(book, number)
    draw.agreed, draw.agreed_at, draw.due_at = agreed, None, None


def count_again(book: Book, number: int) -> None:
    """After a yes was taken back: are there still enough; and when does the window end now."""
    draw = book.draws[number]
    count = sum(hand.approved for hand in draw.hands.values())
    needed = draw.terms.needed(draw.agreed)
    if draw.agreed < draw.asked:
        needed = max(1, needed)
    if draw.agreed_at is None or count < needed:
        open_again(book, number, draw.agreed if count else 0)
    elif draw.queued_at is None:
        _date_window(book, draw, objected=draw.objected_to)


def _queue_up(book: Book, number: int) -> None:
    draw = book.draws[number]
    draw.queued_at = book.now
    book.queues[draw.pot].append(number)


def _leave_queue(book: Book, number: int) -> None:
    draw = book.draws[number]
    draw.queued_at = None
    if number in book.queues[draw.pot]:
        book.queues[draw.pot].remove(number)
