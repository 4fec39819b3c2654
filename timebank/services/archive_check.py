"""An archive held against itself: everything that can be wrong with it, found before anything is locked or written."""

from __future__ import annotations

import zoneinfo
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from babel.numbers import list_currencies

from timebank.errors import (
    N_,
    DateInFuture,
    FieldInvalid,
    Refusal,
    TotalsDiffer,
    UnknownAccount,
    UnknownDraw,
    UnknownMember,
    UnknownPot,
)
from timebank.formats.archive import NOT_IN_ORDER, Archive, ArchivedEntry, wrong
from timebank.formats.archive_rows import (
    ACCOUNTS,
    DRAWS,
    ENTRIES,
    GROUP,
    HANDS,
    HOURS,
    MEMBERS,
    PLACES,
    POLICIES,
    POTS,
    ROLES,
    TRANSFERS,
    DrawLine,
    HoursLine,
    PolicyLine,
)
from timebank.ledger.notes import NotANote, parse_checkpoint, parse_note
from timebank.ledger.units import MINUTES
from timebank.rules import set_up
from timebank.rules.archive import Key, Moved, Sums, Told, kind_of, names_of_group, owner_of
from timebank.rules.names import EMPTY
from timebank.rules.policies import Terms, stored_terms
from timebank.rules.set_up import NOT_KNOWN, NOT_TERMS, TWICE, NewGroup, NewHeldPlace, NewPot
from timebank.services.import_report import SeenTotal
from timebank.store.checkpoints import live_origin

if TYPE_CHECKING:
    from timebank.formats.archive import ArchiveReader
    from timebank.services.jobs import Teller

NOT_A_CHECKPOINT: Final = N_("it is no checkpoint of this book")
NOBODY_IS_ERASED: Final = N_("who is erased has no nickname and no account, and everybody else has")
NOT_ALL_ACCOUNTS: Final = N_("the accounts are not those of its pots, places and units")
NOT_THESE_AMOUNTS: Final = N_("more is handed over, promised or agreed than was before it")
NOT_THESE_HANDS: Final = N_("nobody decides on or hands over what they asked for")
NOT_OF_THE_ENTRY: Final = N_("the entry says otherwise")
ENDS_BEFORE: Final = N_("it ends before it begins")

_STEP: Final = 500
_LINE_OF: Final[Mapping[str, str]] = {
    "languages": "language",
    "categories": "category",
    "categories_retired": "category_retired",
    "currencies": "currency",
}


@dataclass(frozen=True, slots=True)
class Checked:
    """An archive that is sound in itself.

    Attributes:
        group: The group that would be made of it.
        root: Root hash of the book that it was taken from.
        totals: What moved, by unit.
    """

    archive: Archive
    group: NewGroup
    root: bytes
    totals: list[SeenTotal]
    first_day: date | None
    last_day: date | None


async def check_archive(reader: ArchiveReader, teller: Teller) -> Checked:
    """Read an archive to its end and compare everything in it with everything else.

    Raises:
        WrongArchive: It is not what a group once was; the first thing found.
    """
    archive = reader.head()
    group = _check_group(archive, now=teller.clock())
    root = _check_checkpoint(archive)
    _check_policies(archive, group)
    _check_people(archive)
    keys = _check_accounts(archive)
    _check_draws(archive)
    adding = _Adding(archive, keys)
    waiting: list[HoursLine] = []
    for count, entry in enumerate(reader.entries(waiting)):
        adding.add(entry)
        if count % _STEP == 0:
            await teller.tell("reading", count, archive.entries)
    for hours in waiting:
        adding.check_accounts_of_hours(hours)
    adding.finish()
    return Checked(archive, group, root, adding.totals(), adding.first_day, adding.last_day)


# ---------------------------------------------------------------- set-up


def _check_group(archive: Archive, *, now: datetime) -> NewGroup:
    told = archive.group
    known = told.time_zone in zoneinfo.available_timezones()
    today = now.astimezone(zoneinfo.ZoneInfo(told.time_zone) if known else UTC).date()
    first = {line.pot: line for line in reversed(archive.policies)}
    pots = []
    for pot in archive.pots:
        if pot.code not in first:
            wrong(POLICIES, 0, "pot", UnknownPot())
        terms = read_terms(first[pot.code])
        pots.append(NewPot(pot.code, pot.unit, pot.floor, terms))
    group = NewGroup(
        slug=told.slug,
        name=told.name,
        languages=told.languages,
        time_zone=told.time_zone,
        began_on=told.began_on,
        categories=told.categories,
        preset=told.preset,
        currencies=told.currencies,
        pots=tuple(pots),
        held_places=tuple(NewHeldPlace(place.code, place.kind, place.unit) for place in archive.places),
        time_bank=told.time_bank,
        rounding_minutes=told.rounding_minutes,
        rounding_up=told.rounding_up,
        confirm_days=told.confirm_days,
        words=told.words,
        member_list=told.member_list,
        joining=told.joining,
        categories_retired=told.categories_retired,
    )
    try:
        group = checked_group(group, today=today)
    except FieldInvalid as refusal:
        field = str(refusal.params["field"])
        sheet = {"pots": POTS, "held_places": PLACES}.get(field, GROUP)
        wrong(sheet, told.lines.get(_LINE_OF.get(field, field), 0), field, refusal)
    except DateInFuture as refusal:
        wrong(GROUP, told.lines["began_on"], "began_on", refusal)
    for pot, number in zip(archive.pots, set_up.numbers(group.pots), strict=True):
        if pot.number != number:
            wrong(POTS, pot.line, "number", FieldInvalid(field="number", why=NOT_IN_ORDER))
    for place, number in zip(archive.places, set_up.numbers(group.held_places), strict=True):
        if place.number != number:
            wrong(PLACES, place.line, "number", FieldInvalid(field="number", why=NOT_IN_ORDER))
    return group


def checked_group(group: NewGroup, *, today: date) -> NewGroup:
    """Return a group in normal form; raises as ``rules.set_up.check_group`` does."""
    return set_up.check_group(
        group,
        today=today,
        currencies_known=list_currencies(),
        time_zones_known=zoneinfo.available_timezones(),
    )


def _check_checkpoint(archive: Archive) -> bytes:
    """Return the root that the signed note of the old book names; whose key signed it, nobody here can say."""
    group = archive.group
    try:
        checkpoint = parse_checkpoint(parse_note(group.checkpoint).text)
    except NotANote:
        checkpoint = None
    if checkpoint is None or (checkpoint.origin, checkpoint.size) != (
        live_origin(group.origin),
        group.records,
    ):
        wrong(GROUP, group.lines["checkpoint"], "", FieldInvalid(field="checkpoint", why=NOT_A_CHECKPOINT))
    return checkpoint.root


def read_terms(line: PolicyLine) -> Terms:
    """Return the terms of a version; whether they are sensible is for rules.set_up to say.

    Raises:
        WrongArchive: They are not as terms are stored.
    """
    terms = stored_terms(line.terms)
    if terms is None:
        wrong(POLICIES, line.line, "terms", FieldInvalid(field="terms", why=NOT_TERMS))
    return terms


def _check_policies(archive: Archive, group: NewGroup) -> None:
    pots = {pot.code: pot for pot in group.pots}
    seen: Counter[str] = Counter()
    for line in archive.policies:
        pot = pots.get(line.pot)
        if pot is None:
            wrong(POLICIES, line.line, "pot", UnknownPot())
        seen[line.pot] += 1
        if line.version != seen[line.pot]:
            wrong(POLICIES, line.line, "version", FieldInvalid(field="version", why=NOT_IN_ORDER))
        try:
            checked_group(replace(group, pots=(replace(pot, terms=read_terms(line)),)), today=date.max)
        except FieldInvalid:
            wrong(POLICIES, line.line, "terms", FieldInvalid(field="terms", why=NOT_TERMS))


# ---------------------------------------------------------------- people


def _check_people(archive: Archive) -> None:
    for number, member in enumerate(archive.members, start=1):
        if member.member != number:
            wrong(MEMBERS, member.line, "member", FieldInvalid(field="member", why=NOT_IN_ORDER))
        if (member.state == "erased") != (not member.nickname):
            why = NOBODY_IS_ERASED if member.nickname else EMPTY
            wrong(MEMBERS, member.line, "nickname", FieldInvalid(field="nickname", why=why))
    _check_households(archive)
    seen: set[tuple[int, str, datetime]] = set()
    for role in archive.roles:
        if role.member > len(archive.members):
            wrong(ROLES, role.line, "member", UnknownMember(), f"m{role.member}")
        if role.until is not None and role.until < role.since:
            wrong(ROLES, role.line, "until", FieldInvalid(field="until", why=ENDS_BEFORE))
        if role[:3] in seen:
            wrong(ROLES, role.line, "role", FieldInvalid(field="role", why=TWICE))
        seen.add(role[:3])


def _check_households(archive: Archive) -> None:
    here = {line.member for line in archive.members if line.state != "erased"}
    tied = [member for household in archive.group.households for member in household]
    at = archive.group.lines.get("household", 0)
    if not here.issuperset(tied):
        wrong(GROUP, at, "household", UnknownMember(), f"m{min(set(tied) - here)}")
    if len(set(tied)) != len(tied):
        wrong(GROUP, at, "household", FieldInvalid(field="household", why=TWICE))


def _check_accounts(archive: Archive) -> set[Key]:
    group = archive.group
    units = (MINUTES, *group.currencies)
    right = names_of_group(
        [(pot.code, pot.unit) for pot in archive.pots],
        [(place.code, place.unit) for place in archive.places],
        units,
    )
    whole = {place: member.state != "erased" for place, member in enumerate(archive.members, start=1)}
    keys: set[Key] = set()
    for line in archive.accounts:
        key = line.account, line.unit
        kind, owner = kind_of(line.account), owner_of(line.account)
        if key in keys:
            wrong(ACCOUNTS, line.line, "account", FieldInvalid(field="account", why=TWICE), line.account)
        if kind not in {"member", "exchange"}:
            known = key in right
        elif kind == "exchange":
            known = group.time_bank and line.unit == MINUTES
        else:
            known = line.unit in units
        if not known:
            wrong(ACCOUNTS, line.line, "account", UnknownAccount(), line.account)
        if owner.isdigit() and kind in {"member", "exchange"} and not whole.get(int(owner), True):
            why = NOBODY_IS_ERASED
            wrong(ACCOUNTS, line.line, "account", FieldInvalid(field="account", why=why), line.account)
        keys.add(key)
    for place, member in enumerate(archive.members, start=1):
        if whole[place] and (f"member:{place}", MINUTES) not in keys:
            wrong(MEMBERS, member.line, "member", UnknownAccount(), f"member:{place}")
    if not right <= keys:
        wrong(ACCOUNTS, 0, "account", FieldInvalid(field="account", why=NOT_ALL_ACCOUNTS))
    return keys


# ---------------------------------------------------------------- asks


def _adds_up(line: DrawLine) -> bool:
    """Say whether the amounts of a draw are ones that it can have in its state."""
    return (
        line.handed + line.released <= line.promised <= line.agreed <= line.asked
        and (line.state == "promised") == bool(line.left)
        and not (line.promised and line.state in {"asked", "looked_at", "not_now"})
    )


def _check_draws(archive: Archive) -> None:
    policies = {(line.pot, line.version) for line in archive.policies}
    seen: set[UUID] = set()
    before: tuple[datetime, int] | None = None
    for line in archive.draws:
        here = line.asked_at, line.after
        if line.id in seen:
            wrong(DRAWS, line.line, "id", FieldInvalid(field="id", why=TWICE), str(line.id))
        if (line.pot, line.policy) not in policies:
            wrong(DRAWS, line.line, "pot", UnknownPot())
        if not _adds_up(line):
            wrong(DRAWS, line.line, "promised", FieldInvalid(field="promised", why=NOT_THESE_AMOUNTS))
        if before is not None and (here[0] < before[0] or here[1] < before[1]):
            wrong(DRAWS, line.line, "asked_at", FieldInvalid(field="asked_at", why=NOT_IN_ORDER))
        if line.after > archive.entries:
            wrong(DRAWS, line.line, "after", FieldInvalid(field="after", why=NOT_KNOWN))
        seen.add(line.id)
        before = here
    hands: set[tuple[UUID, int]] = set()
    for hand in archive.hands:
        if hand.draw not in seen:
            wrong(HANDS, hand.line, "draw", UnknownDraw(), str(hand.draw))
        if hand.member > len(archive.members):
            wrong(HANDS, hand.line, "member", UnknownMember(), f"m{hand.member}")
        if hand[:2] in hands:
            wrong(HANDS, hand.line, "member", FieldInvalid(field="member", why=TWICE))
        if (hand.asked and (hand.approved or hand.paid)) or (
            hand.approved and hand.paid and not hand.two_people
        ):
            wrong(HANDS, hand.line, "asked", FieldInvalid(field="asked", why=NOT_THESE_HANDS))
        hands.add(hand[:2])


# ---------------------------------------------------------------- the book


class _Adding:
    """Adds the book of an archive up, and compares it in the end with what its other files say."""

    def __init__(self, archive: Archive, keys: set[Key]) -> None:
        self.first_day: date | None = None
        self.last_day: date | None = None
        self._archive = archive
        self._keys = keys
        self._sums = Sums(keys, (line.id for line in archive.draws))
        self._moved: Counter[str] = Counter()
        self._legs: Counter[str] = Counter()

    def add(self, archived: ArchivedEntry) -> None:
        entry, transfers, hours = archived
        moved = [Moved(t.unit, t.debit, t.credit, t.amount) for t in transfers]
        refusal = self._sums.add(
            Told(entry.id, entry.kind, entry.draw, entry.corrects, entry.reversal_legs, entry.chain, moved)
        )
        if refusal is not None:
            self._blame(archived, refusal)
        if entry.written_by and (entry.written_by, MINUTES) not in self._keys:
            wrong(ENTRIES, entry.line, "written_by", UnknownAccount(), entry.written_by)
        if hours is not None:
            self._check_hours(archived, hours)
        for unit, _, _, amount in moved:
            self._moved[unit] += amount
            self._legs[unit] += 1
        day = entry.effective_on
        self.first_day = day if self.first_day is None else min(day, self.first_day)
        self.last_day = day if self.last_day is None else max(day, self.last_day)

    def finish(self) -> None:
        for line in self._archive.accounts:
            found = self._sums.turnover[line.account, line.unit]
            for column, told, right in zip(ACCOUNTS.header[2:], line[2:6], found, strict=True):
                if told != right:
                    wrong(ACCOUNTS, line.line, column, TotalsDiffer(told=told, found=right), line.account)
        for draw in self._archive.draws:
            left = self._sums.left[draw.id]
            if draw.left != left:
                wrong(DRAWS, draw.line, "promised", TotalsDiffer(told=draw.left, found=left), str(draw.id))

    def totals(self) -> list[SeenTotal]:
        return [
            SeenTotal("moved", unit, amount, self._legs[unit]) for unit, amount in sorted(self._moved.items())
        ]

    def check_accounts_of_hours(self, hours: HoursLine) -> None:
        for column, name in (
            ("giver", hours.giver),
            ("receiver", hours.receiver),
            ("logged_by", hours.logged_by),
        ):
            if name and (name, MINUTES) not in self._keys:
                wrong(HOURS, hours.line, column, UnknownAccount(), name)

    def _check_hours(self, archived: ArchivedEntry, hours: HoursLine) -> None:
        self.check_accounts_of_hours(hours)
        entry = archived.entry
        for column, told, right in (
            ("minutes", hours.minutes, archived.transfers[0].amount),
            ("effective_on", hours.effective_on, entry.effective_on),
            ("category", hours.category, entry.category),
            ("draw", hours.draw, entry.draw),
        ):
            if told != right:
                wrong(HOURS, hours.line, column, FieldInvalid(field=column, why=NOT_OF_THE_ENTRY), str(told))

    def _blame(self, archived: ArchivedEntry, refusal: Refusal) -> None:
        """Say which line is wrong: that of the transfer, where it is one whose account is not there."""
        if isinstance(refusal, UnknownAccount):
            for t in archived.transfers:
                for column, name in (("debit", t.debit), ("credit", t.credit)):
                    if (name, t.unit) not in self._keys:
                        wrong(TRANSFERS, t.line, column, refusal, name)
        column = str(refusal.params.get("field", "draw" if isinstance(refusal, UnknownDraw) else ""))
        wrong(ENTRIES, archived.entry.line, column, refusal, str(archived.entry.kind))
