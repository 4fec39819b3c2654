"""Exports of a whole book: journals that an auditor from outside reads with tools of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from babel.numbers import get_currency_precision

from timebank.errors import N_, FieldInvalid
from timebank.formats.beancount import BeancountWriter
from timebank.formats.hledger import HledgerWriter
from timebank.formats.journal import BookWriter, Journal
from timebank.formats.journal_csv import SheetWriter
from timebank.ledger.units import MINUTES
from timebank.rules.journal import name_accounts
from timebank.rules.people import SEQ_DUTIES
from timebank.rules.set_up import NOT_KNOWN
from timebank.store import export as store

if TYPE_CHECKING:
    from array import array

    from timebank.rules.people import Actor
    from timebank.store.engine import Database

ENDS_BEFORE: Final = N_("it is before the first day")

Progress = Callable[[int, int], None]
"""Told how many entries are written, and how many there are."""


class Format(NamedTuple):
    """A way to write the book: who does, and how its files are called."""

    writer: type[BookWriter]
    suffix: str


FORMATS: Final[Mapping[str, Format]] = {
    "hledger": Format(HledgerWriter, "journal"),
    "beancount": Format(BeancountWriter, "beancount"),
    "csv": Format(SheetWriter, "csv"),
}


@dataclass(frozen=True, slots=True)
class OpenJournal:
    """A journal that was decided on and can be written: everything that could be refused was.

    Attributes:
        file_name: What to call it; it says the group, and how far the book goes.
        entries: How many entries it has.
    """

    file_name: str
    entries: int
    _database: Database
    _group_id: UUID
    _writer: BookWriter
    _seqs: array[int]

    async def chunks(self, progress: Progress = lambda _done, _total: None) -> AsyncGenerator[bytes, None]:
        """Yield the file in UTF-8, once; between two chunks nothing is held in the database."""
        writer, seqs = self._writer, self._seqs
        units = {number: account.unit for number, account in writer.journal.accounts.items()}
        yield writer.begin().encode()
        for start in range(0, len(seqs), store.PAGE):
            page = seqs[start : start + store.PAGE]
            async with self._database.read(self._group_id) as tx:
                entries = await store.list_entries(tx, self._group_id, page, units=units)
            yield "".join(map(writer.transaction, entries)).encode()
            progress(min(start + store.PAGE, len(seqs)), len(seqs))
        yield writer.end().encode()


async def open_journal_for(
    database: Database,
    actor: Actor,
    file_format: str,
    *,
    first: date | None = None,
    last: date | None = None,
    period: int | None = None,
) -> OpenJournal:
    """Open a journal of the actor's group; see ``open_journal``.

    Raises:
        NeedsScope: The token was not made for reading.
        NeedsRole: They are neither auditor nor steward nor treasurer.
        StepUpNeeded: Their last proof is too long ago.
        FieldInvalid: See ``open_journal``.
    """
    actor.require_scope("read")
    actor.require_role(*sorted(SEQ_DUTIES))
    actor.require_fresh()
    return await open_journal(database, actor.group_id, file_format, first=first, last=last, period=period)


async def open_journal(
    database: Database,
    group_id: UUID,
    file_format: str,
    *,
    first: date | None = None,
    last: date | None = None,
    period: int | None = None,
) -> OpenJournal:
    """Decide what a journal contains: the book as it is now, or as the close of a period left it.

    Args:
        file_format: A name in ``FORMATS``.
        first: First effective day; what came before is one transaction of balances. None for all.
        last: Last effective day; None for no end.
        period: Number of a closed period, whose last record is the last one; None for the live book.

    Raises:
        FieldInvalid: There is no such format or period, or ``last`` is before ``first``.
    """
    if file_format not in FORMATS:
        raise FieldInvalid(field="format", why=NOT_KNOWN)
    if first and last and last < first:
        raise FieldInvalid(field="to", why=ENDS_BEFORE)
    async with database.read(group_id) as tx:
        book = await store.read_cut(tx, group_id)
        close = None if period is None else await store.find_close(tx, group_id, period)
    if period is not None and close is None:
        raise FieldInvalid(field="period", why=NOT_KNOWN)

    # From here on everything is about records that never change: each question has a short
    # snapshot of its own, so that none of them keeps old rows alive for long.
    through_seq = book.seq if close is None else close.through_seq
    async with database.read(group_id) as tx:
        seen = await store.list_first_seen(tx, group_id, through_seq=through_seq)
        seqs = await store.list_seqs_by_day(tx, group_id, through_seq=through_seq, first=first, last=last)
    opening: dict[int, int] = {}
    if first is not None and first > date.min:
        opening = await _sum_balances(database, group_id, through_seq, first - timedelta(days=1))
    closing = book.balances
    if close is not None or last is not None:
        closing = await _sum_balances(database, group_id, through_seq, last)

    accounts = name_accounts(book.accounts, seen)
    opening = {number: balance for number, balance in opening.items() if balance}
    journal = Journal(
        name=book.name,
        slug=book.slug,
        cut=f"through record {through_seq} of the live book"
        if close is None
        else f"through closed period {period}, which ends with {close.last_day}",
        first=first,
        last=last,
        opens_on=min(book.began_on, first - timedelta(days=1)) if first and opening else book.began_on,
        digits=_digits({account.unit for account in book.accounts}),
        accounts=accounts,
        opening=opening,
        closing=closing,
    )
    chosen = FORMATS[file_format]
    cut = f"record-{through_seq}" if close is None else f"period-{period}"
    return OpenJournal(
        file_name=f"{book.slug}-through-{cut}.{chosen.suffix}",
        entries=len(seqs),
        _database=database,
        _group_id=group_id,
        _writer=chosen.writer(journal),
        _seqs=seqs,
    )


async def _sum_balances(
    database: Database, group_id: UUID, through_seq: int, through_day: date | None
) -> dict[int, int]:
    """Return debits - credits by account up to a record and a day (None for all days)."""
    balances: Counter[int] = Counter()
    for after in range(0, through_seq, store.SUMMED):
        async with database.read(group_id) as tx:
            balances.update(
                await store.sum_balances(
                    tx,
                    group_id,
                    after_seq=after,
                    through_seq=min(after + store.SUMMED, through_seq),
                    through_day=through_day,
                )
            )
    return balances


def _digits(units: set[str]) -> dict[str, int]:
    """Return how many digits after the point each unit has, minutes first."""
    money = sorted(units - {MINUTES})
    return {MINUTES: 0} | {currency: get_currency_precision(currency) for currency in money}
