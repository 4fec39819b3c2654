"""Signing in by a mailed link: for members without duties, once, soon, and in the browser that asked.

Whoever asks is answered before anybody looks who they are: asking leaves a row that is the same for
everybody, and the sender looks afterwards. So the answer cannot tell whether somebody is known.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from timebank.errors import N_, MailNotOffered, UnknownMailLink
from timebank.services.mail import address_index, hash_of, make_link
from timebank.services.post import Mail, Recipient, write
from timebank.store import mail as store
from timebank.store import members as members_store
from timebank.store.boxes import blind_index
from timebank.store.groups import find_names
from timebank.store.mail import AskRow

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from timebank.services.house import House
    from timebank.services.post import Post
    from timebank.store.engine import Tx

LINK_FOR: Final = timedelta(minutes=10)
#: Who asked longer ago than this has gone away.
_ASK_FOR: Final = timedelta(minutes=10)
#: People who share one address and are each sent a link.
_SHARED_MAX: Final = 5
_ASKS: Final = 50

SIGN_IN: Final = N_(
    "Hello,\n\nhere is the link that was asked for:\n\n%(link)s\n\nIt works once, within %(minutes)s minutes, and"
    " only in the browser that asked for it. If you did not ask, do nothing.\n"
)

#: What a link can do now: sign in, nothing in this browser, nothing at all any more.
LinkState = Literal["ready", "other_browser", "ended"]


def written_index(house: House, group_id: UUID, written: str) -> bytes:
    """Return 32 bytes that stand for what somebody wrote as who they are, for limits."""
    return blind_index(house.keys.index_key(group_id), written, what="written")


async def ask_for_link(
    house: House, group_id: UUID, written: str, *, browser: str, language: str, now: datetime
) -> None:
    """Note that somebody wants a link to sign in; the same work whoever it is, and if it is nobody.

    Args:
        written: A nickname or a mail address, as it was written.
        browser: Secret of the asking browser; the link works there and nowhere else.

    Raises:
        MailNotOffered: This server sends no mail.
    """
    if house.post is None:
        raise MailNotOffered
    row = AskRow(
        ask_id=house.new_id(),
        nickname_index=blind_index(house.keys.index_key(group_id), written),
        address_index=address_index(house, group_id, written),
        browser_hash=hash_of(browser),
        language=language,
        created_at=now,
    )
    async with house.database.tx(group_id) as tx:
        await store.insert_ask(tx, group_id, row)
    house.post.call(group_id)


async def answer_asks(house: House, group_id: UUID, *, now: datetime) -> None:
    """Look up who asked for links, and write mail to those who are there and may sign in that way."""
    assert house.post is not None, "there is nobody to send anything to"
    async with house.database.tx(group_id) as tx:
        asks = await store.take_asks(tx, group_id, limit=_ASKS)
        slug = (await find_names(tx, group_id)).slug if asks else ""
        for ask in asks:
            if ask.created_at + _ASK_FOR > now:
                await _answer(tx, house, house.post, group_id, slug, ask, now=now)


async def _answer(
    tx: Tx, house: House, post: Post, group_id: UUID, slug: str, ask: AskRow, *, now: datetime
) -> None:
    found = await store.list_reachable(
        tx,
        group_id,
        nickname_index=ask.nickname_index,
        address_index=ask.address_index,
        now=now,
        limit=_SHARED_MAX,
    )
    for row in found:
        content = store.open_address(house.keys, group_id, row)
        if content is None:
            continue
        expires_at = now + LINK_FOR
        secret = await make_link(
            tx, house, group_id, row.member_id, "sign_in", ask.browser_hash, now=now, expires_at=expires_at
        )
        recipient = msgspec.json.decode(content, type=Recipient)
        params: dict[str, str | int] = {
            "link": f"{post.origin}/g/{slug}/sign-in/mail/{secret}",
            "minutes": int(LINK_FOR.total_seconds() // 60),
        }
        await write(
            tx,
            house,
            group_id,
            row.member_id,
            Mail(SIGN_IN, params),
            now=now,
            to=Recipient(recipient.address, ask.language),
            useless_at=expires_at,
        )


async def look_at_link(
    house: House, group_id: UUID, secret: str, *, browser: str, now: datetime
) -> LinkState:
    """Return what a link can do; looking changes nothing, so that programs which look at mail use none up."""
    async with house.database.read(group_id) as tx:
        link = await store.find_link(tx, group_id, hash_of(secret), "sign_in")
    if link is None or link.used_at is not None or link.expires_at <= now:
        return "ended"
    return "ready" if link.bound_to == hash_of(browser) else "other_browser"


async def use_link(house: House, group_id: UUID, secret: str, *, browser: str, now: datetime) -> UUID:
    """Use a link up; return who may be signed in now.

    Raises:
        UnknownMailLink: There is no such link, it was used or is too old, it is another browser's, or its
            member is not active or carries a duty by now.
    """
    digest = hash_of(secret)
    async with house.database.tx(group_id) as tx:
        link = await store.find_link(tx, group_id, digest, "sign_in")
        if link is None or link.bound_to != hash_of(browser):
            raise UnknownMailLink
        member = await members_store.find_member(tx, group_id, link.member_id)
        duties = await members_store.list_roles(tx, group_id, link.member_id, now=now)
        if member is None or member.state != "active" or duties:
            raise UnknownMailLink
        if not await store.use_link(tx, group_id, digest, now=now):
            raise UnknownMailLink
    return link.member_id
