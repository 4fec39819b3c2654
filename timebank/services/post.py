"""The post: mail is written in the transaction that it is about, and sent afterwards until it is taken.

Sending is at least once: mail is taken for a while, handed over, and only then noted as sent. Whoever
is killed in between leaves it to the next, under the same Message-ID.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from timebank.config import Settings, Smtp
from timebank.errors import N_
from timebank.i18n import SOURCE_LANGUAGE, language, language_codes
from timebank.services.smtp import Letter, Said, send_all
from timebank.store import mail as mail_store
from timebank.store import post as store
from timebank.store.post import MailRow

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from timebank.services.house import House
    from timebank.store.engine import Tx

log = logging.getLogger(__name__)

#: Says nothing to whoever looks over a shoulder.
SUBJECT: Final = N_("A message for you")

USELESS_AFTER: Final = timedelta(days=3)
_FIRST_AGAIN: Final = timedelta(minutes=1)
_LAST_AGAIN: Final = timedelta(days=1)
#: Mail of one conversation, and for how long nobody else takes it.
_BATCH: Final = 10
_TAKEN_FOR: Final = timedelta(minutes=15)
#: Looks for mail of a group after somebody wrote some, each later than the one before: the
#: transaction may take a while to end.
LOOKS: Final = 5


class Mail(NamedTuple):
    """What is to be said to somebody.

    Attributes:
        text: Sentences for the catalogues; the first ones are seen in lists of mail, so they say little.
        params: For the places in the text.
    """

    text: str
    params: Mapping[str, str | int] = {}


class Recipient(msgspec.Struct, frozen=True):
    """Where somebody gets mail, and in which language."""

    address: str
    language: str


class _Content(msgspec.Struct, frozen=True):
    """What is in the box of a mail."""

    to: str
    language: str
    subject: str
    text: str


@dataclass(slots=True)
class Post:
    """What the server needs to send mail; a house without it offers none.

    Attributes:
        sender: Address that mail comes from.
        origin: What links in mail begin with, without a slash at the end.
        called: Groups in which somebody wrote mail, with how many looks are left.
        woken: Set when somebody did.
    """

    smtp: Smtp
    sender: str
    origin: str
    called: dict[UUID, int] = field(default_factory=dict)
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def call(self, group_id: UUID) -> None:
        """Have somebody look soon for what this group has to send; other processes look within a minute."""
        self.called[group_id] = LOOKS
        self.woken.set()


def post_of(settings: Settings, *, address: str = "") -> Post | None:
    """Return what the operator's settings say about mail; None if no mail is sent.

    Args:
        address: What links begin with where the settings name no origin.
    """
    if settings.smtp is None:
        return None
    origin = settings.origin or address or f"http://localhost:{settings.port}"
    return Post(settings.smtp, settings.mail_from, origin)


async def write(
    tx: Tx,
    house: House,
    group_id: UUID,
    member_id: UUID,
    mail: Mail,
    *,
    now: datetime,
    to: Recipient | None = None,
    useless_at: datetime | None = None,
) -> bool:
    """Write mail to a member; it leaves if the caller's transaction is committed.

    Args:
        to: Where to, if not to the address that the member confirmed.
        useless_at: From then on nobody needs it; None for three days.

    Returns:
        Whether there is any way to send it; who gives no address gets no mail.
    """
    if house.post is None:
        return False
    recipient = to or await find_recipient(tx, house, group_id, member_id)
    key = house.keys.find_member_key(group_id, member_id)
    if recipient is None or key is None:
        return False
    mail_id = house.new_id()
    chosen = language(recipient.language if recipient.language in language_codes() else SOURCE_LANGUAGE)
    content = _Content(
        recipient.address, chosen.code, chosen.say(SUBJECT), chosen.say(mail.text, **mail.params)
    )
    box = store.seal_mail(key, group_id, mail_id, msgspec.json.encode(content))
    row = MailRow(mail_id, member_id, box, 0, now, useless_at or now + USELESS_AFTER)
    await store.insert_mail(tx, group_id, row)
    house.post.call(group_id)
    return True


async def find_recipient(tx: Tx, house: House, group_id: UUID, member_id: UUID) -> Recipient | None:
    """Return where a member gets mail; None unless they confirmed an address."""
    row = await mail_store.find_address(tx, group_id, member_id)
    if row is None or row.confirmed_at is None:
        return None
    content = mail_store.open_address(house.keys, group_id, row)
    return None if content is None else msgspec.json.decode(content, type=Recipient)


# ---------------------------------------------------------------- sending


async def deliver(house: House, group_id: UUID, *, now: datetime) -> bool:
    """Send what a group has to send now; return False if the mail server takes nothing from us."""
    assert house.post is not None, "there is nobody to send anything to"
    while True:
        async with house.database.tx(group_id) as tx:
            rows = await store.take_mail(tx, group_id, now=now, until=now + _TAKEN_FOR, limit=_BATCH)
        if not rows:
            return True
        if not await _send(house, house.post, group_id, rows, now=now):
            return False


async def _send(house: House, post: Post, group_id: UUID, rows: list[MailRow], *, now: datetime) -> bool:
    waiting = {row.mail_id: row for row in rows}
    letters = []
    for row in rows:
        content = None if row.useless_at <= now else store.open_mail(house.keys, group_id, row)
        if content is None:
            await _end(house, group_id, row, "given_up", now=now)
            continue
        told = msgspec.json.decode(content, type=_Content)
        letters.append(Letter(row.mail_id, told.to, told.subject, told.text, told.language, row.created_at))
    if not letters:
        return True
    well = True
    async with aclosing(send_all(post.smtp, post.sender, letters)) as outcomes:
        async for said in outcomes:
            await _settle(house, group_id, waiting[said.mail_id], said, now=now)
            well = well and not said.server
    return well


async def _settle(house: House, group_id: UUID, row: MailRow, said: Said, *, now: datetime) -> None:
    if said.why:
        # The kind of error and nothing else: whose mail it was is nobody's business.
        log.warning("mail was not taken on try %d: %s", row.tries, said.why)
    again = now + next_wait(row.tries)
    if said.outcome == "sent":
        await _end(house, group_id, row, "sent", now=now)
    elif said.outcome == "never":
        await _end(house, group_id, row, "failed", now=now)
    elif again >= row.useless_at:
        await _end(house, group_id, row, "given_up", now=now)
    else:
        async with house.database.tx(group_id) as tx:
            await store.try_mail_again(tx, group_id, row.mail_id, at=again)


async def _end(house: House, group_id: UUID, row: MailRow, state: str, *, now: datetime) -> None:
    async with house.database.tx(group_id) as tx:
        await store.end_mail(tx, group_id, row.mail_id, state, now=now)


def next_wait(tries: int) -> timedelta:
    """Return how long to wait after so many tries, 1 and up: a minute, then twice as long each time, a day at most."""
    return min(_LAST_AGAIN, _FIRST_AGAIN * (1 << min(tries - 1, 20)))
