"""Books written as a table: on the left what happens, on the right every balance that is not zero after it.

    m1: money ada.eur food cash 100    | ada.eur -100  food 100  cash 100  custody 100
        promise food 120 d1            | ! below_floor account=pot available=100 asked=120

A line without a right side is setting the stage; ``nothing`` says that every account is at zero. A refusal must leave every account as it was.
Parts joined by ``+`` are one chain. A label in front names an entry for ``correct``.

    give GIVER POT N            help given to the pot
    answer GIVER POT N          help to someone, the pot answering
    exchange GIVER RECEIVER N   time bank; the accounts are ada.x, bo.x
    promise POT N DRAW          release POT N DRAW          close DRAW
    fulfil GIVER POT N DRAW [beyond]
    hand POT PLACE N DRAW       undo LABEL [PLACE=PLACE]    return POT PLACE N DRAW
    money GIVER POT PLACE N     out POT PLACE N
    carry PLACE PLACE N         move POT POT N
    missing POT PLACE N         found POT PLACE N
    open pot POT N              open money POT PLACE N
    open gave ACCOUNT N         open received ACCOUNT N
    correct LABEL [PLACE=PLACE] mirrors an entry; PLACE=PLACE says where its money is now
"""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from timebank.errors import Refusal
from timebank.ledger import posting
from timebank.ledger.accounts import Account
from timebank.ledger.books import Books
from timebank.ledger.canonical import entry_record
from timebank.ledger.checks import (
    AccountRow,
    DayRow,
    EntryRow,
    Finding,
    HeadRow,
    RecordRow,
    TransferRow,
    check_book,
)
from timebank.ledger.entries import Draft, Entry, EntryKind, KnownEntry, Transfer
from timebank.ledger.tree import Frontier, commitment, leaf_hash

BEGAN_ON = date(2026, 1, 1)
TODAY = date(2026, 3, 1)
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BOOK_ID = bytes(range(16))

# Two pots of hours, two of euros, two places for euros and one for pounds; Ada gives, Bo helps, Cy stands by.
CAST = """
    minutes  member      ada bo cy
    minutes  exchange    ada.x bo.x
    minutes  outside     outside
    minutes  opening     opening
    EUR      member      ada.eur bo.eur
    EUR      outside     outside.eur
    EUR      opening     opening.eur
    EUR      adjustment  adjustment
    EUR      custody     custody
    EUR      held        cash bank
    GBP      held        tin
    GBP      custody     custody.gbp
"""
POTS = {"pot": "minutes", "garden": "minutes", "food": "EUR", "rent": "EUR"}


def uuid(number: int) -> UUID:
    """Return a different UUID for each number, always the same."""
    return UUID(bytes=hashlib.sha256(b"id %d" % number).digest()[:16])


def cast() -> dict[str, Account]:
    """Return the accounts of the stage by name, all empty."""
    accounts: dict[str, Account] = {}

    def add(name: str, kind: str, unit: str, pot: int = 0, floor: int | None = None) -> None:
        number = 101 + len(accounts)
        accounts[name] = Account(
            number, kind, unit, pot_account=pot and (pot if pot > 0 else number), floor=floor
        )

    for line in CAST.split("\n"):
        if line.strip():
            unit, kind, *names = line.split()
            for name in names:
                add(name, kind, unit)
    for name, unit in POTS.items():
        add(name, "pot", unit, pot=-1, floor=None if unit == "minutes" else 0)
        pot = accounts[name].account_id
        add(f"{name}.promised", "promised", unit, pot)
        add(f"{name}.shared", "shared", unit, pot)
    return accounts


class Stage:
    """Books in which things happen line by line; everything accepted is kept as rows too."""

    def __init__(self) -> None:
        self.names = cast()
        self.accounts = {account.account_id: account for account in self.names.values()}
        self.books = Books(self.accounts, 0, NOW, BEGAN_ON, TODAY, {})
        self.labels: dict[str, KnownEntry] = {}
        self.draws: dict[str, int] = {}
        self.left: Counter[str] = Counter()
        self.closed: set[str] = set()
        self.entries: list[Entry] = []
        self.ids = 0

    # ---------------------------------------------------------------- reading

    def play(self, table: str) -> None:
        """Let everything in the table happen, and compare what is on the right."""
        for line in table.split("\n"):
            text, _, expected = (part.strip() for part in line.partition("|"))
            if not text or text.startswith("#"):
                continue
            if expected.startswith("!"):
                self._refused(line, text, expected[1:].split())
                continue
            self.happen(text)
            if expected:
                words = [] if expected == "nothing" else expected.split()
                wanted = {name: int(number) for name, number in zip(words[::2], words[1::2], strict=True)}
                assert self.balances() == wanted, line

    def happen(self, text: str) -> tuple[Entry, ...]:
        """Let one line happen, which must be accepted."""
        result = self.post(text)
        assert isinstance(result, tuple), (text, result)
        return result

    def refused(self, text: str) -> Refusal:
        """Try one line, which must be refused and must leave no trace."""
        before = self.everything()
        result = self.post(text)
        assert isinstance(result, Refusal), (text, result)
        assert self.everything() == before, text
        return result

    def _refused(self, line: str, text: str, words: list[str]) -> None:
        refusal = self.refused(text)
        assert refusal.code == words[0], line
        params = dict(word.split("=") for word in words[1:])
        assert {name: str(value) for name, value in refusal.params.items()} == params, line

    def post(self, text: str) -> object:
        """Post one line: a chain of one part or more."""
        drafts, labels, then = [], [], []
        for part in text.split(" + "):
            label, colon, rest = part.rpartition(": ")
            draft, after = self.draft(rest.split())
            if draft is None:
                return ()
            drafts.append(draft)
            labels.append(label if colon else "")
            then.append(after)
        result = self.books.post(drafts, NOW)
        if (
            isinstance(result, tuple)
            and not isinstance(result, Refusal)
            and all(isinstance(e, Entry) for e in result)
        ):
            self.entries.extend(result)
            for entry, label, (draw, more) in zip(result, labels, then, strict=True):
                self.left[draw] += more
                if label:
                    self.labels[label] = KnownEntry(entry.seq, entry.draft, False)
        return result

    # ---------------------------------------------------------------- drafting

    def number(self, name: str) -> int:
        return self.names[name].account_id

    def draft(self, words: list[str]) -> tuple[Draft | None, tuple[str, int]]:
        """Return what a line proposes, and by how much its draw is promised more if it is accepted."""
        verb, *args = words
        return getattr(self, f"_{verb}")(*args)

    def make(self, kind: EntryKind, transfers: tuple[Transfer, ...], draw: str = "", **more: object) -> Draft:
        """Return a draft with a fresh id, on the first of March."""
        self.ids += 1
        if draw:
            self.draws.setdefault(draw, 900_000 + len(self.draws))
        draft = Draft(uuid(self.ids), kind, "test", transfers, TODAY, self.number("ada"))
        return draft._replace(draw_id=uuid(self.draws[draw]) if draw else None, **more)

    def _simple(self, kind, transfers, draw="", left=0, **more):  # type: ignore[no-untyped-def]
        return self.make(kind, transfers, draw, **more), (draw, left)

    def _give(self, giver: str, pot: str, n: str):
        return self._simple(
            EntryKind.HELP_GIVEN, posting.help_given(self.number(giver), self.number(pot), int(n))
        )

    def _answer(self, giver: str, pot: str, n: str):
        shared = self.number(f"{pot}.shared")
        transfers = posting.help_answered(self.number(giver), self.number(pot), shared, int(n))
        return self._simple(EntryKind.HELP_ANSWERED, transfers)

    def _exchange(self, giver: str, receiver: str, n: str):
        transfers = posting.help_exchanged(self.number(giver), self.number(receiver), int(n))
        return self._simple(EntryKind.HELP_EXCHANGED, transfers)

    def _promise(self, pot: str, n: str, draw: str):
        transfers = posting.promise(POTS[pot], self.number(pot), self.number(f"{pot}.promised"), int(n))
        return self._simple(EntryKind.PROMISE, transfers, draw, int(n))

    def _release(self, pot: str, n: str, draw: str):
        transfers = posting.release(POTS[pot], self.number(f"{pot}.promised"), self.number(pot), int(n))
        return self._simple(EntryKind.RELEASE, transfers, draw, -int(n))

    def _close(self, draw: str):
        self.closed.add(draw)
        return None, ("", 0)

    def _fulfil(self, giver: str, pot: str, n: str, draw: str, beyond: str = ""):
        left = self.left[draw]
        transfers = posting.fulfil(
            self.number(giver),
            self.number(pot),
            self.number(f"{pot}.promised"),
            self.number(f"{pot}.shared"),
            int(n),
            left=left,
            beyond_shared=beyond == "beyond",
        )
        return self._simple(EntryKind.FULFIL, transfers, draw, -min(left, int(n)))

    def _hand(self, pot: str, place: str, n: str, draw: str):
        transfers = posting.hand_over(
            POTS[pot],
            self.number(f"{pot}.promised"),
            self.number(f"{pot}.shared"),
            self.number("custody"),
            self.number(place),
            int(n),
        )
        return self._simple(EntryKind.HAND_OVER, transfers, draw, -int(n))

    def _undo(self, label: str, *instead: str):
        then = self.labels[label].draft
        draw = next(name for name, number in self.draws.items() if uuid(number) == then.draw_id)
        promised = next(a for t in then.transfers if (a := self.accounts[t.debit]).kind == "promised")
        draw_open = draw not in self.closed
        if then.kind is EntryKind.HAND_OVER:
            kind = EntryKind.HAND_OVER_UNDONE
            transfers = posting.hand_over_undone(
                then.transfers,
                promised.account_id,
                promised.pot_account,
                draw_open=draw_open,
                held_instead=self._instead(instead),
            )
        else:
            kind = EntryKind.FULFIL_UNDONE
            transfers = posting.fulfil_undone(
                then.transfers, promised.account_id, promised.pot_account, draw_open=draw_open
            )
        again = sum(t.amount for t in then.transfers if t.debit == promised.account_id) if draw_open else 0
        return self._simple(
            kind, transfers, draw, again, reverses=then.entry_id, reversal_legs=len(then.transfers)
        )

    def _return(self, pot: str, place: str, n: str, draw: str):
        transfers = posting.money_returned(
            POTS[pot],
            self.number(f"{pot}.shared"),
            self.number(pot),
            self.number(place),
            self.number("custody"),
            int(n),
        )
        return self._simple(EntryKind.MONEY_RETURNED, transfers, draw, reversal_legs=2)

    def _money(self, giver: str, pot: str, place: str, n: str):
        transfers = posting.money_in(
            POTS[pot],
            self.number(giver),
            self.number(pot),
            self.number(place),
            self.number("custody"),
            int(n),
        )
        return self._simple(EntryKind.MONEY_IN, transfers)

    def _out(self, pot: str, place: str, n: str):
        outside, custody = self.number("outside.eur"), self.number("custody")
        transfers = posting.money_out(
            POTS[pot], self.number(pot), outside, custody, self.number(place), int(n)
        )
        return self._simple(EntryKind.MONEY_OUT, transfers)

    def _carry(self, source: str, target: str, n: str):
        unit = self.names[source].unit
        return self._simple(
            EntryKind.HELD_MOVE, posting.held_move(unit, self.number(source), self.number(target), int(n))
        )

    def _move(self, source: str, target: str, n: str):
        transfers = posting.pot_move(POTS[source], self.number(source), self.number(target), int(n))
        return self._simple(EntryKind.POT_MOVE, transfers)

    def _missing(self, pot: str, place: str, n: str):
        adjustment, custody = self.number("adjustment"), self.number("custody")
        return self._simple(
            EntryKind.COUNTED_MISSING,
            posting.counted_missing(
                POTS[pot], self.number(pot), adjustment, custody, self.number(place), int(n)
            ),
        )

    def _found(self, pot: str, place: str, n: str):
        adjustment, custody = self.number("adjustment"), self.number("custody")
        return self._simple(
            EntryKind.COUNTED_FOUND,
            posting.counted_found(
                POTS[pot], adjustment, self.number(pot), self.number(place), custody, int(n)
            ),
        )

    def _open(self, what: str, *args: str):
        n = int(args[-1])
        opening, opening_eur = self.number("opening"), self.number("opening.eur")
        at = self.number(args[0])
        if what == "pot":
            transfers = posting.opening_hours(opening, at, n)
        elif what == "gave":
            transfers = posting.opening_exchange_given(at, opening, n)
        elif what == "received":
            transfers = posting.opening_exchange_received(opening, at, n)
        else:
            place, custody = self.number(args[1]), self.number("custody")
            transfers = posting.opening_money("EUR", opening_eur, at, place, custody, n)
        return self._simple(EntryKind.OPENING, transfers)

    def _correct(self, label: str, *instead: str):
        then = self.labels[label].draft
        transfers = posting.mirror(then.transfers, held_instead=self._instead(instead))
        return self._simple(
            EntryKind.CORRECTION, transfers, reverses=then.entry_id, reversal_legs=len(transfers)
        )

    def _instead(self, instead: tuple[str, ...]) -> dict[int, int]:
        return {self.number(was): self.number(now) for was, now in (pair.split("=") for pair in instead)}

    # ---------------------------------------------------------------- looking

    def balances(self) -> dict[str, int]:
        """Return every balance that is not zero, by name."""
        return {name: account.balance for name, account in self.names.items() if account.balance}

    def everything(self) -> object:
        """Return all that a refusal must leave alone."""
        slots = [[getattr(a, slot) for slot in Account.__slots__] for a in self.accounts.values()]
        books = self.books
        return slots, books.seq, books.recorded_at, dict(books.known), set(books.touched), repr(books.days)

    def rows(self) -> Rows:
        """Return the book as its tables would have it."""
        return Rows(self.entries, self.books)

    def findings(self) -> list[Finding]:
        """Let the whole-book checks look at the book."""
        return self.rows().check()


class Rows:
    """A book as tables, so that tests can check it, and change a row to see that it is noticed."""

    def __init__(self, entries: list[Entry], books: Books) -> None:
        self.records: list[RecordRow] = []
        self.entries: list[EntryRow] = []
        self.transfers: list[TransferRow] = []
        frontier = Frontier()
        for entry in entries:
            draft = entry.draft
            record = entry_record(entry)
            salt = hashlib.sha256(b"salt %d" % entry.seq).digest()
            committed = commitment(BOOK_ID, salt, record)
            frontier.append(leaf_hash(committed))
            self.records.append(RecordRow(entry.seq, str(draft.kind), record, salt, committed))
            self.entries.append(
                EntryRow(
                    entry.seq,
                    draft.entry_id,
                    str(draft.kind),
                    draft.source,
                    draft.effective_on,
                    entry.recorded_at,
                    draft.category,
                    draft.draw_id,
                    entry.reverses_seq,
                )
            )
            for leg, (transfer, balances) in enumerate(zip(draft.transfers, entry.balances, strict=True)):
                self.transfers.append(
                    TransferRow(entry.seq, leg, transfer.debit, transfer.credit, transfer.amount, *balances)
                )
        self.head = HeadRow(BOOK_ID, books.seq, frontier.to_bytes(), books.recorded_at)
        self.accounts = [
            AccountRow(
                a.account_id,
                str(a.kind),
                a.unit,
                a.pot_account,
                a.floor,
                a.debits,
                a.credits,
                a.reversal_debits,
                a.reversal_credits,
            )
            for a in books.accounts.values()
        ]
        self.days = [DayRow(account, day, *sums) for (account, day), sums in books.days.items()]

    def check(self) -> list[Finding]:
        """Let the whole-book checks look at these rows, and again with only what must be remembered."""
        rows = (self.head, self.accounts, self.records, self.entries, self.transfers, self.days)
        corrected = {entry.reverses_seq for entry in self.entries if entry.reverses_seq is not None}
        found = check_book(*rows, corrected=corrected)
        assert found == check_book(*rows)
        return found

    def seal(self, seq: int, record: bytes) -> None:
        """Put another record in, with commitment and tree to match: what somebody with the host could do."""
        row = self.records[seq - 1]
        self.records[seq - 1] = row._replace(record=record, commitment=commitment(BOOK_ID, row.salt, record))
        frontier = Frontier()
        for row in self.records:
            frontier.append(leaf_hash(row.commitment))
        self.head = self.head._replace(frontier=frontier.to_bytes())


def played(table: str) -> Stage:
    """Play a table, have the finished book checked, and return the stage."""
    stage = Stage()
    stage.play(table)
    assert stage.findings() == []
    return stage


def moments() -> list[datetime]:
    """Return five moments, a second apart."""
    return [NOW + timedelta(seconds=second) for second in range(5)]
