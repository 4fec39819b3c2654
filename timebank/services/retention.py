"""How long everything is kept: a clock for what goes, who sees to it, and a reason for what stays.

``docs/privacy.md`` has the same as tables, and a test compares them with each other and with the schema:
no table is without a line.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from timebank.store import retention as store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from timebank.services.house import House


class Clock(NamedTuple):
    """How long rows of a table are kept.

    Attributes:
        days: Whole days after ``since``.
        since: What the days are counted from, in words.
        why: Why so long.
    """

    table: str
    days: int
    since: str
    why: str


#: What ``forget_over`` deletes. A row goes at most half an hour after its time.
CLOCKS: Final[tuple[Clock, ...]] = (
    Clock("timebank.answers", 60, "the answer", "the same key is answered the same for 30 days and more"),
    Clock("timebank.jobs", 60, "the end of the work", "whoever started it may ask what became of it"),
    Clock("people.tokens", 90, "its end", "its owner may want to see that it ended"),
    Clock("people.spent_challenges", 0, "its expiry", "it cannot be answered any more"),
    Clock("people.notes", 0, "the day it says", "contact and payout have a day of their own"),
    Clock("people.invited", 30, "joining", "the form may be sent twice; who invited whom is nobody's affair"),
    Clock("people.invitations", 60, "its end", "whoever made it sees what became of it"),
    Clock(
        "people.join_requests", 90, "the decision", "its words went with the decision; the link still tells"
    ),
    Clock("people.stand_ins", 365, "its end", "whoever was stood in for may look back for a year"),
    Clock("people.recoveries", 365, "its end", "a way back in is the strongest thing a host can do"),
    Clock("people.looks", 365, "the day", "whoever was looked at may look back for a year"),
    Clock("people.draw_looks", 365, "the look", "whoever asked may look back for a year"),
    Clock(
        "people.ask_notes",
        180,
        "the last step of the ask",
        "reason, question and answer; contact goes before",
    ),
    Clock("people.ask_links", 180, "the last step of the ask", "the link shows what became of it"),
    Clock("people.import_papers", 0, "a week after the import", "files wait no longer to be posted"),
)

#: What others delete, by table: when, and who sees to it.
ELSEWHERE: Final[Mapping[str, tuple[str, str]]] = {
    "people.card_makers": ("when another steward vouched", "`services/duties.py`"),
    "people.cards": ("when used or expired", "`services/cards.py`"),
    "people.mail": ("when its owner takes it away", "`services/mail.py`"),
    "people.mail_asks": ("when answered, within a minute", "`services/mail_links.py`"),
    "people.mail_links": ("when expired", "`services/postman.py`"),
    "people.outbox": ("7 days after it was sent; what it said, at once", "`services/postman.py`"),
    "people.passkeys": ("when its owner takes it away", "`services/passkeys.py`"),
    "people.sessions": ("when over", "`services/cards.py`"),
    "people.totps": ("when its owner takes it away", "`services/totp.py`"),
    "people.tries": ("after a day, and its key too", "`services/limits.py`"),
    "timebank.hours_waiting": ("with the yes or the withdrawal", "`store/hours.py`"),
    "timebank.waiting": ("when it is published", "`services/close.py`"),
}

#: What stays as long as the book does, by table, and why.
STAYS: Final[Mapping[str, str]] = {
    "people.duty_proposals": "that two people decided, by random ids",
    "people.member_roles": "who carried which duty, by a random id; verify and auditors need it",
    "people.members": "a random id; what it says of a person goes when they are erased",
    "timebank.account_days": "the book",
    "timebank.accounts": "the book",
    "timebank.auditor_keys": "who cosigned by which key, by a random id; what such keys are called is published",
    "timebank.book_heads": "the book",
    "timebank.closes": "the book",
    "timebank.draw_hands": "that different people decided and paid, by random ids; limits look back a year",
    "timebank.draws": "the decisions of the book",
    "timebank.entries": "the book",
    "timebank.groups": "the group itself",
    "timebank.held_places": "the book",
    "timebank.hours": "the hours of the book, by account numbers that nothing leads from once somebody is erased",
    "timebank.hours_questions": "minutes and account numbers; what was said is a note",
    "timebank.import_columns": "how the group's files are laid out",
    "timebank.imports": "which records came from where; no name is in it",
    "timebank.money_references": "blinded; the same bank reference is caught whenever it comes",
    "timebank.policies": "the rules that decisions were made by",
    "timebank.pots": "the book",
    "timebank.proposals": "that two people decided, by random ids",
    "timebank.published_balances": "published",
    "timebank.published_checkpoints": "published",
    "timebank.published_cosignatures": "published",
    "timebank.published_flows": "published",
    "timebank.published_groups": "published",
    "timebank.published_held": "published",
    "timebank.published_leaves": "published",
    "timebank.published_lines": "published",
    "timebank.published_nodes": "published",
    "timebank.published_periods": "published",
    "timebank.published_policies": "published",
    "timebank.published_slugs": "the address of the group",
    "timebank.publishing": "how the group chose to publish, and from which day on",
    "timebank.records": "the book",
    "timebank.settings_history": "what records have the hash of",
    "timebank.transfers": "the book",
}

#: Statements of one table in one go; what is left has its turn half an hour later.
_ROUNDS: Final = 20


async def forget_over(house: House, group_id: UUID, *, now: datetime) -> int:
    """Delete what is over in a group, and return how many rows that were.

    With the last of an ask without an account goes the key that its words were sealed with.
    """
    gone = 0
    for clock in CLOCKS:
        before = now - timedelta(days=clock.days)
        for _ in range(_ROUNDS):
            async with house.database.tx(group_id) as tx:
                deleted, asks = await store.delete_over(tx, group_id, clock.table, before=before)
                if asks:
                    await asyncio.to_thread(house.keys.erase_members, group_id, asks, now=now)
            gone += deleted
            if deleted < store.AT_ONCE:
                break
    return gone
