"""The rules of a pot as data: read and checked field by field, written in one form, and asked for what they allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

from timebank.errors import N_, FieldInvalid, PolicyInvalid, Refusal, RuleNotYet
from timebank.ledger.units import AMOUNT_MAX, MINUTES
from timebank.rules.names import free_text

WHO: Final = ("members", "anyone")
PER: Final = ("person", "household")
PERIODS: Final = ("month", "year", "days")
RECEIPTS: Final = ("never", "optional", "above")
SCARCITY: Final = ("refuse", "queue")
#: Answers to a short pot that are known, and that no version can give yet.
SCARCITY_LATER: Final = ("pro_rata", "lottery", "poll")
EVERY: Final = ("week", "fortnight", "month")
LIMIT_THEN: Final = ("pause", "talk")
APPROVERS: Final = ("steward", "treasurer", "auditor")

COUNT_MAX: Final = 9
DAYS_MAX: Final = 366
CONSENT_HOURS_MAX: Final = 14 * 24
TEXT_MAX: Final = 1000
CAPS_MAX: Final = 8
TIERS_MAX: Final = 8

NO_SUCH_RULE: Final = N_("there is no such rule")
NOT_AN_OBJECT: Final = N_("it must be an object")
NOT_A_LIST: Final = N_("it must be a list")
NOT_TRUE_OR_FALSE: Final = N_("it must be true or false")
NOT_WHOLE: Final = N_("it must be a whole number")
OUT_OF_RANGE: Final = N_("it is too small or too large")
NOT_ONE_OF_THESE: Final = N_("it is none of the words that can stand here")
NOT_FROM_NOUGHT: Final = N_("the first step must hold above 0")
NOT_ASCENDING: Final = N_("steps must ascend")
SAYS_NOTHING: Final = N_("it must have a sum, a count or both")
MISSING: Final = N_("it is missing")
NOT_A_TEXT: Final = N_("it must be a text")
NOT_A_DATE: Final = N_("it must be a day such as 2026-03-01")
ONLY_HOURS: Final = N_("only a pot of hours can have it")
ONLY_MONEY: Final = N_("only a pot of money can have it")
TOO_MANY_RULES: Final = N_("there are too many")


class Cap(NamedTuple):
    """A limit on what one person or household can have asked for in a period.

    Attributes:
        per: ``person`` or ``household``; somebody in no household counts alone.
        period: ``month`` and ``year`` of the calendar, or the last ``days`` with today.
        days: How many, for ``days``; else 0.
        most: Largest sum in the pot's unit, or None.
        times: Largest number of draws, or None.
    """

    per: str
    period: str
    days: int = 0
    most: int | None = None
    times: int | None = None

    def first_day(self, today: date) -> date:
        """Return the first day that counts, in the same calendar as ``today``."""
        if self.period == "month":
            return today.replace(day=1)
        if self.period == "year":
            return today.replace(month=1, day=1)
        return today - timedelta(days=self.days - 1)


class Rhythm(NamedTuple):
    """When money is handed over: on a weekday (1 is Monday) of each week or second week, or on a day of the month.

    ``first`` is a day of the first of the fortnights; ``day`` is 1 to 28.
    """

    every: str
    weekday: int = 0
    day: int = 0
    first: date | None = None

    def next_day(self, promised_on: date) -> date:
        """Return the first day, from the day of the promise on, on which money is handed over."""
        if self.every == "month":
            here = promised_on.replace(day=self.day)
            return here if here >= promised_on else (here + timedelta(days=31)).replace(day=self.day)
        ahead = promised_on + timedelta(days=(self.weekday - promised_on.isoweekday()) % 7)
        if self.every == "fortnight" and self.first is not None:
            weeks = (_monday(ahead) - _monday(self.first)).days // 7
            ahead += timedelta(days=7 * (weeks % 2))
        return ahead


class Limit(NamedTuple):
    """In time-bank mode: what follows once somebody received so many minutes more than they gave."""

    at: int
    then: str


class Surplus(NamedTuple):
    """What the group agreed for a pot with more than ``above``: ``keep`` stays, the text says the rest."""

    above: int
    keep: int | None = None
    text: str = ""


class StewardTerms(NamedTuple):
    """For how many months anybody may be steward, how many there should be, and what else was agreed."""

    months: int | None = None
    people: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """What one version of a pot's rules says.

    Attributes:
        per_request_max: Most that one ask may want, in the pot's unit; None for no limit.
        approvals: (above, count) tiers, ascending from 0: an ask of more than ``above`` needs ``count``
            different people; a count of 0 is "at once".
        two_people: Whether whoever approved may also hand money over.
        approvers: (above, roles) for tiers whose yes is not a steward's only.
        who: ``members``, or ``anyone`` with the link.
        caps: Limits by person or household and period.
        consent_hours: Hours after the last yes in which any steward may object; 0 for none.
        receipts: Whether receipts are looked at: never, optional, or above ``receipts_above``.
        reserve: What promises leave in the pot; None for nothing.
        scarcity: What a yes to more than there is leads to: ``refuse`` it for now, or ``queue``.
        rhythm: When money is handed over; None for any day.
        beyond_at_once: Whether hours given beyond a promise reach the asker; None if such an ask would be
            answered at once.
        promise_days: Days after which a promise that nobody used is given back; 0 for never.
        keep_days: Days after the end for which contact and payout are kept.
        limit: For time-bank hours.
        surplus, stewards: Agreed in words; the program only reminds.
    """

    per_request_max: int | None = None
    approvals: tuple[tuple[int, int], ...] = ((0, 1),)
    two_people: bool = False
    approvers: tuple[tuple[int, tuple[str, ...]], ...] = ()
    who: str = "members"
    caps: tuple[Cap, ...] = ()
    consent_hours: int = 0
    receipts: str = "never"
    receipts_above: int = 0
    reserve: int | None = None
    scarcity: str = "refuse"
    rhythm: Rhythm | None = None
    beyond_at_once: bool | None = None
    promise_days: int = 0
    keep_days: int = 30
    limit: Limit | None = None
    surplus: Surplus | None = None
    stewards: StewardTerms | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the terms as they are stored and published; rules that say nothing are left out."""
        roles = dict(self.approvers)
        told: dict[str, Any] = {
            "approvals": [
                {"above": above, "count": count, **({"roles": list(roles[above])} if above in roles else {})}
                for above, count in self.approvals
            ],
            "per_request_max": self.per_request_max,
            "two_people": self.two_people,
        }
        for name in _PLAIN:
            value = getattr(self, name)
            if value != _NOTHING_SAID[name]:
                told[name] = value
        if self.caps:
            told["caps"] = [_written(cap, {"most": "sum", "times": "count"}) for cap in self.caps]
        if self.rhythm is not None:
            first = self.rhythm.first
            told["rhythm"] = _written(self.rhythm) | ({"first": first.isoformat()} if first else {})
        for name in ("limit", "surplus", "stewards"):
            value = getattr(self, name)
            if value is not None:
                told[name] = _written(value)
        return told

    def approvals_needed(self, amount: int) -> int:
        """Return how many different people must say yes to this amount; 0 is none."""
        return next((count for above, count in reversed(self.approvals) if amount > above), 0)

    def approver_roles(self, amount: int) -> tuple[str, ...]:
        """Return the duties whose yes counts for this amount."""
        above = next((above for above, _ in reversed(self.approvals) if amount > above), 0)
        return dict(self.approvers).get(above, ("steward",))

    def lets_beyond(self, minutes: int) -> bool:
        """Return whether so many minutes more than were promised reach the asker without another yes."""
        return self.approvals_needed(minutes) == 0 if self.beyond_at_once is None else self.beyond_at_once

    def wants_receipt(self, amount: int) -> bool:
        """Return whether this amount is handed over against a receipt only."""
        return self.receipts == "above" and amount > self.receipts_above


@dataclass(frozen=True, slots=True)
class Policy:
    """One published version of a pot's rules; every decision names the version that allowed it."""

    version: int
    terms: Terms


def read_policy(version: int, terms: Mapping[str, Any]) -> Policy:
    """Read the terms of a policy as they are stored; what is stored was checked before."""
    return Policy(version, _Reading(terms, None).terms())


def stored_terms(told: Any) -> Terms | None:
    """Return terms that are exactly as they would be stored, or None for anything else."""
    reading = _Reading(told, None)
    terms = reading.terms()
    return terms if not reading.faults and terms.as_json() == told else None


def read_terms(told: Mapping[str, Any], unit: str) -> Terms:
    """Read the terms that somebody proposes for a pot of this unit.

    Raises:
        RuleNotYet: They want an answer to a short pot that this version cannot give.
        PolicyInvalid: With every field that is wrong, by its path.
    """
    reading = _Reading(told, unit)
    terms = reading.terms()
    if reading.faults:
        later = next((fault for fault in reading.faults if isinstance(fault, RuleNotYet)), None)
        raise later or PolicyInvalid.of([f for f in reading.faults if isinstance(f, FieldInvalid)])
    return terms


def check_terms(terms: Terms, unit: str) -> None:
    """Refuse terms that no pot of this unit can have.

    Raises:
        PolicyInvalid, RuleNotYet: See ``read_terms``.
    """
    read_terms(terms.as_json(), unit)


class _Reading:
    """Reads terms, goes on after what is wrong, and remembers it.

    Args:
        unit: The pot's unit; None for what is stored.
    """

    def __init__(self, told: Mapping[str, Any], unit: str | None) -> None:
        self.told = told
        self.unit = unit
        self.faults: list[Refusal] = []

    def terms(self) -> Terms:
        told = self._object(self.told, "", _FIELDS)
        approvals, approvers = self._approvals(told.get("approvals"))
        receipts = self._word(told, "receipts", RECEIPTS, "never")
        if receipts == "above" and "receipts_above" not in told:
            self._wrong("receipts_above", MISSING)
        return Terms(
            per_request_max=self._number(told, "per_request_max", 1),
            approvals=approvals,
            two_people=bool(self._flag(told, "two_people")),
            approvers=approvers,
            who=self._word(told, "who", WHO, "members"),
            caps=self._caps(told.get("caps")),
            consent_hours=self._number(told, "consent_hours", 0, CONSENT_HOURS_MAX) or 0,
            receipts=receipts,
            receipts_above=self._number(told, "receipts_above", 0) or 0,
            reserve=self._number(told, "reserve", 0),
            scarcity=self._scarcity(told),
            rhythm=self._rhythm(told.get("rhythm")),
            beyond_at_once=self._flag(told, "beyond_at_once", only=MINUTES),
            promise_days=self._number(told, "promise_days", 0, DAYS_MAX) or 0,
            keep_days=self._number(told, "keep_days", 0, DAYS_MAX, otherwise=30) or 0,
            limit=self._limit(told.get("limit")),
            surplus=self._surplus(told.get("surplus")),
            stewards=self._stewards(told.get("stewards")),
        )

    # ------------------------------------------------------------ rules with parts

    def _approvals(
        self, told: Any
    ) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, tuple[str, ...]], ...]]:
        if told is None:
            return ((0, 1),), ()
        tiers: list[tuple[int, int]] = []
        roles: list[tuple[int, tuple[str, ...]]] = []
        for path, each in self._list(told, "approvals", TIERS_MAX):
            tier = self._object(each, path, ("above", "count", "roles"), needs=("above", "count"))
            above = self._number(tier, "above", 0, path=path) or 0
            tiers.append((above, self._number(tier, "count", 0, COUNT_MAX, path=path) or 0))
            if "roles" in tier:
                found = self._roles(tier["roles"], f"{path}.roles")
                if found != ("steward",):
                    roles.append((above, found))
        if self.unit is not None:
            if not tiers or tiers[0][0] != 0:
                self._wrong("approvals", NOT_FROM_NOUGHT)
            if [above for above, _ in tiers] != sorted({above for above, _ in tiers}):
                self._wrong("approvals", NOT_ASCENDING)
        return tuple(sorted(tiers)), tuple(roles)

    def _roles(self, told: Any, path: str) -> tuple[str, ...]:
        found = [role for _, role in self._list(told, path, len(APPROVERS))]
        if not found or any(role not in APPROVERS for role in found) or len(set(found)) < len(found):
            self._wrong(path, NOT_ONE_OF_THESE)
            return ("steward",)
        return tuple(found)

    def _caps(self, told: Any) -> tuple[Cap, ...]:
        caps = []
        for path, each in self._list(told if told is not None else [], "caps", CAPS_MAX):
            cap = self._object(each, path, ("per", "period", "days", "sum", "count"), needs=("per", "period"))
            most = self._number(cap, "sum", 1, path=path)
            count = self._number(cap, "count", 1, 10_000, path=path)
            period = self._word(cap, "period", PERIODS, "month", path=path)
            days = self._number(cap, "days", 1, DAYS_MAX, path=path)
            if most is None and count is None:
                self._wrong(path, SAYS_NOTHING)
            if (period == "days") != (days is not None):
                self._wrong(f"{path}.days", MISSING if days is None else NO_SUCH_RULE)
            caps.append(Cap(self._word(cap, "per", PER, "person", path=path), period, days or 0, most, count))
        return tuple(caps)

    def _scarcity(self, told: Mapping[str, Any]) -> str:
        if told.get("scarcity") in SCARCITY_LATER:
            self.faults.append(RuleNotYet(rule=str(told["scarcity"])))
            return "refuse"
        return self._word(told, "scarcity", SCARCITY, "refuse")

    def _rhythm(self, told: Any) -> Rhythm | None:
        if told is None:
            return None
        if self.unit == MINUTES:
            self._wrong("rhythm", ONLY_MONEY)
        rhythm = self._object(told, "rhythm", ("every", "weekday", "day", "first"), needs=("every",))
        every = self._word(rhythm, "every", EVERY, "week", path="rhythm")
        wanted = {"week": {"weekday"}, "fortnight": {"weekday", "first"}, "month": {"day"}}[every]
        for name in ("weekday", "day", "first"):
            if (name in rhythm) != (name in wanted):
                self._wrong(f"rhythm.{name}", MISSING if name in wanted else NO_SUCH_RULE)
        return Rhythm(
            every,
            self._number(rhythm, "weekday", 1, 7, path="rhythm") or 0,
            self._number(rhythm, "day", 1, 28, path="rhythm") or 0,
            self._day(rhythm.get("first"), "rhythm.first"),
        )

    def _limit(self, told: Any) -> Limit | None:
        if told is None:
            return None
        if self.unit not in {None, MINUTES}:
            self._wrong("limit", ONLY_HOURS)
        limit = self._object(told, "limit", ("at", "then"), needs=("at", "then"))
        at = self._number(limit, "at", 1, path="limit") or 1
        return Limit(at, self._word(limit, "then", LIMIT_THEN, "talk", path="limit"))

    def _surplus(self, told: Any) -> Surplus | None:
        if told is None:
            return None
        surplus = self._object(told, "surplus", ("above", "keep", "text"), needs=("above",))
        above = self._number(surplus, "above", 1, path="surplus") or 1
        keep = self._number(surplus, "keep", 0, path="surplus")
        if keep is not None and keep > above:
            self._wrong("surplus.keep", OUT_OF_RANGE)
        return Surplus(above, keep, self._text(surplus, "text", path="surplus"))

    def _stewards(self, told: Any) -> StewardTerms | None:
        if told is None:
            return None
        terms = self._object(told, "stewards", ("months", "people", "text"))
        return StewardTerms(
            self._number(terms, "months", 1, 120, path="stewards"),
            self._number(terms, "people", 1, 100, path="stewards"),
            self._text(terms, "text", path="stewards"),
        )

    # ------------------------------------------------------------ single values

    def _wrong(self, path: str, why: str) -> None:
        self.faults.append(FieldInvalid(field=path, why=why))

    def _object(
        self, told: Any, path: str, names: Sequence[str], *, needs: Sequence[str] = ()
    ) -> Mapping[str, Any]:
        if not isinstance(told, Mapping):
            self._wrong(path, NOT_AN_OBJECT)
            return {}
        for name in told:
            if name not in names:
                self._wrong(_path(path, str(name)), NO_SUCH_RULE)
        for name in needs:
            if told.get(name) is None:
                self._wrong(_path(path, name), MISSING)
        return {name: value for name, value in told.items() if value is not None}

    def _list(self, told: Any, path: str, most: int) -> list[tuple[str, Any]]:
        if not isinstance(told, list | tuple):
            self._wrong(path, NOT_A_LIST)
            return []
        if len(told) > most:
            self._wrong(path, TOO_MANY_RULES)
        return [(f"{path}[{place}]", each) for place, each in enumerate(told[:most])]

    def _number(
        self,
        told: Mapping[str, Any],
        name: str,
        least: int,
        most: int = AMOUNT_MAX,
        *,
        path: str = "",
        otherwise: int | None = None,
    ) -> int | None:
        value = told.get(name)
        if value is None:
            return otherwise
        if type(value) is not int:
            self._wrong(_path(path, name), NOT_WHOLE)
            return otherwise
        if not least <= value <= most:
            self._wrong(_path(path, name), OUT_OF_RANGE)
            return otherwise
        return value

    def _flag(self, told: Mapping[str, Any], name: str, *, only: str = "") -> bool | None:
        value = told.get(name)
        if value is None:
            return None
        if only and self.unit not in {None, only}:
            self._wrong(name, ONLY_HOURS)
        if type(value) is not bool:
            self._wrong(name, NOT_TRUE_OR_FALSE)
            return None
        return value

    def _word(
        self, told: Mapping[str, Any], name: str, words: Sequence[str], otherwise: str, *, path: str = ""
    ) -> str:
        value = told.get(name)
        if value is None:
            return otherwise
        if not isinstance(value, str) or value not in words:
            self._wrong(_path(path, name), NOT_ONE_OF_THESE)
            return otherwise
        return value

    def _text(self, told: Mapping[str, Any], name: str, *, path: str) -> str:
        value = told.get(name, "")
        if not isinstance(value, str):
            self._wrong(_path(path, name), NOT_A_TEXT)
            return ""
        try:
            return free_text(value, field=_path(path, name), length_max=TEXT_MAX)
        except FieldInvalid as fault:
            self.faults.append(fault)
            return ""

    def _day(self, value: Any, path: str) -> date | None:
        if value is None:
            return None
        try:
            return date.fromisoformat(value)
        except (TypeError, ValueError):
            self._wrong(path, NOT_A_DATE)
            return None


def _path(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _written(value: Any, names: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return a part of the terms as it is stored, without what it does not say."""
    return {
        (names or {}).get(name, name): told
        for name, told in value._asdict().items()
        if told not in (None, "", 0) or (name in {"keep", "above"} and told == 0)
    }


_PLAIN: Final = (
    "who",
    "consent_hours",
    "receipts",
    "receipts_above",
    "reserve",
    "scarcity",
    "beyond_at_once",
    "promise_days",
    "keep_days",
)
_NOTHING_SAID: Final[Mapping[str, Any]] = {name: getattr(Terms(), name) for name in _PLAIN}
_FIELDS: Final = (
    "approvals", "per_request_max", "two_people", *_PLAIN, "caps", "rhythm", "limit", "surplus", "stewards",
)  # fmt: skip
