"""What a whole-book check asks besides the ledger's own: set-up, which kind moves what, and public figures.

``ledger.checks`` knows numbers of accounts; this knows what they stand for. Rows come as they
stand in the tables. Nothing here was used to write them but the functions that say what is public.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any, Final, NamedTuple

from timebank.ledger.canonical import NotCanonical, canonical, parse
from timebank.ledger.checks import AccountRow, EntryRow, Finding, RecordRow, TransferRow
from timebank.ledger.entries import Transfer
from timebank.ledger.units import MINUTES, is_money
from timebank.rules.publication import (
    LOST,
    OPEN,
    Change,
    PotAccount,
    PotTotals,
    PublicAccounts,
    PublicBalance,
    Sum,
    add_line,
    place_name,
    public_facet,
    shares_of,
)
from timebank.rules.set_up import OpenedAccount, published_terms

AUDIT_CHECKS: Final[Mapping[str, str]] = {
    "set_up": "Pots, places and members have the accounts that the book has for them, and no account is nobody's.",
    "opened": "A record opened every account as it is, and another one closed those that are closed.",
    "moves": "Every entry moves between the kinds of account that its kind is for.",
    "two_people": "What takes two people was proposed by one and signed by another, once, as it was proposed.",
    "genesis": "The first record names this book, its origin and the day it begins on, and no other does.",
    "restores": "The epoch of the head is that of the last restore that the book tells of, each later than the one before.",
    "policies": "Every version of a policy, applied or published, is the one that the book has the hash of.",
    "settings": "Every change of settings is the one that the book has the hash of, by whom it says, and no other.",
    "closings": "Every closed period is in the book, and nothing else was closed or published.",
    "published_balances": "Published balances are those of the book at the close; opening + in - out = closing.",
    "published_flows": "Published flows are the sums of the entries of their period.",
    "published_lines": "The published lines of each period are the public parts of its entries, one for one.",
}
"""Every check by name, with the promise that it holds."""

_OF_POTS: Final = frozenset({"pot", "promised", "shared"})
_OF_MEMBERS: Final = frozenset({"member", "exchange"})
_OF_GROUPS: Final = _OF_POTS | {"held", "outside", "custody", "opening", "adjustment"}
_OPENS: Final[Mapping[str, frozenset[str]]] = {
    "genesis": _OF_GROUPS,
    "opened": _OF_POTS | {"held"},
    "joined": _OF_MEMBERS,
}
"""By kind of record, the kinds of account that it can open."""

_GIVERS: Final = ("member", "outside")
_FROM_GIVERS: Final = tuple((giver, "pot") for giver in _GIVERS)
_TO_HELD: Final = ("held", "custody")
_FROM_HELD: Final = ("custody", "held")

_COUNTED: Final = frozenset({"counted_missing", "counted_found"})

_ACCOUNT_FIELDS: Final = frozenset(OpenedAccount._fields)

MOVES: Final[Mapping[str, frozenset[tuple[str, str]]]] = {
    "help_given": frozenset(_FROM_GIVERS),
    "help_answered": frozenset({*_FROM_GIVERS, ("pot", "shared")}),
    "help_exchanged": frozenset({("exchange", "exchange")}),
    "money_in": frozenset({*_FROM_GIVERS, _TO_HELD}),
    "promise": frozenset({("pot", "promised")}),
    "release": frozenset({("promised", "pot")}),
    "fulfil": frozenset({*_FROM_GIVERS, ("promised", "shared"), ("pot", "shared")}),
    "hand_over": frozenset({("promised", "shared"), _FROM_HELD}),
    "hand_over_undone": frozenset({("shared", "promised"), _TO_HELD, ("promised", "pot")}),
    "fulfil_undone": frozenset(
        {
            ("pot", "member"),
            ("pot", "outside"),
            ("shared", "promised"),
            ("shared", "pot"),
            ("promised", "pot"),
        }
    ),
    "money_returned": frozenset({("shared", "pot"), _TO_HELD}),
    "money_out": frozenset({("pot", "outside"), _FROM_HELD}),
    "held_move": frozenset({("held", "held")}),
    "pot_move": frozenset({("pot", "pot")}),
    "counted_missing": frozenset({("pot", "adjustment"), _FROM_HELD}),
    "counted_found": frozenset({("adjustment", "pot"), _TO_HELD}),
    "opening": frozenset({("opening", "pot"), _TO_HELD, ("exchange", "opening"), ("opening", "exchange")}),
}
"""By kind of entry, (debit kind, credit kind) of the transfers it may have; corrections mirror theirs."""


class PotRow(NamedTuple):
    """A pot and the numbers of its accounts, as set-up has them."""

    code: str
    unit: str
    available: int
    promised: int
    shared: int


class PlaceRow(NamedTuple):
    """A held place and its account, as set-up has it."""

    kind: str
    number: int
    unit: str
    account_id: int


class ChangeRow(NamedTuple):
    """A change of settings as the history has it: by which account, and the values that changed."""

    change: str
    changed_by: int
    before: dict[str, Any]
    after: dict[str, Any]


class CloseRow(NamedTuple):
    """Which records a close covered, and the days that it made public."""

    period: int
    first_day: date
    last_day: date
    through_seq: int


class PeriodRow(NamedTuple):
    """A published period; ``lines`` is how many it says there are, ``preset`` how it was published."""

    period: int
    first_day: date
    last_day: date
    lines: int
    preset: str


class FlowRow(NamedTuple):
    """What a published period says came in and went out of a pot, for one kind."""

    pot: str
    kind: str
    unit: str
    came_in: int
    went_out: int
    lines: int


class HeldRow(NamedTuple):
    """What a published period says lay in one place."""

    place: str
    kind: str
    number: int
    unit: str
    amount: int


class LineRow(NamedTuple):
    """A published line without its random id."""

    kind: str
    category: str
    day: date | None
    arrived_late: bool
    changes: tuple[Change, ...]


class TermsRow(NamedTuple):
    """One version of a policy; ``where`` says whether it is the one applied or the one published."""

    where: str
    pot: str
    version: int
    agreed_on: date
    terms: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Published:
    """Everything that was ever published of a group but its lines, by period.

    Attributes:
        put_back: Periods that a restore had lost and took up again from the public log: the book does not have
            all of their entries.
    """

    closes: list[CloseRow]
    periods: list[PeriodRow]
    balances: dict[int, list[PublicBalance]]
    held: dict[int, list[HeldRow]]
    flows: dict[int, list[FlowRow]]
    terms: list[TermsRow]
    put_back: frozenset[int] = frozenset()

    @property
    def all_open(self) -> bool:
        """Whether every period shows everything, so that its figures are those of its own records."""
        return all(period.preset == OPEN for period in self.periods)


@dataclass(frozen=True, slots=True)
class GroupFrame:
    """What the set-up says a group is.

    Attributes:
        ties: By account number, what the members' boxes say it is: the name in an Actor.
        all_opened: Whether every box could be opened; if not, an account may be somebody's whom
            we cannot see.
        changes: Every change of settings.
    """

    book_id: bytes
    origin: str
    began_on: date
    preset: str
    epoch: int
    accounts: Sequence[AccountRow]
    pots: Sequence[PotRow]
    places: Sequence[PlaceRow]
    ties: Mapping[int, str]
    all_opened: bool
    changes: Sequence[ChangeRow] = ()


class BookAudit:
    """One pass over a book beside that of ``ledger.checks``: fed page by page, told where periods end.

    Args:
        group: What the set-up says.
        published: What the public was shown.
        pages: Whether its figures and lines are there to compare; if not, its closes alone are.
    """

    def __init__(self, group: GroupFrame, published: Published, *, pages: bool = True) -> None:
        self.group = group
        self.published = published
        # What other ways of publishing show is for rules.closing_audit.
        self._shows = pages and published.all_open
        self.found: dict[str, Finding] = {}
        self.lines: Counter[LineRow] = Counter()
        self._kinds = {account.account_id: account.kind for account in group.accounts}
        self._units = {account.account_id: account.unit for account in group.accounts}
        self._public = public_accounts(group)
        self._closes = list(published.closes)
        self._first_day = self._closes[0].first_day if self._closes else None
        self._totals = {pot.code: PotTotals(pot.unit) for pot in group.pots}
        self._taken_out: dict[str, Sum] = {}
        self._before = {pot.code: PublicBalance(pot.code, pot.unit, 0, 0, 0, 0, 0, 0) for pot in group.pots}
        self._others: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        self._signed: set[object] = set()

    def feed(
        self, records: Sequence[RecordRow], entries: Sequence[EntryRow], transfers: Sequence[TransferRow]
    ) -> None:
        """Take the next page."""
        if len(entries) < len(records):
            numbers = {entry.seq for entry in entries}
            for record in records:
                if record.seq not in numbers:
                    self._other(record)
        legs: dict[int, list[TransferRow]] = {}
        for transfer in transfers:
            legs.setdefault(transfer[0], []).append(transfer)
        kinds = self._kinds
        signed = {entry.seq: entry for entry in entries if entry.source == "proposal"}
        for record in records:
            if record.seq in signed:
                self._check_signature(signed[record.seq], record, legs.get(record.seq, ()))
        for entry in entries:
            mine = legs.get(entry.seq, ())
            allowed = MOVES.get(entry.kind)
            if allowed is not None and any(
                (kinds.get(leg[2]), kinds.get(leg[3])) not in allowed for leg in mine
            ):
                self._find("moves", entry.seq, f"{entry.kind} does not move between these kinds of account")
            if self._first_day is not None and self._shows:
                self._publish(entry, mine, self._first_day)

    def end_period(self, close: CloseRow, nets: Mapping[int, int]) -> None:
        """Compare a period, whose last record was just fed, with what was published of it.

        Args:
            nets: Credits - debits of every account after that record.
        """
        assert self._closes[0] is close, "periods end in order"
        if self._shows and close.period in self.published.put_back:
            self._pass_over(close, nets)
        elif self._shows:
            for pot, total in self._taken_out.items():
                if pot in self._totals:
                    self._totals[pot].add_lost(total)
            self._taken_out = {}
            self._compare_balances(close, nets)
            self._compare_flows(close)
        self._totals = {pot.code: PotTotals(pot.unit) for pot in self.group.pots}
        del self._closes[0]
        self._first_day = self._closes[0].first_day if self._closes else None

    def compare_lines(self, lines: Iterable[LineRow]) -> None:
        """Take lines of the period that just ended off those it should have."""
        if self._shows:
            self.lines.subtract(lines)

    def end_lines(self, close: CloseRow) -> None:
        """Say whether all lines of the period were there, and no other."""
        put_back = close.period in self.published.put_back
        for line, missing in self.lines.items():
            if missing > 0 or (missing and not put_back):
                self._find(
                    "published_lines",
                    close.through_seq,
                    f"period {close.period}: a line of kind {line.kind} is "
                    + ("missing" if missing > 0 else "published that no entry stands for"),
                )
                break
        self.lines = Counter()

    def finish(self) -> list[Finding]:
        """Compare what is about the book as a whole; return the first finding of each check."""
        self._check_accounts()
        self._check_members()
        self._check_opened()
        self._check_genesis()
        self._check_policies()
        self._check_settings()
        self._check_closings()
        self._check_restores()
        return sorted(self.found.values(), key=lambda finding: (finding.seq == 0, finding.seq))

    def _find(self, check: str, seq: int, what: str) -> None:
        assert check in AUDIT_CHECKS, check
        first = self.found.get(check)
        if first is None or 0 < seq < first.seq:
            self.found[check] = Finding(check, seq, what)

    def _other(self, record: RecordRow) -> None:
        # Bytes that cannot be read were found by the ledger's own checks.
        try:
            fields = parse(bytes(record.record))
        except NotCanonical:
            return
        if isinstance(fields, dict):
            self._others.setdefault(str(fields.get("kind")), []).append((record.seq, fields))

    def _check_signature(self, entry: EntryRow, record: RecordRow, legs: Sequence[TransferRow]) -> None:
        """Compare an entry with the proposal that it names; a book that came as an archive names none."""
        try:
            fields = parse(bytes(record.record))
        except NotCanonical:
            return
        links = fields.get("links") if isinstance(fields, dict) else None
        proposal = links.get("proposal") if isinstance(links, dict) else None
        if not isinstance(fields, dict) or proposal is None:
            return
        told = [one for _, one in self._others.get("proposed", ()) if one.get("proposal") == proposal]
        amounts = {leg[4] for leg in legs}
        kind = entry.kind if entry.kind not in _COUNTED else "count"
        if (
            len(told) != 1
            or (told[0].get("what"), {told[0].get("amount")}) != (kind, amounts)
            or told[0].get("actor") == fields.get("actor")
            or proposal in self._signed
        ):
            self._find("two_people", entry.seq, "it is not what somebody else proposed, or was signed before")
        self._signed.add(proposal)

    # ------------------------------------------------------------ what is public

    def _publish(self, entry: EntryRow, legs: Sequence[TransferRow], first_day: date) -> None:
        pots = self._public.pots
        transfers = [
            Transfer(self._units.get(leg[2], ""), leg[2], leg[3], leg[4])
            for leg in legs
            if leg[2] in pots or leg[3] in pots
        ]
        line = public_facet(
            preset=OPEN,
            kind=entry.kind,
            category=entry.category,
            effective_on=entry.effective_on,
            transfers=transfers,
            accounts=self._public,
        )
        add_line(self._totals, line, shares_of(entry.kind, transfers, self._public))
        late = entry.effective_on < first_day
        self.lines[LineRow(line.kind, line.category, line.day, late, line.changes)] += 1

    def _pass_over(self, close: CloseRow, nets: Mapping[int, int]) -> None:
        """Go on after a period whose entries a restore lost, and remember what the next one must take out for it."""
        told = {balance.pot: balance for balance in self.published.balances.get(close.period, ())}
        for pot in self.group.pots:
            before, total, shown = self._before[pot.code], self._totals[pot.code], told.get(pot.code)
            given, drawn = before.given + total.given, before.drawn + total.drawn
            if shown is None or (shown.given, shown.drawn) != (given, drawn):
                self._find(
                    "published_balances",
                    close.through_seq,
                    f"period {close.period}: the figures of pot {pot.code} are not those of the book",
                )
                continue
            lost = Sum(
                nets.get(pot.available, 0) - shown.available, nets.get(pot.promised, 0) - shown.promised
            )
            self._taken_out[pot.code] = lost
            self._before[pot.code] = shown

    def _compare_balances(self, close: CloseRow, nets: Mapping[int, int]) -> None:
        told = {balance.pot: balance for balance in self.published.balances.get(close.period, ())}
        if len(told) != len(self.published.balances.get(close.period, ())) or told.keys() - self._totals:
            self._find(
                "published_balances", close.through_seq, f"period {close.period}: a pot that is not there"
            )
        for pot in self.group.pots:
            before, total = self._before[pot.code], self._totals[pot.code]
            right = PublicBalance(
                pot=pot.code,
                unit=pot.unit,
                available=nets.get(pot.available, 0),
                promised=nets.get(pot.promised, 0),
                given=before.given + total.given,
                drawn=before.drawn + total.drawn,
                came_in=total.came_in + sum(max(0, sum(one)) for one in _apart(total)),
                went_out=total.went_out + sum(max(0, -sum(one)) for one in _apart(total)),
            )
            opening = before.available + before.promised
            if told.get(pot.code) != right:
                self._find(
                    "published_balances",
                    close.through_seq,
                    f"period {close.period}: the figures of pot {pot.code} are not those of the book",
                )
            if opening + right.came_in - right.went_out != right.available + right.promised:
                self._find(
                    "published_balances",
                    close.through_seq,
                    f"period {close.period}: opening + in - out is not closing for pot {pot.code}",
                )
            self._before[pot.code] = right
        held = {
            HeldRow(place_name(*place[:3]), *place[:3], -nets.get(place.account_id, 0)): place.account_id
            for place in self.group.places
        }
        shown = self.published.held.get(close.period, ())
        # A place that was opened after the period's last record may be shown by it, or not yet.
        known = self._opened_so_far()
        needed = {row for row, number in held.items() if number in known}
        if not needed <= set(shown) <= held.keys() or len(set(shown)) != len(shown):
            self._find(
                "published_balances",
                close.through_seq,
                f"period {close.period}: what is held is not what the book says",
            )

    def _opened_so_far(self) -> set[int]:
        """Return the numbers of all accounts that the records fed until now opened."""
        return {
            account.number
            for kind in _OPENS
            for _, fields in self._others.get(kind, ())
            for account in read_accounts(fields) or ()
        }

    def _compare_flows(self, close: CloseRow) -> None:
        right = {
            FlowRow(pot, kind, total.unit, *flow)
            for pot, total in self._totals.items()
            for kind, flow in _flows(total).items()
        }
        shown = self.published.flows.get(close.period, ())
        if set(shown) != right or len(shown) != len(right):
            self._find(
                "published_flows",
                close.through_seq,
                f"period {close.period}: flows are not the sums of its entries",
            )
        lines = sum(self.lines.values())
        period = next((p for p in self.published.periods if p.period == close.period), None)
        if period is None or period != PeriodRow(close.period, close.first_day, close.last_day, lines, OPEN):
            self._find(
                "published_flows",
                close.through_seq,
                f"period {close.period} does not have its days or its {lines} lines",
            )

    # ------------------------------------------------------------ the book as a whole

    def _check_accounts(self) -> None:
        rows = {account.account_id: account for account in self.group.accounts}
        right: dict[int, tuple[str, str, int]] = {}
        for code, unit, available, promised, shared in self.group.pots:
            for kind, number in (("pot", available), ("promised", promised), ("shared", shared)):
                if number in right:
                    self._find("set_up", 0, f"pot {code} shares an account")
                right[number] = (kind, unit, available)
        for place in self.group.places:
            right[place.account_id] = ("held", place.unit, 0)
        for number, expected in right.items():
            row = rows.get(number)
            if row is None or (row.kind, row.unit, row.pot_account) != expected:
                self._find(
                    "set_up", 0, f"account {number} is not the {expected[0]} account that set-up names"
                )
        self._check_common_accounts(rows, right)

    def _check_common_accounts(self, rows: Mapping[int, AccountRow], named: Collection[int]) -> None:
        commons = Counter((row.kind, row.unit) for row in rows.values())
        for unit in {MINUTES, *(pot.unit for pot in self.group.pots)}:
            for kind in ("outside", "opening", "adjustment", *(("custody",) if is_money(unit) else ())):
                if commons[kind, unit] != 1:
                    self._find("set_up", 0, f"{unit} has {commons[kind, unit]} accounts of kind {kind}")
        for row in rows.values():
            if row.kind in {"pot", "promised", "shared", "held"} and row.account_id not in named:
                self._find("set_up", 0, f"account {row.account_id} is of no pot or place")
            if row.pot_account and row.kind not in {"pot", "promised", "shared"}:
                self._find("set_up", 0, f"account {row.account_id} of kind {row.kind} is of a pot")
            # Only a pot's own floor is the group's to choose.
            fixed = 0 if row.kind in {"promised", "held"} else None
            if row.kind != "pot" and row.floor != fixed:
                self._find(
                    "set_up", 0, f"account {row.account_id} of kind {row.kind} has the floor {row.floor}"
                )

    def _check_members(self) -> None:
        erased = {
            number for _, fields in self._others.get("erasure", ()) for number in _numbers(fields, "accounts")
        }
        rows = {account.account_id: account for account in self.group.accounts}
        for number, name in self.group.ties.items():
            kind, _, unit = name.rpartition(":")
            row = rows.get(number)
            if row is None or (row.kind, row.unit) != (kind or "member", unit):
                self._find("set_up", 0, f"account {number} is not the account of a member that it should be")
        for row in rows.values():
            if row.kind not in {"member", "exchange"} or row.account_id in self.group.ties:
                continue
            if row.account_id not in erased and self.group.all_opened:
                self._find(
                    "set_up", 0, f"account {row.account_id} is nobody's, and nobody was erased who had it"
                )

    def _check_opened(self) -> None:
        opened = self._read_opened()
        closed = self._read_closed()
        rows = {account.account_id: account for account in self.group.accounts}
        pots = {(one.unit, one.owner): number for number, (_, one) in opened.items() if one.kind == "pot"}
        for number, (seq, one) in opened.items():
            row = rows.get(number)
            pot = pots.get((one.unit, one.owner), 0) if one.kind in _OF_POTS else 0
            if row is None:
                self._find("opened", seq, f"account {number}, which it opened, is not there")
            elif (row.kind, row.unit, row.pot_account, row.floor) != (one.kind, one.unit, pot, one.floor):
                self._find(
                    "opened",
                    seq,
                    f"account {number} has not the kind, unit, pot and floor it was opened with",
                )
        for row in rows.values():
            if row.account_id not in opened:
                self._find(
                    "opened", 0, f"account {row.account_id} of kind {row.kind} was opened by no record"
                )
            elif row.closed != (row.account_id in closed):
                said = "closed, and no record says so" if row.closed else "open, and a record closed it"
                self._find("opened", 0, f"account {row.account_id} is {said}")
        self._check_owners({number: one.owner for number, (_, one) in opened.items()})

    def _check_owners(self, owners: Mapping[int, str]) -> None:
        for pot in self.group.pots:
            for number in pot[2:]:
                if owners.get(number) != pot.code:
                    self._find("opened", 0, f"account {number} was not opened for the pot {pot.code}")
        for place in self.group.places:
            name = place_name(*place[:3])
            if owners.get(place.account_id) != name:
                self._find("opened", 0, f"account {place.account_id} was not opened for the place {name}")

    def _read_opened(self) -> dict[int, tuple[int, OpenedAccount]]:
        """Return by number what records say of the accounts that they opened, and which record it was."""
        opened: dict[int, tuple[int, OpenedAccount]] = {}
        for kind, kinds_opened in _OPENS.items():
            for seq, fields in self._others.get(kind, ()):
                accounts = read_accounts(fields)
                if accounts is None:
                    self._find("opened", seq, "its accounts are not written as the book writes them")
                    continue
                for account in accounts:
                    if account.number in opened:
                        self._find("opened", seq, f"account {account.number} was opened before")
                    if account.kind not in kinds_opened or (kind == "joined" and account[3:] != ("", None)):
                        self._find("opened", seq, f"account {account.number} is none that it could open")
                    opened.setdefault(account.number, (seq, account))
        return opened

    def _read_closed(self) -> set[int]:
        """Return the numbers of the accounts that records closed and none opened again."""
        closed: dict[int, bool] = {}
        told = [
            (seq, kind, fields)
            for kind in ("closed", "reopened")
            for seq, fields in self._others.get(kind, ())
        ]
        for _, kind, fields in sorted(told, key=lambda one: one[0]):
            closed |= dict.fromkeys(_numbers(fields, "accounts"), kind == "closed")
        return {number for number, is_closed in closed.items() if is_closed}

    def _check_genesis(self) -> None:
        group = self.group
        seqs = [seq for seq, _ in self._others.get("genesis", ())]
        if seqs != [1]:
            self._find(
                "genesis", next((seq for seq in seqs if seq != 1), 1), "the book has not one beginning"
            )
        told = self._told()
        for name, right in (
            ("book", group.book_id.hex()),
            ("origin", group.origin),
            ("began_on", group.began_on.isoformat()),
        ):
            seq, value = told.get(name, (1, None))
            if value != right:
                self._find("genesis", seq, f"{name} is not that of the group")

    def _told(self) -> dict[str, tuple[int, Any]]:
        """Return by name what the book says of its group, and the last record that said it."""
        told: dict[str, tuple[int, Any]] = {}
        for seq, fields in self._others.get("genesis", ()):
            told |= {name: (seq, fields.get(name)) for name in ("book", "origin", "began_on")}
        for seq, fields in self._others.get("began", ()):
            # An import may bring an older past along; the book only ever begins earlier than it did.
            before = told.get("began_on", (0, None))[1]
            if fields.get("before") != before or str(fields.get("began_on")) >= str(before):
                self._find(
                    "genesis", seq, "it does not move the first day of the book back from where it was"
                )
            told["began_on"] = (seq, fields.get("began_on"))
        return told

    def _check_restores(self) -> None:
        epoch = 1
        for seq, fields in self._others.get("restored", ()):
            begun = fields.get("epoch")
            if type(begun) is not int or begun <= epoch:
                self._find("restores", seq, f"it begins no epoch after {epoch}")
                continue
            epoch = begun
        if self.group.epoch != epoch:
            self._find("restores", 0, f"the head has epoch {self.group.epoch}; the book is in {epoch}")

    def _check_policies(self) -> None:
        hashes = {
            (fields.get("pot"), fields.get("version")): (
                fields.get("agreed_on"),
                fields.get("terms_hash"),
                seq,
            )
            for seq, fields in self._others.get("policy", ())
        }
        seen = Counter(row.where for row in self.published.terms)
        for where, pot, version, agreed_on, terms in self.published.terms:
            day, terms_hash, seq = hashes.get((pot, version), ("", "", 0))
            if (day, terms_hash) != (agreed_on.isoformat(), _terms_hash(terms)):
                self._find(
                    "policies", seq, f"version {version} of the policy of {pot}, as {where}, is another"
                )
        for where in ("applied", "published"):
            if seen[where] != len(hashes):
                self._find("policies", 0, f"{len(hashes)} versions are recorded, {seen[where]} are {where}")

    def _check_settings(self) -> None:
        recorded = {
            str(fields.get("change")): (fields.get("actor"), fields.get("changed"), fields.get("hash"), seq)
            for seq, fields in self._others.get("settings", ())
        }
        for row in self.group.changes:
            actor, changed, said, seq = recorded.pop(row.change, (None, None, None, 0))
            try:
                found = canonical({"after": row.after, "before": row.before, "change": row.change})
            except NotCanonical:
                found = b""
            if (actor, changed, said) != (row.changed_by, sorted(row.after), sha256(found).hexdigest()):
                self._find("settings", seq, f"the change {row.change} is not the one that the book has")
        for change, (_, _, _, seq) in recorded.items():
            self._find("settings", seq, f"the change {change} is not in the history")

    def _closings(self) -> list[tuple[int, dict[str, Any]]]:
        """Return what records say of closed periods, and which ones: their own, or the one of a restore that lost it."""
        told = [
            *self._others.get("closing", ()),
            *((seq, one) for seq, fields in self._others.get("restored", ()) for one in closed_of(fields)),
        ]
        return sorted(told, key=lambda one: one[0])

    def _check_closings(self) -> None:
        closings = self._closings()
        recorded = [
            (
                fields.get("period"),
                fields.get("first_day"),
                fields.get("last_day"),
                fields.get("through_seq"),
                # Before there were others, every period was open and no record said so.
                fields.get("preset", OPEN),
            )
            for _, fields in closings
        ]
        presets = {period.period: period.preset for period in self.published.periods}
        closed = [
            (
                close.period,
                close.first_day.isoformat(),
                close.last_day.isoformat(),
                close.through_seq,
                presets.get(close.period, ""),
            )
            for close in self.published.closes
        ]
        for (seq, _), told, row in zip(closings, recorded, [*closed, *[None] * len(recorded)], strict=False):
            if told != row:
                self._find("closings", seq, f"period {told[0]} is not closed as the book says")
        if len(closed) != len(recorded):
            self._find("closings", 0, f"{len(closed)} periods are closed, {len(recorded)} are in the book")
        periods = {close.period for close in self.published.closes}
        for what, shown in (
            ("periods", {period.period for period in self.published.periods}),
            ("balances", set(self.published.balances)),
            ("places", set(self.published.held)),
            ("flows", set(self.published.flows)),
        ):
            if shown - periods:
                self._find(
                    "closings", 0, f"{what} are published of period {min(shown - periods)}, never closed"
                )


def public_accounts(group: GroupFrame) -> PublicAccounts:
    """Return the accounts that the public may know of, as the set-up says."""
    pots = {}
    for pot in group.pots:
        pots[pot.available] = PotAccount(pot.code, "available")
        pots[pot.promised] = PotAccount(pot.code, "promised")
        pots[pot.shared] = PotAccount(pot.code, "shared")
    givers = frozenset(account.account_id for account in group.accounts if account.kind in _GIVERS)
    return PublicAccounts(pots=pots, givers=givers)


def _terms_hash(terms: dict[str, Any]) -> str:
    try:
        return sha256(canonical(published_terms(terms))).hexdigest()
    except NotCanonical:
        return ""


def read_accounts(fields: Mapping[str, Any]) -> list[OpenedAccount] | None:
    """Return the accounts that a record opens; None when they are not as every record has them."""
    accounts = fields.get("accounts")
    if not isinstance(accounts, list):
        return None
    opened = []
    for account in accounts:
        if not isinstance(account, dict) or not account.keys() <= _ACCOUNT_FIELDS:
            return None
        one = OpenedAccount(account.get("number", 0), account.get("kind", ""), account.get("unit", ""))
        one = one._replace(owner=account.get("owner", ""), floor=account.get("floor"))
        if type(one.number) is not int or not all(isinstance(word, str) for word in one[1:4]):
            return None
        if one.floor is not None and type(one.floor) is not int:
            return None
        opened.append(one)
    # Any other order would tell which of them were opened for whom.
    return opened if [one.number for one in opened] == sorted({one.number for one in opened}) else None


def _numbers(fields: Mapping[str, Any], name: str) -> Collection[int]:
    values = fields.get(name)
    return [value for value in values if isinstance(value, int)] if isinstance(values, list) else []


def closed_of(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the periods that a record of a restore says were taken up again from the public log."""
    told = fields.get("closed", ())
    return [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []


def _apart(total: PotTotals) -> list[Sum]:
    return [total.lost] if total.lost is not None and total.lost != (0, 0) else []


def _flows(total: PotTotals) -> dict[str, Sequence[int]]:
    flows: dict[str, Sequence[int]] = dict(total.flows)
    for lost in _apart(total):
        flows[LOST] = (max(0, sum(lost)), max(0, -sum(lost)), 0)
    return flows
