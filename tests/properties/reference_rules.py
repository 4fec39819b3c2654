"""The rules of a pot, read once more from what is stored of them, by a reader that knows nothing of the other one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any


class Terms:
    """One version of a pot's rules."""

    def __init__(self, told: Mapping[str, Any], version: int = 1) -> None:
        self.version = version
        self.most: int | None = told.get("per_request_max")
        self.tiers: list[Mapping[str, Any]] = told.get("approvals") or [{"above": 0, "count": 1}]
        self.two_people: bool = told.get("two_people", False)
        self.caps: list[Mapping[str, Any]] = told.get("caps", [])
        self.consent_hours: int = told.get("consent_hours", 0)
        self.receipts: str = told.get("receipts", "never")
        self.receipts_above: int = told.get("receipts_above", 0)
        self.reserve: int | None = told.get("reserve")
        self.queues: bool = told.get("scarcity") == "queue"
        self.rhythm: Mapping[str, Any] | None = told.get("rhythm")
        self.beyond: bool | None = told.get("beyond_at_once")
        self.promise_days: int = told.get("promise_days", 0)
        self.keep_days: int = told.get("keep_days", 30)
        self.limit: Mapping[str, Any] | None = told.get("limit")

    def _tier(self, amount: int) -> Mapping[str, Any]:
        found: Mapping[str, Any] = {"above": 0, "count": 0}
        for tier in self.tiers:
            if amount > tier["above"]:
                found = tier
        return found

    def needed(self, amount: int) -> int:
        """How many people must say yes."""
        return int(self._tier(amount)["count"])

    def roles(self, amount: int) -> set[str]:
        """Whose yes counts."""
        return set(self._tier(amount).get("roles", ["steward"]))

    def all_roles(self) -> set[str]:
        """Whose yes counts for any amount."""
        return {role for tier in self.tiers for role in tier.get("roles", [])}

    def lets_beyond(self, minutes: int) -> bool:
        """Whether so many minutes beyond a promise reach whoever asked."""
        return self.needed(minutes) == 0 if self.beyond is None else self.beyond

    def pauses(self, received: int) -> bool:
        """Whether somebody who received so much more than they gave is told to wait."""
        return self.limit is not None and self.limit["then"] == "pause" and received >= self.limit["at"]

    def day_to_hand_over(self, promised_on: date) -> date:
        """First day on which what was promised then is handed over: looked for day by day."""
        day = promised_on
        while not self._fits(day):
            day += timedelta(days=1)
        return day

    def _fits(self, day: date) -> bool:
        if self.rhythm is None:
            return True
        if self.rhythm["every"] == "month":
            return day.day == int(self.rhythm["day"])
        if day.isoweekday() != self.rhythm["weekday"]:
            return False
        if self.rhythm["every"] == "week":
            return True
        first = date.fromisoformat(self.rhythm["first"])
        monday = first - timedelta(days=first.weekday())
        return (day - monday).days // 7 % 2 == 0


def first_day(cap: Mapping[str, Any], today: date) -> date:
    """First day that a limit counts from."""
    if cap["period"] == "year":
        return date(today.year, 1, 1)
    if cap["period"] == "month":
        return date(today.year, today.month, 1)
    return today - timedelta(days=cap["days"] - 1)
