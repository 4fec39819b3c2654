"""Eight written policies of real groups as data, each with what happens under it, case by case.

Where they come from is in PRODUCT of the brief: SE15 Community Fund, Brent Solidarity Fund, Selborne Mutual
Aid, Grove Mutual Aid, Herne Hill, Tapir, NorCal Time Bank and Dane County. Amounts are pennies or minutes.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

#: A step of a case: (who, what, amount or None, code or state that must follow).
Step = tuple[Any, ...]


class Written(NamedTuple):
    """One policy: its unit, its terms as they are stored, and its cases.

    Attributes:
        funded: What is in the pot when a case begins.
        households: Who lives together.
    """

    unit: str
    terms: dict[str, Any]
    cases: dict[str, tuple[Step, ...]]
    funded: int = 100_000
    households: tuple[tuple[str, ...], ...] = ()


POLICIES: Final[dict[str, Written]] = {
    "SE15 Community Fund": Written(
        "GBP",
        {
            "who": "anyone",
            "approvals": [{"above": 0, "count": 1}],
            "per_request_max": 5000,
            "two_people": False,
            "caps": [{"per": "household", "period": "month", "sum": 5000}],
        },
        {
            "fifty a household and month": (
                ("ask", "ada", 3000, "ok"),
                ("ask", "flo", 2001, "caps[0].sum"),
                ("ask", "flo", 2000, "ok"),
                ("ask", "gus", 5000, "ok"),
                ("ask", "ada", 1, "caps[0].sum"),
                ("on", "2026-04-01"),
                ("ask", "ada", 5000, "ok"),
            ),
            "never more than fifty at once": (("ask", "ada", 5001, "per_request_max"),),
            "what came back does not count": (
                ("ask", "ada", 5000, "ok"),
                ("cancel", "ada", None, "cancelled"),
                ("ask", "flo", 5000, "ok"),
            ),
            "anybody with the link": (("stranger", "", 5000, "ok"),),
        },
        households=(("ada", "flo"),),
    ),
    "Brent Solidarity Fund": Written(
        "GBP",
        {
            "who": "anyone",
            "approvals": [{"above": 0, "count": 1}],
            "per_request_max": 5000,
            "two_people": False,
            "caps": [{"per": "person", "period": "month", "sum": 5000}],
            "rhythm": {"every": "week", "weekday": 5},
            "receipts": "never",
        },
        {
            "fifty a person and calendar month": (
                ("ask", "ada", 5000, "ok"),
                ("ask", "flo", 5000, "ok"),
                ("on", "2026-03-31"),
                ("ask", "ada", 1, "caps[0].sum"),
                ("on", "2026-04-01"),
                ("ask", "ada", 5000, "ok"),
            ),
            "released on the next Friday": (
                ("ask", "ada", 5000, "ok"),
                ("approve", "bo", None, "promised"),
                ("hand_over", "ed", None, "rhythm"),
                ("on", "2026-03-13"),
                ("hand_over", "ed", None, "handed_over"),
            ),
            "a receipt is never asked for": (
                ("ask", "ada", 5000, "ok"),
                ("approve", "bo", None, "promised"),
                ("on", "2026-03-13"),
                ("receipt", "ed", None, "receipts"),
            ),
        },
        households=(("ada", "flo"),),
    ),
    "Selborne Mutual Aid": Written(
        "GBP",
        {
            "approvals": [{"above": 0, "count": 1}, {"above": 3000, "count": 2}],
            "per_request_max": 10_000,
            "two_people": False,
            "surplus": {"above": 50_000, "keep": 40_000, "text": "Above 500, what is over 400 is passed on."},
            "stewards": {"months": 3, "people": 3, "text": "Rotating monthly where possible."},
        },
        {
            "one up to thirty": (("ask", "ada", 3000, "ok"), ("approve", "bo", None, "promised")),
            "two above thirty": (
                ("ask", "ada", 3001, "ok"),
                ("approve", "bo", None, "looked_at"),
                ("approve", "bo", None, "already_approved"),
                ("approve", "di", None, "promised"),
            ),
            "less is promised with one": (
                ("ask", "ada", 10_000, "ok"),
                ("approve", "bo", 3000, "promised"),
            ),
            "a hundred a claim": (("ask", "ada", 10_001, "per_request_max"), ("ask", "ada", 10_000, "ok")),
        },
    ),
    "Grove Mutual Aid": Written(
        "GBP",
        {
            "approvals": [
                {"above": 0, "count": 1},
                {"above": 3000, "count": 2, "roles": ["steward", "treasurer"]},
            ],
            "per_request_max": None,
            "two_people": False,
            "receipts": "optional",
            "rhythm": {"every": "fortnight", "weekday": 1, "first": "2026-03-02"},
            "surplus": {"above": 40_000, "keep": 30_000, "text": "The rest goes to other groups."},
        },
        {
            "a treasurer is the second above thirty": (
                ("ask", "ada", 4000, "ok"),
                ("approve", "ed", None, "looked_at"),
                ("approve", "bo", None, "promised"),
                ("on", "2026-03-16"),
                ("hand_over", "ed", None, "payer_approved"),
                ("hand_over", "hal", None, "handed_over"),
            ),
            "a treasurer alone has no say below": (
                ("ask", "ada", 3000, "ok"),
                ("approve", "ed", None, "needs_role"),
                ("approve", "bo", None, "promised"),
            ),
            "every second Monday": (
                ("ask", "ada", 3000, "ok"),
                ("approve", "bo", None, "promised"),
                ("on", "2026-03-15"),
                ("hand_over", "ed", None, "rhythm"),
                ("on", "2026-03-16"),
                ("hand_over", "ed", None, "handed_over"),
            ),
            "a receipt may come along": (
                ("ask", "ada", 3000, "ok"),
                ("approve", "bo", None, "promised"),
                ("on", "2026-03-20"),
                ("receipt", "ed", None, "handed_over"),
            ),
        },
    ),
    "Herne Hill": Written(
        "GBP",
        {
            "approvals": [{"above": 0, "count": 1}],
            "per_request_max": 5000,
            "two_people": False,
            "caps": [{"per": "household", "period": "days", "days": 30, "count": 1}],
            "scarcity": "queue",
            "reserve": 0,
        },
        {
            "750 asked against 300 in": (
                *(
                    step
                    for who in ("ada", "flo", "gus", "di", "bo", "ed")
                    for step in (
                        ("ask", who, 5000, "ok"),
                        ("approve", "bo" if who != "bo" else "di", None, "promised"),
                    )
                ),
                ("ask", "hal", 5000, "ok"),
                ("approve", "bo", None, "looked_at"),
                ("fund", "ed", 4999),
                ("due", "group", None, "looked_at"),
                ("fund", "ed", 1),
                ("due", "group", None, "promised"),
            ),
            "once in thirty days": (
                ("ask", "ada", 1000, "ok"),
                ("on", "2026-04-08"),
                ("ask", "ada", 1000, "caps[0].count"),
                ("on", "2026-04-09"),
                ("ask", "ada", 1000, "ok"),
            ),
        },
        funded=30_000,
    ),
    "Tapir solidarity shifts": Written(
        "minutes",
        {
            "approvals": [{"above": 0, "count": 0}],
            "per_request_max": 180,
            "two_people": False,
            "caps": [{"per": "person", "period": "year", "count": 2}],
            "beyond_at_once": False,
        },
        {
            "two a member and year": (
                ("ask", "ada", 180, "ok"),
                ("ask", "ada", 180, "ok"),
                ("ask", "ada", 60, "caps[0].count"),
                ("ask", "flo", 180, "ok"),
                ("on", "2027-01-01"),
                ("ask", "ada", 180, "ok"),
            ),
            "at once, and nobody has a say": (
                ("ask", "bo", 180, "ok"),
                ("state", "promised"),
                ("approve", "bo", None, "own_draw"),
                ("approve", "di", None, "draw_not_open"),
            ),
        },
        funded=600,
    ),
    "NorCal Time Bank": Written(
        "minutes",
        {
            "approvals": [{"above": 0, "count": 1}],
            "per_request_max": None,
            "two_people": False,
            "limit": {"at": 600, "then": "pause"},
        },
        {
            "paused at ten hours over": (
                ("received", "ada", 599),
                ("ask", "ada", 60, "ok"),
                ("received", "ada", 1),
                ("ask", "ada", 60, "limit"),
                ("ask", "flo", 60, "ok"),
                ("received", "ada", -1),
                ("ask", "ada", 60, "ok"),
            ),
        },
        funded=600,
    ),
    "Dane County": Written(
        "minutes",
        {
            "approvals": [{"above": 0, "count": 1}],
            "per_request_max": None,
            "two_people": False,
            "limit": {"at": 600, "then": "talk"},
        },
        {
            "at the limit a conversation, and no block": (
                ("received", "ada", 600),
                ("ask", "ada", 60, "talk_first"),
                ("approve", "bo", None, "promised"),
                ("ask", "flo", 60, "ok"),
            ),
        },
        funded=600,
    ),
}
