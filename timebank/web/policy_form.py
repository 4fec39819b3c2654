"""The rules of a pot as fields of a form: written from terms, and read back with every fault at its field."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from timebank.errors import N_, PolicyInvalid, Refusal, RuleNotYet
from timebank.i18n import Language
from timebank.ledger.units import MINUTES, Unit
from timebank.rules.policies import APPROVERS, CAPS_MAX, TEXT_MAX, TIERS_MAX, read_terms
from timebank.rules.written import read_amount, read_minutes
from timebank.web.forms import field_whole
from timebank.web.words import Amounts

Fields = Mapping[str, Sequence[str]]

#: What a select says for "nothing", and what numbers of days or people are at most as long as.
NOTHING: Final = ""
_DIGITS_MAX: Final = 6


@dataclass(slots=True)
class ReadForm:
    """What a form came to: the terms as they are proposed, and what is wrong by field."""

    terms: dict[str, Any]
    faults: dict[str, str] = field(default_factory=dict)


def fields_of(terms: Mapping[str, Any], unit: Unit, chosen: Language) -> dict[str, list[str]]:
    """Return the fields of a form that stand for terms, as a reader of this language would write them."""
    amounts = Amounts(unit, chosen)

    def written(amount: int | None) -> str:
        return "" if amount is None else amounts.field(amount)

    def plain(value: int | None) -> str:
        return chosen.digits(str(value)) if value else ""

    said: dict[str, str] = {
        "who": terms.get("who", "members"),
        "per_request_max": written(terms.get("per_request_max")),
        "consent_hours": plain(terms.get("consent_hours")),
        "receipts": terms.get("receipts", "never"),
        "receipts_above": written(terms.get("receipts_above")),
        "reserve": written(terms.get("reserve")),
        "scarcity": terms.get("scarcity", "refuse"),
        "two_people": "yes" if terms.get("two_people") else "no",
        "beyond": {True: "yes", False: "no"}.get(terms.get("beyond_at_once"), NOTHING),  # type: ignore[arg-type]
        "promise_days": plain(terms.get("promise_days")),
        "keep_days": chosen.digits(str(terms.get("keep_days", 30))),
        **{f"rhythm_{name}": plain((terms.get("rhythm") or {}).get(name)) for name in _RHYTHM},
        **{f"stewards_{name}": plain((terms.get("stewards") or {}).get(name)) for name in _STEWARDS},
    }
    limit, surplus = terms.get("limit") or {}, terms.get("surplus") or {}
    said |= {"limit_at": written(limit.get("at")), "limit_then": limit.get("then", "talk")}
    said |= {f"surplus_{name}": written(surplus.get(name)) for name in ("above", "keep")}
    said["surplus_text"] = surplus.get("text", "")
    fields = {name: [value] for name, value in said.items()}
    for row, tier in enumerate(terms.get("approvals") or [{"above": 0, "count": 1}]):
        fields[f"tier-{row}-above"] = [written(tier["above"]) if row else ""]
        fields[f"tier-{row}-count"] = [chosen.digits(str(tier["count"]))]
        fields[f"tier-{row}-roles"] = list(tier.get("roles") or ["steward"])
    for row, cap in enumerate(terms.get("caps") or ()):
        for name in ("per", "period"):
            fields[f"cap-{row}-{name}"] = [cap[name]]
        fields[f"cap-{row}-sum"] = [written(cap.get("sum"))]
        fields[f"cap-{row}-count"] = [plain(cap.get("count"))]
        fields[f"cap-{row}-days"] = [plain(cap.get("days"))]
    return fields


def rows_of(fields: Fields, kind: str) -> int:
    """Return how many rows of tiers or limits a form shows: those that are filled, and one more."""
    most = {"tier": TIERS_MAX, "cap": CAPS_MAX}[kind]
    filled = [
        row
        for row in range(most)
        if any(field_whole(fields, f"{kind}-{row}-{name}").strip() for name in _OF_ROWS[kind])  # type: ignore[arg-type]
    ]
    return min(most, (filled[-1] if filled else -1) + 2)


def read_policy_form(fields: Fields, unit: Unit, language: Language) -> ReadForm:
    """Return the terms that a form stands for, in the one form in which they are stored, or what is wrong."""
    return _Reader(fields, unit, language).read()


_RHYTHM: Final = ("every", "weekday", "day", "first")
_STEWARDS: Final = ("months", "people", "text")
_OF_ROWS: Final[Mapping[str, tuple[str, ...]]] = {"tier": ("above", "count"), "cap": ("sum", "count")}
_OF_RHYTHM: Final[Mapping[str, tuple[str, ...]]] = {
    "week": ("weekday",),
    "fortnight": ("weekday", "first"),
    "month": ("day",),
}


class _Reader:
    """Reads every field, goes on after what is wrong, and knows which field each part of the terms came from."""

    def __init__(self, fields: Fields, unit: Unit, language: Language) -> None:
        self.fields = fields
        self.unit = unit
        self.language = language
        self.form = ReadForm({})
        self.came_from: dict[str, str] = {}

    def read(self) -> ReadForm:
        told = self.form.terms
        for name in ("who", "receipts", "scarcity"):
            told[name] = self._text(name)
        for name in ("per_request_max", "reserve"):
            told[name] = self._amount(name)
        for name in ("consent_hours", "promise_days", "keep_days"):
            told[name] = self._number(name)
        told["two_people"] = self._text("two_people") == "yes"
        if told["receipts"] == "above":
            told["receipts_above"] = self._amount("receipts_above") or 0
        told["approvals"] = self._tiers()
        told["caps"] = self._caps()
        if self.unit.kind == "time":
            told["beyond_at_once"] = {"yes": True, "no": False}.get(self._text("beyond"))
            told["limit"] = self._limit()
        else:
            told["rhythm"] = self._rhythm()
        told["surplus"] = self._surplus()
        told["stewards"] = self._stewards()
        self._check()
        return self.form

    def _check(self) -> None:
        if self.form.faults:
            return
        told = {name: value for name, value in self.form.terms.items() if value not in (None, [], {})}
        try:
            self.form.terms = read_terms(told, self.unit.code).as_json()
        except RuleNotYet as refusal:
            self.form.faults["scarcity"] = self.language.refusal(refusal)
        except PolicyInvalid as refusal:
            for path, fault in refusal.faults:
                why = self.language.say(str(fault.params.get("why", "")))
                self._wrong(self._field_of(path), self.language.say(N_("Look at it again: %(why)s"), why=why))

    def _field_of(self, path: str) -> str:
        if path in self.came_from:
            return self.came_from[path]
        flat = path.replace(".", "_")
        row = re.match(r"(approvals|caps)(?:\[(\d+)\])?(?:\.(\w+))?$", path)
        if row is None:
            return flat
        kind, place, name = row.groups()
        first = self.came_from.get(f"{kind}[{place or 0}]", "tier-0" if kind == "approvals" else "cap-0")
        return f"{first}-{name or _OF_ROWS['tier' if kind == 'approvals' else 'cap'][-1]}"

    # ------------------------------------------------------------ rules with parts

    def _tiers(self) -> list[dict[str, Any]]:
        tiers: list[dict[str, Any]] = []
        for row in range(TIERS_MAX):
            if row and not self._text(f"tier-{row}-above"):
                continue
            above = self._amount(f"tier-{row}-above") if row else 0
            count = self._number(f"tier-{row}-count")
            if count is None and f"tier-{row}-count" not in self.form.faults:
                self._wrong(f"tier-{row}-count", self.language.say(N_("Write how many")))
            self.came_from[f"approvals[{len(tiers)}]"] = f"tier-{row}"
            roles = [role for role in APPROVERS if role in self.fields.get(f"tier-{row}-roles", ())] or [
                "steward"
            ]
            tier: dict[str, Any] = {"above": above or 0, "count": count or 0}
            tiers.append(tier | ({} if roles == ["steward"] else {"roles": roles}))
        return tiers

    def _caps(self) -> list[dict[str, Any]]:
        caps: list[dict[str, Any]] = []
        for row in range(CAPS_MAX):
            if not (self._text(f"cap-{row}-sum") or self._text(f"cap-{row}-count")):
                continue
            self.came_from[f"caps[{len(caps)}]"] = f"cap-{row}"
            cap = {name: self._text(f"cap-{row}-{name}") for name in ("per", "period")}
            said = {
                "sum": self._amount(f"cap-{row}-sum"),
                "count": self._number(f"cap-{row}-count"),
                "days": self._number(f"cap-{row}-days") if cap["period"] == "days" else None,
            }
            caps.append({**cap, **{name: value for name, value in said.items() if value is not None}})
        return caps

    def _rhythm(self) -> dict[str, Any] | None:
        every = self._text("rhythm_every")
        if not every:
            return None
        rhythm: dict[str, Any] = {"every": every}
        for name in _OF_RHYTHM.get(every, ()):
            rhythm[name] = self._text("rhythm_first") if name == "first" else self._number(f"rhythm_{name}")
        return rhythm

    def _limit(self) -> dict[str, Any] | None:
        at = self._amount("limit_at")
        return None if at is None else {"at": at, "then": self._text("limit_then")}

    def _surplus(self) -> dict[str, Any] | None:
        above, keep = self._amount("surplus_above"), self._amount("surplus_keep")
        if above is None:
            return None
        said = {"above": above, "keep": keep, "text": self._text("surplus_text")}
        return {name: value for name, value in said.items() if value not in (None, "")}

    def _stewards(self) -> dict[str, Any] | None:
        said = {
            "months": self._number("stewards_months"),
            "people": self._number("stewards_people"),
            "text": self._text("stewards_text"),
        }
        return {name: value for name, value in said.items() if value not in (None, "")} or None

    # ------------------------------------------------------------ single values

    def _text(self, name: str) -> str:
        return next(iter(self.fields.get(name, ())), "")[: 2 * TEXT_MAX].strip()

    def _number(self, name: str) -> int | None:
        said = self._text(name)
        if not said:
            return None
        if not said.isdecimal() or len(said) > _DIGITS_MAX:
            self._wrong(name, self.language.say(N_("Write a whole number")))
            return None
        return int(said)

    def _amount(self, name: str) -> int | None:
        said = self._text(name)
        if not said:
            return None
        if said.isdecimal() and not int(said):
            return 0
        try:
            if self.unit.code == MINUTES:
                return read_minutes(said)
            return read_amount(said, digits=self.unit.digits, symbols=(self.unit.code,))
        except Refusal:
            advice = (
                N_("Write how long, for example 1:30")
                if self.unit.code == MINUTES
                else N_("Write an amount, for example 12.50")
            )
            self._wrong(name, self.language.say(advice))
            return None

    def _wrong(self, name: str, text: str) -> None:
        self.form.faults.setdefault(name, text)
