"""Open Collective: its transactions as "Legacy Platform Default (Pre-2024)", 27 columns.

Source: ``examples/csv/other/opencollective`` in simonmichael/hledger, whose README and
``opencollective-legacy.rules`` have the header, lines of every era and what was found wrong in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from timebank.errors import (
    N_,
    AmountOutOfRange,
    AmountUnreadable,
    DirectionUnreadable,
    FieldEmpty,
    ReferenceTwice,
    Refusal,
)
from timebank.formats.cells import REFERENCE_MAX, Cell, Lines, once, readable
from timebank.formats.columns import Column, Layout, Match
from timebank.ledger.units import AMOUNT_MAX
from timebank.rules.sheets import Item, MoneyLine, Passed, ReadOptions
from timebank.rules.written import read_amount

NOTHING_MOVES: Final = N_("no money moves in it")

CREDIT: Final = "CREDIT"
DEBIT: Final = "DEBIT"
HELD: Final = "platform"

#: What is taken from an amount: the end of its reference, and its note.
PROCESSOR: Final = ("-processor-fee", "Payment processor fee")
HOST: Final = ("-host-fee", "Host fee")
TAX: Final = ("-tax", "Tax")

_ZERO: Final = re.compile(r"-?0+(?:\.0+)?")


class Signed(Cell[int]):
    """An amount in the line's currency that may be zero, empty or below zero."""

    def __init__(
        self, name: str, place: int, currency: Cell[str], options: ReadOptions, *, needed: bool
    ) -> None:
        super().__init__(name, place, lambda _: 0)
        self._currency = currency
        self._needed = needed
        self._digits = options.digits
        self._decimal = options.decimal or "."

    def of(self, cells: Sequence[str]) -> int:
        """Return smallest coins, below zero too."""
        currency = self._currency.of(cells)
        return self._read(cells[self.place], currency, self._digits[currency])

    def refusal(self, cells: Sequence[str]) -> Refusal | None:
        """Return what is wrong with the amount; without its currency only what is wrong in any."""
        if readable(cells, self._currency):
            return super().refusal(cells)
        try:
            self._read(cells[self.place], "", 2)
        except (FieldEmpty, AmountUnreadable) as refusal:
            return refusal
        except Refusal:
            return None
        return None

    def _read(self, text: str, currency: str, digits: int) -> int:
        if (not text and not self._needed) or _ZERO.fullmatch(text):
            return 0
        unsigned = text.removeprefix("-")
        amount = read_amount(unsigned, digits=digits, decimal=self._decimal, symbols=(currency,))
        return amount if unsigned == text else -amount


class _Transactions(Lines):
    """The balance of the collective changes by each line's net amount; what lies between it and the amount is fees.

    Until June 2021 the fee of the host is in no line and no column, only in that difference. Later
    it is a line of its own. Reading the difference is right in both.
    """

    def __init__(self, match: Match, options: ReadOptions) -> None:
        super().__init__(match, options)
        self._day = self.stamp("datetime")
        self._id = self.words("shortId", length_max=REFERENCE_MAX, empty=False, remember=False)
        self._description = self.note("description")
        self._incoming = self.column("type", _incoming, missing=True)
        self._currency = self.currency("currency")
        self._amount = self._signed("amount", needed=True)
        self._processor_fee = self._signed("paymentProcessorFee")
        self._net = self._signed("netAmount", needed=True)
        self._tax = self._signed("taxAmount")
        self._sums = (self._amount, self._processor_fee, self._tax, self._net)
        self._first_with: dict[str, int] = {}

    def read(self, line: int, cells: Sequence[str]) -> tuple[Item, ...]:
        day, reference, note = self._day.of(cells), self._id.of(cells), self._description.of(cells)
        currency = self._currency.of(cells)
        amount = self._amount.of(cells)
        # Only whether it can be read matters: the sign of the amount says the same.
        self._incoming.of(cells)
        for _, refusal in self.across(line, cells):
            raise refusal

        def moved(change: int, end: str, text: str) -> MoneyLine:
            return MoneyLine(line, day, change > 0, "", abs(change), currency, HELD, reference + end, text)

        fee, tax = self._processor_fee.of(cells), self._tax.of(cells)
        changes = (
            (amount, "", note),
            (fee, *PROCESSOR),
            (tax, *TAX),
            (self._rest(cells), *HOST),
        )
        lines = tuple(moved(*change) for change in changes if change[0])
        return lines or (Passed(line, NOTHING_MOVES),)

    def across(self, line: int, cells: Sequence[str]) -> Iterator[tuple[Cell[Any], Refusal]]:
        if readable(cells, self._incoming, self._amount):
            amount = self._amount.of(cells)
            if amount and (amount > 0) != self._incoming.of(cells):
                yield self._incoming, DirectionUnreadable()
        if readable(cells, *self._sums):
            rest = self._rest(cells)
            if abs(rest) > AMOUNT_MAX:
                yield self._net, AmountOutOfRange(amount=rest, amount_max=AMOUNT_MAX)
        if readable(cells, self._id):
            try:
                once(self._first_with, self._id.of(cells), line)
            except ReferenceTwice as refusal:
                yield self._id, refusal

    def _rest(self, cells: Sequence[str]) -> int:
        """Return how the balance changed beside the amount, the payment processor's fee and the tax."""
        amount, fee, tax, net = (cell.of(cells) for cell in self._sums)
        return net - amount - fee - tax

    def _signed(self, name: str, *, needed: bool = False) -> Signed:
        cell = Signed(name, self._match.places[name], self._currency, self.options, needed=needed)
        self.add(cell)
        return cell


def _incoming(text: str) -> bool:
    written = text.upper()
    if not written:
        raise FieldEmpty
    if written not in {CREDIT, DEBIT}:
        raise DirectionUnreadable
    return written == CREDIT


def _columns() -> Iterator[Column]:
    not_taken = N_("Not taken over.")
    read = {
        "datetime": N_("When it happened."),
        "shortId": N_("Its number; it becomes the reference."),
        "description": N_("What it was about; it becomes the note."),
        "type": N_("Whether it came in (CREDIT) or went out (DEBIT)."),
        "amount": N_("What was given or handed over, before fees."),
        "paymentProcessorFee": N_("What the payment processor took."),
        "netAmount": N_("By how much the balance changed."),
        "currency": N_("The currency."),
        "taxAmount": N_("What was taken as tax."),
    }
    for name in NAMES:
        yield Column(name, read.get(name, not_taken), needed=True, blank=name not in read)


NAMES: Final = (
    "datetime",
    "shortId",
    "shortGroup",
    "description",
    "type",
    "kind",
    "isRefund",
    "isRefunded",
    "shortRefundId",
    "displayAmount",
    "amount",
    "paymentProcessorFee",
    "netAmount",
    "balance",
    "currency",
    "accountSlug",
    "accountName",
    "oppositeAccountSlug",
    "oppositeAccountName",
    "paymentMethodService",
    "paymentMethodType",
    "expenseType",
    "expenseTags",
    "payoutMethodType",
    "merchantId",
    "orderMemo",
    "taxAmount",
)

TRANSACTIONS: Final = Layout(
    name="open-collective",
    title=N_("Transactions of Open Collective"),
    columns=tuple(_columns()),
    reader=_Transactions,
    left_behind=(
        N_(
            "Nobody is taken over as a member: all money comes from outside and goes outside. "
            "Descriptions become notes, and some of them name people."
        ),
        N_("Balances, payment methods, tags and the other side's names stay behind."),
    ),
)
