"""The books of one group in memory: drafts go in, in order; entries or one refusal come out.

A *chain* is one or more drafts that are accepted or refused together, such as a
correction and the right entry. From the second on, each draft of a chain gets the link
``with``, which names the first, so that the record itself says what was judged as one.

**Which refusal.** The first in this order that applies; 2 to 10 draft by draft, each
number over all transfers of the draft before the next number:

 1. the entry id is in the book: with the same content the answer is ``Replayed``;
    with other content, for a part of the chain only, or twice in it: ``EntryIdReused``
 2. ``MalformedAmount``       an amount is no ``int`` (a ``bool`` is none)
 3. ``AmountOutOfRange``      below 1 or above 10^12
 4. ``SameAccountTwice``      in one transfer
 5. ``UnknownAccount``
 6. ``AccountClosed``         but not for what a correction takes back: a leaver's slip can be mended
 7. ``UnitMismatch``
 8. ``DateInFuture``          later than today
 9. ``DateBeforeBegin``       earlier than the book
10. corrections: ``UnknownEntry``, ``CorrectionOfCorrection``, ``AlreadyCorrected``,
    ``EntryBelongsToDraw``, ``NotAMirror``
11. ``Overflow``              the turnover of an account after the chain is above 2^53 - 1
12. ``BelowFloor``            judged on the chain as a whole, see ``Books._too_low``

Whatever is refused leaves no trace. Parameters are amounts and dates, never whose they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from timebank import errors
from timebank.errors import Refusal
from timebank.ledger.accounts import Account, AccountKind
from timebank.ledger.entries import (
    DECISIONS,
    OF_DRAWS,
    UNDOES,
    Draft,
    Entry,
    EntryKind,
    KnownEntry,
    Replayed,
    Transfer,
)
from timebank.ledger.units import AMOUNT_MAX, MINUTES, TOTAL_MAX, is_money

WITH: Final = "with"
"""Name of the link from every further draft of a chain to the first."""

# Looking a member up on its enum costs as much as three dictionary look-ups; these are hot.
_CUSTODY: Final = AccountKind.CUSTODY
_HELD: Final = AccountKind.HELD
_PROMISED: Final = AccountKind.PROMISED
_CORRECTION: Final = EntryKind.CORRECTION
_HAND_OVER: Final = EntryKind.HAND_OVER

_TICK: Final = timedelta(microseconds=1)
_BACKED: Final = {AccountKind.POT: 1, AccountKind.PROMISED: 1, AccountKind.CUSTODY: -1}


class Books:
    """The part of a group's book that a batch needs, and the one place where it changes.

    Args:
        accounts: Every account that the drafts name, by number, and the pot of each promised
            account among them. The books own them from now on.
        seq: Number of the last record, 0 in an empty book.
        recorded_at: When that was written, aware UTC.
        began_on: First day of the book.
        today: Today in the group's time zone.
        known: By entry id, the entries in the book that have the id of a draft or are
            reversed by one. The books own it too.

    Attributes:
        touched: Numbers of the accounts that changed.
        days: By account and effective day, what was added: debits, credits, reversal debits,
            reversal credits.
    """

    __slots__ = ("accounts", "began_on", "days", "known", "recorded_at", "seq", "today", "touched")

    def __init__(
        self,
        accounts: dict[int, Account],
        seq: int,
        recorded_at: datetime,
        began_on: date,
        today: date,
        known: dict[UUID, KnownEntry] | None = None,
    ) -> None:
        self.accounts = accounts
        self.seq = seq
        self.recorded_at = recorded_at
        self.began_on = began_on
        self.today = today
        self.known = {} if known is None else known
        self.touched: set[int] = set()
        self.days: dict[tuple[int, date], list[int]] = {}

    def post(self, drafts: Sequence[Draft], now: datetime) -> tuple[Entry, ...] | Replayed | Refusal:
        """Accept a chain of drafts as a whole, or refuse it as a whole.

        Args:
            drafts: One or more, in the order in which they take effect.
            now: The clock, aware UTC; entries are stamped later than all before even if it is not.

        Returns:
            One entry for each draft; or ``Replayed`` if all of them are in the book already;
            or the first refusal in the order above.
        """
        assert drafts
        if len(drafts) > 1:
            drafts = chained(drafts)
            if len({draft.entry_id for draft in drafts}) < len(drafts):
                return errors.EntryIdReused()
        for draft in drafts:
            if draft.entry_id in self.known:
                return self._replay(drafts)

        before = self.seq, self.recorded_at
        entries: list[Entry] = []
        for draft in drafts:
            flaw = self._flaw(draft)
            if flaw is not None:
                break
            entries.append(self._apply(draft, now))
        else:
            flaw = self._too_much(entries) or self._too_low(entries)
        if flaw is not None:
            self._take_back(entries)
            self.seq, self.recorded_at = before
            return flaw

        self._count(entries)
        return tuple(entries)

    def next_record(self, now: datetime) -> tuple[int, datetime]:
        """Take the next number and moment for a record that moves nothing."""
        self.seq += 1
        earliest = self.recorded_at + _TICK
        self.recorded_at = max(now, earliest)
        return self.seq, self.recorded_at

    def refuses_day(self, day: date) -> Refusal | None:
        """Say whether nothing could be dated to this day, for what is only written down later."""
        return self._date_flaw(day)

    # ------------------------------------------------------------ one draft

    def _replay(self, drafts: Sequence[Draft]) -> Replayed | Refusal:
        found = [self.known.get(draft.entry_id) for draft in drafts]
        same = [entry for entry, draft in zip(found, drafts, strict=True) if entry and entry.draft == draft]
        if len(same) == len(drafts):
            return Replayed(tuple(same))
        return errors.EntryIdReused()

    def _flaw(self, draft: Draft) -> Refusal | None:
        # The common case in one pass; only if it finds something does _first_flaw look for
        # what comes first in the order of precedence.
        accounts = self.accounts
        assert draft.transfers, draft
        for unit, debit, credit, amount in draft.transfers:
            source = accounts.get(debit)
            target = accounts.get(credit)
            if (
                type(amount) is not int
                or not 0 < amount <= AMOUNT_MAX
                or source is None
                or target is None
                or source is target
                or source.closed
                or target.closed
                or source.unit != unit
                or target.unit != unit
            ):
                flaw = self._first_flaw(draft)
                if flaw is not None:
                    return flaw
                # All that was unusual is a closed account that a correction takes back from.
                break
        if not self.began_on <= draft.effective_on <= self.today:
            return self._first_flaw(draft)
        if draft.reverses is not None:
            flaw = self._not_correctable(draft)
            if flaw is not None:
                return flaw
        else:
            assert draft.kind is not _CORRECTION, draft
        # Time is held nowhere; for all else one look more is worth its price.
        assert unit == MINUTES or self._stays_backed(draft.transfers), draft
        return None

    def _first_flaw(self, draft: Draft) -> Refusal | None:
        amounts = [transfer.amount for transfer in draft.transfers]
        if any(type(amount) is not int for amount in amounts):
            return errors.MalformedAmount()
        for amount in amounts:
            if not 1 <= amount <= AMOUNT_MAX:
                return errors.AmountOutOfRange(amount=amount, amount_max=AMOUNT_MAX)
        return self._accounts_flaw(draft) or self._date_flaw(draft.effective_on)

    def _accounts_flaw(self, draft: Draft) -> Refusal | None:
        if any(transfer.debit == transfer.credit for transfer in draft.transfers):
            return errors.SameAccountTwice()
        sides = [
            (t.unit, self.accounts.get(number)) for t in draft.transfers for number in (t.debit, t.credit)
        ]
        if any(account is None for _, account in sides):
            return errors.UnknownAccount()
        if self._moves_closed(draft):
            return errors.AccountClosed()
        for unit, account in sides:
            if account and account.unit != unit:
                return errors.UnitMismatch(unit=unit, account_unit=account.unit)
        return None

    def _moves_closed(self, draft: Draft) -> bool:
        # A correction takes back what is there, closed or not; but only that, and only where it was.
        original = None if draft.reverses is None else self.known.get(draft.reverses)
        then = () if original is None else original.draft.transfers
        mended = {number for transfer in then for number in (transfer.debit, transfer.credit)}
        return any(
            self.accounts[number].closed and (place >= draft.reversal_legs or number not in mended)
            for place, transfer in enumerate(draft.transfers)
            for number in (transfer.debit, transfer.credit)
        )

    def _date_flaw(self, day: date) -> Refusal | None:
        if day > self.today:
            return errors.DateInFuture(effective_on=day.isoformat(), today=self.today.isoformat())
        if day < self.began_on:
            return errors.DateBeforeBegin(effective_on=day.isoformat(), began_on=self.began_on.isoformat())
        return None

    def _not_correctable(self, draft: Draft) -> Refusal | None:
        assert draft.reverses is not None
        original = self.known.get(draft.reverses)
        if original is None:
            return errors.UnknownEntry()
        if original.draft.reverses is not None:
            return errors.CorrectionOfCorrection()
        if original.corrected:
            return errors.AlreadyCorrected()
        if draft.kind not in OF_DRAWS and _belongs_to_draw(original.draft):
            return errors.EntryBelongsToDraw()
        if not self._is_mirror(draft, original.draft):
            return errors.NotAMirror()
        return None

    def _is_mirror(self, draft: Draft, original: Draft) -> bool:
        back = draft.transfers[: draft.reversal_legs]
        return (
            len(back) == len(original.transfers)
            and all(self._takes_back(now, then) for now, then in zip(back, original.transfers, strict=True))
            and self._fits_its_kind(draft, original)
        )

    def _fits_its_kind(self, draft: Draft, original: Draft) -> bool:
        rest = draft.transfers[draft.reversal_legs :]
        if draft.kind is _CORRECTION:
            # The mirror and nothing else; the right entry is a draft of its own.
            return not rest
        return (
            UNDOES.get(draft.kind) is original.kind
            and original.draw_id == draft.draw_id
            and all(self._is_release(transfer, draft.transfers[: draft.reversal_legs]) for transfer in rest)
        )

    def _takes_back(self, now: Transfer, then: Transfer) -> bool:
        return (
            now.unit == then.unit
            and now.amount == then.amount
            and (now.debit == then.credit or self._held_instead(now.debit, then.credit, now.credit))
            and (now.credit == then.debit or self._held_instead(now.credit, then.debit, now.debit))
        )

    def _held_instead(self, now_id: int, then_id: int, beside_id: int) -> bool:
        # The place of then may be gone from the books in memory; but only a held place ever
        # stood against custody, so that tells as much.
        if self.accounts[now_id].kind is not _HELD:
            return False
        then = self.accounts.get(then_id)
        if then is None:
            return self.accounts[beside_id].kind is _CUSTODY
        return then.kind is _HELD

    def _is_release(self, transfer: Transfer, back: Sequence[Transfer]) -> bool:
        # Only what was just promised again, and only to the promise's own pot.
        promised = self.accounts[transfer.debit]
        return (
            promised.kind is _PROMISED
            and transfer.credit == promised.pot_account
            and any(t.credit == transfer.debit and t.amount == transfer.amount for t in back)
        )

    def _apply(self, draft: Draft, now: datetime) -> Entry:
        accounts = self.accounts
        transfers = draft.transfers
        if len(transfers) == 1:
            _, debit, credit, amount = transfers[0]
            source = accounts[debit]
            target = accounts[credit]
            source.debits += amount
            target.credits += amount
            balances: tuple[tuple[int, int], ...] = (
                (source.credits - source.debits, target.credits - target.debits),
            )
        else:
            running = []
            for _, debit, credit, amount in transfers:
                source = accounts[debit]
                target = accounts[credit]
                source.debits += amount
                target.credits += amount
                running.append((source.credits - source.debits, target.credits - target.debits))
            balances = tuple(running)
        if draft.reversal_legs:
            assert 0 < draft.reversal_legs <= len(transfers), draft
            for _, debit, credit, amount in transfers[: draft.reversal_legs]:
                accounts[debit].reversal_debits += amount
                accounts[credit].reversal_credits += amount
        reverses_seq = None
        if draft.reverses is not None:
            original = self.known[draft.reverses]
            reverses_seq = original.seq
            self.known[draft.reverses] = original._replace(corrected=True)

        self.seq = seq = self.seq + 1
        earliest = self.recorded_at + _TICK
        self.recorded_at = stamp = max(now, earliest)
        self.known[draft.entry_id] = KnownEntry(seq, draft, False)
        return Entry(seq, draft, stamp, balances, reverses_seq)

    def _stays_backed(self, transfers: Sequence[Transfer]) -> bool:
        # Whatever pots and promises gain in money, custody must gain too; what custody gains,
        # the held places gain because custody stands against nothing else.
        gap = 0
        for unit, debit, credit, amount in transfers:
            if is_money(unit):
                source, target = self.accounts[debit].kind, self.accounts[credit].kind
                gap += amount * (_BACKED.get(target, 0) - _BACKED.get(source, 0))
                if (_HELD in (source, target)) and not {source, target} <= {
                    _HELD,
                    _CUSTODY,
                }:
                    return False
        return gap == 0

    # ------------------------------------------------------------ the chain as a whole

    def _too_much(self, entries: Sequence[Entry]) -> Refusal | None:
        accounts = self.accounts
        for entry in entries:
            for _, debit, credit, _ in entry.draft.transfers:
                if accounts[debit].debits > TOTAL_MAX or accounts[credit].credits > TOTAL_MAX:
                    return errors.Overflow()
        return None

    def _too_low(self, entries: Sequence[Entry]) -> Refusal | None:
        """Find what the chain leaves too low.

        - A held place or a promised account is below zero, and lower than before the chain.
        - An account that a *decision* of the chain takes from is below its floor, and lower
          than before the chain.
        - After a hand-over of money, a pot and its promises together are below zero, so that
          one pot's loss would be paid with another's money in the same cash box.

        The first transfer with one of these is the one that is told; ``available`` is what
        there was to take before the chain, ``asked`` what the chain takes.
        """
        accounts = self.accounts
        for entry in entries:
            draft = entry.draft
            kind = draft.kind
            decision = kind in DECISIONS
            for unit, debit, credit, _ in draft.transfers:
                source = accounts[debit]
                floor = source.floor
                if (
                    floor is not None
                    and source.credits - source.debits < floor
                    and (decision or source.kind is _PROMISED)
                    and source.kind is not _HELD
                ):
                    lost = self._lost(entries, debit)
                    if lost > 0:
                        return _below(source.kind, source.net + lost - floor, lost)
                target = accounts[credit]
                if target.kind is _HELD and target.debits < target.credits:
                    lost = -self._lost(entries, credit)
                    if lost > 0:
                        return _below(target.kind, target.balance + lost, lost)
                if kind is _HAND_OVER and source.kind is _PROMISED and is_money(unit):
                    own = accounts[source.pot_account].net + source.net
                    if own < 0:
                        lost = self._lost(entries, source.pot_account) + self._lost(entries, debit)
                        return _below(AccountKind.POT, own + lost, lost)
        return None

    def _lost(self, entries: Sequence[Entry], account_id: int) -> int:
        # How much lower credits - debits of an account are than before the chain.
        return sum(
            (transfer.debit == account_id) * transfer.amount
            - (transfer.credit == account_id) * transfer.amount
            for entry in entries
            for transfer in entry.draft.transfers
        )

    def _take_back(self, entries: Sequence[Entry]) -> None:
        accounts = self.accounts
        for entry in reversed(entries):
            draft = entry.draft
            for _, debit, credit, amount in draft.transfers:
                accounts[debit].debits -= amount
                accounts[credit].credits -= amount
            for _, debit, credit, amount in draft.transfers[: draft.reversal_legs]:
                accounts[debit].reversal_debits -= amount
                accounts[credit].reversal_credits -= amount
            if draft.reverses is not None:
                self.known[draft.reverses] = self.known[draft.reverses]._replace(corrected=False)
            del self.known[draft.entry_id]

    def _count(self, entries: Sequence[Entry]) -> None:
        days = self.days
        touched = self.touched
        for entry in entries:
            draft = entry.draft
            day = draft.effective_on
            legs = draft.reversal_legs
            for _, debit, credit, amount in draft.transfers:
                touched.add(debit)
                touched.add(credit)
                source = days.get((debit, day))
                if source is None:
                    days[debit, day] = source = [0, 0, 0, 0]
                target = days.get((credit, day))
                if target is None:
                    days[credit, day] = target = [0, 0, 0, 0]
                source[0] += amount
                target[1] += amount
                if legs > 0:
                    source[2] += amount
                    target[3] += amount
                    legs -= 1


def chained(drafts: Sequence[Draft]) -> list[Draft]:
    """Return the drafts with the link ``with`` from every further one to the first."""
    first = (WITH, str(drafts[0].entry_id))
    return [drafts[0]] + [
        draft if first in draft.links else draft._replace(links=tuple(sorted((*draft.links, first))))
        for draft in drafts[1:]
    ]


def _belongs_to_draw(draft: Draft) -> bool:
    return draft.draw_id is not None or draft.kind in OF_DRAWS


def _below(kind: AccountKind, available: int, asked: int) -> Refusal:
    return errors.BelowFloor(account=str(kind), available=max(0, available), asked=asked)
