"""What an audit asks of every ask that was decided: yeses, who handed over, reserves, and limits per person.

It reads records, the published rules, and the facts of each decision as they were opened for the audit. Nothing here
was used to decide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any, Final, NamedTuple

from timebank.ledger.canonical import NotCanonical, parse, read_moment
from timebank.ledger.checks import EntryRow, Finding, RecordRow, TransferRow
from timebank.rules.audit import PotRow
from timebank.rules.log_audit import fields_of
from timebank.rules.policies import Cap, Terms

DRAW_CHECKS: Final[Mapping[str, str]] = {
    "approvals": "Nothing was promised without the yeses that the pot's rules want, of people who could give them then, "
    "nor against an objection.",
    "promises": "No promise is larger than the rules let an ask be, or takes from what they keep in reserve.",
    "handed_over": "Money was handed over by somebody who carried that duty and, where the rules want two people, had "
    "not said yes; never more than was promised.",
    "facts": "The facts of every decision that can still be opened are those that the book has the hash of, and they "
    "are true.",
    "limits": "Nobody was promised more than the pot's limits let one person, or a household, ask for.",
}
"""Every check by name, with the promise that it holds."""

FACTS_GONE: Final = (
    "what {count} decisions rested on: their facts were forgotten with a person, or deleted in time"
)
NO_TERMS: Final = "that {count} decisions kept the rules: under which version they were is not known any more"
HOUSEHOLDS: Final = (
    "that {count} promises kept the limits per household: people who are one today had more together, and the book does"
    " not say since when they are"
)
ZONE_CHANGED: Final = "that limits were kept day by day: the group changed its time zone"

DayOf = Callable[[datetime], date]


class OpenedFacts(NamedTuple):
    """The facts of one decision, opened: the salt of their hash and their text."""

    salt: bytes
    text: str


class AskedBy(NamedTuple):
    """For whom an ask is, told apart from others and not by name.

    Attributes:
        person: Stands for one person in this audit; empty for somebody without an account.
        household: Stands for the household that they are in today, whenever they came into it; empty for none.
        asked_at: When it was asked.
    """

    person: str
    household: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Opened:
    """What is opened for an audit beside the records.

    Attributes:
        facts: By id of the decision: of an entry, or of a yes.
        asks: By ask.
        terms: By pot and version.
    """

    facts: Mapping[str, OpenedFacts]
    asks: Mapping[str, AskedBy]
    terms: Mapping[tuple[str, int], Terms]


class _Taken(NamedTuple):
    """What an ask took from its pot, or gave back to it (below nought)."""

    at: datetime
    amount: int


@dataclass(slots=True)
class _Draw:
    """What the records say of one ask so far.

    Attributes:
        least: The smallest amount that anybody said yes to.
        yeses: By account of who says yes, the duties that they carried when they said it.
    """

    pot: str = ""
    version: int = 0
    asked: int = 0
    least: int | None = None
    yeses: dict[int, frozenset[str]] = field(default_factory=dict)
    objections: set[int] = field(default_factory=set)
    last_yes_at: datetime | None = None
    changed_at: datetime | None = None
    seq: int = 0
    promised: int = 0
    left: int = 0
    promised_on: date | None = None
    taken: list[_Taken] = field(default_factory=list)


class DrawAudit:
    """One pass over a book beside others: fed page by page.

    Args:
        pots: As the book opened them.
        opened: What was opened for the audit.
        day_of: The day of a moment in the group's time zone.
    """

    def __init__(self, pots: Sequence[PotRow], opened: Opened, day_of: DayOf) -> None:
        self._pots = {pot.available: pot for pot in pots}
        self._promised = {pot.promised: pot for pot in pots}
        self._shared = {pot.shared: pot for pot in pots}
        self._opened = opened
        self._day_of = day_of
        self._found: dict[str, Finding] = {}
        self._draws: dict[str, _Draw] = {}
        self._roles: dict[int, set[str]] = {}
        self._free: dict[int, int] = dict.fromkeys(self._pots, 0)
        self._copied = 0
        self._facts_gone = self._no_terms = self._households = 0
        self._zone_changed = False

    def feed(
        self, records: Sequence[RecordRow], entries: Sequence[EntryRow], transfers: Sequence[TransferRow]
    ) -> None:
        """Take the next page."""
        by_seq = {entry.seq: entry for entry in entries}
        legs: dict[int, list[TransferRow]] = {}
        for transfer in transfers:
            legs.setdefault(transfer[0], []).append(transfer)
        for record in records:
            entry = by_seq.get(record.seq)
            if entry is None:
                self._other(record, fields_of(record))
            else:
                self._entry(record, entry, legs.get(record.seq, ()))

    def finish(self) -> list[Finding]:
        """Look at limits, for which everything must be known; return the first finding of each check."""
        if not self._zone_changed:
            self._check_limits()
        return sorted(self._found.values(), key=lambda finding: (finding.seq == 0, finding.seq))

    @property
    def unproved(self) -> list[str]:
        """What could not be checked, each the end of "This does not prove ..."."""
        said = [
            (FACTS_GONE, self._facts_gone),
            (NO_TERMS, self._no_terms),
            (HOUSEHOLDS, self._households),
            (ZONE_CHANGED, int(self._zone_changed)),
        ]
        return [words.format(count=count) for words, count in said if count]

    def _find(self, check: str, seq: int, what: str) -> None:
        assert check in DRAW_CHECKS, check
        first = self._found.get(check)
        if first is None or 0 < seq < first.seq:
            self._found[check] = Finding(check, seq, what)

    # ------------------------------------------------------------ records that move nothing

    def _other(self, record: RecordRow, fields: Mapping[str, Any]) -> None:
        kind, actor = str(record.kind), fields.get("actor", 0)
        if kind == "role":
            carried = self._roles.setdefault(fields.get("account", 0), set())
            (carried.add if fields.get("given") else carried.discard)(str(fields.get("role")))
        elif kind == "import" and "from" in fields:
            # What an archive brings was decided in another book.
            self._copied = int(fields.get("entries", 0))
        elif kind == "settings" and "time_zone" in fields.get("changed", ()):
            self._zone_changed = True
        elif kind == "approval":
            draw = self._draw(fields)
            amount = int(fields.get("amount", 0))
            draw.yeses[actor] = frozenset(self._roles.get(actor, ()))
            draw.least = amount if draw.least is None else min(draw.least, amount)
            draw.objections.discard(actor)
            draw.last_yes_at = read_moment(str(fields["recorded_at"]))
            self._open(record, str(fields.get("id")), fields, draw, approvals=len(draw.yeses))
        elif kind == "draw":
            self._step(str(fields.get("act")), actor, self._draw(fields), fields)

    def _draw(self, fields: Mapping[str, Any]) -> _Draw:
        draw = self._draws.setdefault(str(fields.get("draw")), _Draw())
        draw.version = int(fields.get("policy", draw.version))
        return draw

    def _step(self, act: str, actor: int, draw: _Draw, fields: Mapping[str, Any]) -> None:
        if act == "object":
            draw.objections ^= {actor}
            draw.yeses.pop(actor, None)
        elif act == "step_aside":
            draw.objections.discard(actor)
            if not draw.promised:
                draw.yeses.pop(actor, None)
        elif act == "change":
            draw.yeses.clear()
            draw.objections.clear()
            draw.changed_at = read_moment(str(fields["recorded_at"]))

    def _open(
        self,
        record: RecordRow,
        decision: str,
        fields: Mapping[str, Any],
        draw: _Draw,
        *,
        approvals: int,
        amount: int = 0,
        pot: str = "",
    ) -> None:
        """Compare the facts of a decision with their hash in the book, and with what the book says."""
        facts = self._opened.facts.get(decision)
        if facts is None:
            self._facts_gone += 1
            return
        if sha256(facts.salt + facts.text.encode()).hexdigest() != fields.get("facts_hash"):
            self._find("facts", record.seq, "its facts are not those that the book has the hash of")
            return
        try:
            told: Any = parse(facts.text.encode())
        except NotCanonical:
            told = None
        if not isinstance(told, dict) or told.get("draw") != str(fields.get("draw")):
            self._find("facts", record.seq, "its facts are those of something else")
            return
        draw.version = int(told.get("policy", 0))
        draw.asked = int(told.get("asked", 0))
        asked = self._opened.asks.get(str(fields.get("draw")))
        asked_at = told.get("asked_at")
        if (
            told.get("approvals") != approvals
            or (amount and (told.get("agreed"), told.get("pot")) != (amount, pot))
            or (asked_at is not None and asked is not None and read_moment(str(asked_at)) != asked.asked_at)
        ):
            self._find("facts", record.seq, "its facts say something else than the book")

    # ------------------------------------------------------------ entries

    def _entry(self, record: RecordRow, entry: EntryRow, legs: Sequence[TransferRow]) -> None:
        copied = self._copied > 0
        self._copied -= copied
        draw = None if entry.draw_id is None else self._draws.setdefault(str(entry.draw_id), _Draw())
        decides = draw is not None and not copied and entry.source == "draw"
        if decides and entry.kind == "promise" and legs:
            assert draw is not None, entry.seq
            self._check_promise(record, entry, draw, legs[0])
        if decides and entry.kind == "hand_over":
            assert draw is not None, entry.seq
            self._check_hand_over(record, entry, draw)
        for leg in legs:
            for number, amount in ((leg[2], -leg[4]), (leg[3], leg[4])):
                if number in self._free:
                    self._free[number] += amount
            if draw is not None:
                self._take(entry, draw, leg)
        if decides and draw is not None and draw.left < 0:
            self._find("handed_over", entry.seq, "more was handed over, or given back, than was promised")

    def _take(self, entry: EntryRow, draw: _Draw, leg: TransferRow) -> None:
        """Count what a step took from the pot for an ask, and what of its promise is left."""
        amount, source, target = leg[4], leg[2], leg[3]
        if source in self._pots and target in self._promised:
            draw.promised += amount
            draw.left += amount
            draw.taken.append(_Taken(entry.recorded_at, amount))
        elif source in self._promised:
            draw.left -= amount
            if target in self._pots:
                draw.taken.append(_Taken(entry.recorded_at, -amount))
        elif target in self._promised:
            draw.left += amount
        elif entry.kind == "money_returned" and source in self._shared and target in self._pots:
            draw.taken.append(_Taken(entry.recorded_at, -amount))

    def _check_promise(self, record: RecordRow, entry: EntryRow, draw: _Draw, leg: TransferRow) -> None:
        fields = fields_of(record)
        actor, amount, pot = int(fields.get("actor", 0)), leg[4], self._pots.get(leg[2])
        if pot is None:
            return
        draw.pot, draw.seq, draw.promised_on = pot.code, record.seq, entry.effective_on
        if actor:
            draw.yeses[actor] = frozenset(self._roles.get(actor, ()))
            draw.objections.discard(actor)
        self._open(
            record,
            str(entry.entry_id),
            fields,
            draw,
            approvals=len(draw.yeses),
            amount=amount,
            pot=pot.code,
        )
        terms = self._opened.terms.get((pot.code, draw.version))
        if terms is None:
            self._no_terms += 1
            return
        needed = terms.approvals_needed(amount)
        if amount < draw.asked:
            # "At once" is for the whole of an ask; to less than that, somebody has to say yes.
            needed = max(1, needed)
        if len(draw.yeses) < needed:
            what = f"it was promised with {len(draw.yeses)} of the {needed} yeses that the rules of {pot.code} want"
            self._find("approvals", record.seq, what)
        self._check_window(record, entry, draw, terms, actor)
        counting = terms.approver_roles(amount)
        for account, carried in draw.yeses.items():
            if carried.isdisjoint(counting):
                what = f"account {account} said yes to it and carried none of the duties whose yes counts"
                self._find("approvals", record.seq, what)
        if terms.per_request_max is not None and amount > terms.per_request_max:
            what = f"{amount} were promised; the rules of {pot.code} let an ask have {terms.per_request_max}"
            self._find("promises", record.seq, what)
        if terms.reserve is not None and self._free[pot.available] - amount < terms.reserve:
            what = f"it leaves less than the {terms.reserve} that the rules of {pot.code} keep in reserve"
            self._find("promises", record.seq, what)

    def _check_window(
        self, record: RecordRow, entry: EntryRow, draw: _Draw, terms: Terms, actor: int
    ) -> None:
        if draw.objections:
            self._find("approvals", record.seq, "it was promised while somebody objected")
        if not terms.consent_hours:
            return
        window = timedelta(hours=terms.consent_hours)
        too_soon = draw.last_yes_at is not None and entry.recorded_at < draw.last_yes_at + window
        if actor or too_soon:
            what = f"it was promised before the {terms.consent_hours} hours for objections were over"
            self._find("approvals", record.seq, what)

    def _check_hand_over(self, record: RecordRow, entry: EntryRow, draw: _Draw) -> None:
        actor = int(fields_of(record).get("actor", 0))
        if "treasurer" not in self._roles.get(actor, set()):
            self._find("handed_over", record.seq, f"account {actor} handed over and was no treasurer then")
        terms = self._opened.terms.get((draw.pot, draw.version))
        if terms is None:
            return
        if actor in draw.yeses and not terms.two_people:
            self._find("handed_over", record.seq, f"account {actor} said yes to it, and handed it over")
        if terms.rhythm is not None and draw.promised_on is not None:
            first = terms.rhythm.next_day(draw.promised_on)
            if entry.effective_on < first:
                self._find("handed_over", record.seq, f"it was handed over before {first.isoformat()}")

    # ------------------------------------------------------------ limits

    def _check_limits(self) -> None:
        """Compare every promise with what the same person, or household, had from this pot when it was asked."""
        promised = {draw_id: draw for draw_id, draw in self._draws.items() if draw.seq and draw.taken}
        groups: dict[tuple[str, str], list[tuple[datetime, datetime, _Draw]]] = {}
        for draw_id, draw in promised.items():
            asked = self._opened.asks.get(draw_id)
            if asked is None or not asked.person:
                continue
            last = max(asked.asked_at, draw.changed_at or asked.asked_at)
            for whose in {asked.person, asked.household or asked.person}:
                groups.setdefault((whose, draw.pot), []).append((last, asked.asked_at, draw))
        for draw_id, draw in promised.items():
            asked = self._opened.asks.get(draw_id)
            terms = self._opened.terms.get((draw.pot, draw.version))
            if asked is None or not asked.person or terms is None:
                continue
            exceeded = False
            for place, cap in enumerate(terms.caps):
                what = self._exceeds(draw, asked, cap, groups[asked.person, draw.pot])
                if what:
                    self._find("limits", draw.seq, f"limit {place + 1} of {draw.pot} is {what} one person")
                elif cap.per == "household" and asked.household:
                    exceeded |= bool(self._exceeds(draw, asked, cap, groups[asked.household, draw.pot]))
            self._households += exceeded

    def _exceeds(
        self, draw: _Draw, asked: AskedBy, cap: Cap, others: Sequence[tuple[datetime, datetime, _Draw]]
    ) -> str:
        """Return how a promise exceeds a limit, with what else the same people had, or nothing."""
        at = max(asked.asked_at, draw.changed_at or asked.asked_at)
        first = cap.first_day(self._day_of(at))
        # Of two that were asked at one moment, one was the last; which of them does not change what they come to.
        used = [
            _counted(other, at)
            for last, asked_at, other in others
            if (last, other.seq) < (at, draw.seq) and first <= self._day_of(asked_at)
        ]
        amount = draw.taken[0].amount
        if cap.most is not None and sum(used) + amount > cap.most:
            return f"{cap.most}, and {sum(used) + amount} were promised to"
        times = sum(amount > 0 for amount in used) + 1
        if cap.times is not None and times > cap.times:
            return f"{cap.times} times, and this is time {times} for"
        return ""


def _counted(draw: _Draw, at: datetime) -> int:
    """Return what of an ask counted at a moment: what it had, or what it was to get when it still waited."""
    had = [taken.amount for taken in draw.taken if taken.at <= at]
    if had:
        return sum(had)
    # A yes to less may have counted then, and been taken back later for one to more.
    promised = draw.taken[0].amount
    return promised if draw.least is None else min(promised, draw.least)
