"""A member's mail address: always optional, kept sealed, and used for nothing until its owner confirmed it."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import msgspec

from timebank.errors import N_, MailNotOffered, UnknownMailLink, UnknownMember
from timebank.rules.mail import mail_address
from timebank.services.post import Mail, Recipient, write
from timebank.services.ways_in import note_ways_in
from timebank.store import groups as groups_store
from timebank.store import mail as store
from timebank.store import members as members_store
from timebank.store.boxes import blind_index
from timebank.store.mail import AddressRow, LinkRow

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from timebank.services.house import House
    from timebank.store.engine import Tx

CONFIRM_WITHIN: Final = timedelta(days=3)
#: Whoever sends the same again so soon did not get an answer; one mail is enough.
_ONE_MAIL_FOR: Final = timedelta(minutes=1)

#: Length of a secret in a link: 32 bytes in base64url without padding.
SECRET_LENGTH: Final = 43

CONFIRM: Final = N_(
    "Hello,\n\nthis address was entered here. If that was you, open this link and press the button:\n\n"
    "%(link)s\n\nIt works for three days. If it was not you, do nothing, and nothing more will come.\n"
)
CHANGED: Final = N_(
    "Hello,\n\nfrom now on, messages go to another address than this one. If that was not you, speak to the"
    " people who keep your group.\n"
)


@dataclass(frozen=True, slots=True)
class MailAddress:
    """A member's own address as they see it."""

    address: str
    confirmed: bool


def address_index(house: House, group_id: UUID, address: str) -> bytes:
    """Return the blind index under which an address is found, in any mix of small and capital letters."""
    return blind_index(house.keys.index_key(group_id), address, what="mail")


async def read_address(house: House, group_id: UUID, member_id: UUID) -> MailAddress | None:
    """Return a member's own address, or None."""
    async with house.database.read(group_id) as tx:
        return await find_address(tx, house, group_id, member_id)


async def find_address(tx: Tx, house: House, group_id: UUID, member_id: UUID) -> MailAddress | None:
    """Return a member's own address in a transaction that is under way, or None."""
    row = await store.find_address(tx, group_id, member_id)
    recipient = None if row is None else _open(house, group_id, row)
    if row is None or recipient is None:
        return None
    return MailAddress(recipient.address, row.confirmed_at is not None)


async def set_address(
    house: House, group_id: UUID, member_id: UUID, text: str, *, language: str, now: datetime
) -> MailAddress:
    """Set a member's address and mail a link there that confirms it; the old one is told, and forgotten.

    Setting the same again mails a new link, unless it is confirmed or one left within the last minute.

    Args:
        text: The address as it was written.
        language: In which mail is written from now on.

    Raises:
        FieldInvalid: It is no address.
        MailNotOffered: This server sends no mail.
        UnknownMember: Nobody active has this id.
    """
    if house.post is None:
        raise MailNotOffered
    address = mail_address(text, field="address")
    index = address_index(house, group_id, address)
    async with house.database.tx(group_id) as tx:
        member = await members_store.find_member(tx, group_id, member_id)
        key = house.keys.find_member_key(group_id, member_id)
        if member is None or member.state != "active" or key is None:
            raise UnknownMember
        known = await store.find_address(tx, group_id, member_id)
        if known is not None and known.address_index == index:
            if known.confirmed_at is not None:
                return MailAddress(address, True)
            if await store.was_link_made(tx, group_id, member_id, index, since=now - _ONE_MAIL_FOR):
                return MailAddress(address, False)
        elif known is not None:
            await write(tx, house, group_id, member_id, Mail(CHANGED), now=now)

        recipient = Recipient(address, language)
        box = store.seal_address(key, group_id, member_id, msgspec.json.encode(recipient))
        await store.upsert_address(tx, group_id, AddressRow(member_id, box, index, None))
        secret = await make_link(
            tx, house, group_id, member_id, "confirm", index, now=now, expires_at=now + CONFIRM_WITHIN
        )
        link = f"{house.post.origin}/g/{await _slug(tx, group_id)}/mail/{secret}"
        mail = Mail(CONFIRM, {"link": link})
        await write(tx, house, group_id, member_id, mail, now=now, to=recipient)
    return MailAddress(address, False)


async def remove_address(house: House, group_id: UUID, member_id: UUID, *, now: datetime) -> None:
    """Forget a member's address and every link that went there; forgetting it again changes nothing."""
    async with house.database.tx(group_id) as tx:
        await groups_store.bump_setup_version(tx, group_id)
        await store.delete_address(tx, group_id, member_id)
        await note_ways_in(tx, group_id, member_id, now=now)


async def is_confirmable(house: House, group_id: UUID, secret: str, *, now: datetime) -> bool:
    """Return whether a link can confirm an address; looking changes nothing."""
    async with house.database.read(group_id) as tx:
        link = await store.find_link(tx, group_id, hash_of(secret), "confirm")
    return link is not None and link.used_at is None and link.expires_at > now


async def confirm_address(house: House, group_id: UUID, secret: str, *, now: datetime) -> None:
    """Confirm an address with the link that was mailed there; without a duty it is a way to sign in.

    Raises:
        UnknownMailLink: There is no such link, it was used or is too old, or the address is another by now.
    """
    digest = hash_of(secret)
    async with house.database.tx(group_id) as tx:
        # The group's lock comes first, as everywhere: whether somebody signs in decides what silence means.
        await groups_store.bump_setup_version(tx, group_id)
        link = await store.find_link(tx, group_id, digest, "confirm")
        if link is None or not await store.use_link(tx, group_id, digest, now=now):
            raise UnknownMailLink
        if not await store.confirm_address(tx, group_id, link.member_id, link.bound_to, now=now):
            raise UnknownMailLink
        await note_ways_in(tx, group_id, link.member_id, now=now)


async def make_link(
    tx: Tx,
    house: House,
    group_id: UUID,
    member_id: UUID,
    what: str,
    bound_to: bytes,
    *,
    now: datetime,
    expires_at: datetime,
) -> str:
    """Make a link that works once; return its secret, which is kept nowhere but in the mail."""
    secret = base64.urlsafe_b64encode(house.random(32)).rstrip(b"=").decode()
    row = LinkRow(hash_of(secret), member_id, what, bound_to, now, expires_at)
    await store.insert_link(tx, group_id, row)
    return secret


def hash_of(secret: str) -> bytes:
    """Return the 32 bytes by which the secret of a link, or of a browser, is known."""
    return sha256(secret.encode("utf-8", "surrogateescape")).digest()


async def _slug(tx: Tx, group_id: UUID) -> str:
    return (await groups_store.find_names(tx, group_id)).slug


def _open(house: House, group_id: UUID, row: AddressRow) -> Recipient | None:
    content = store.open_address(house.keys, group_id, row)
    return None if content is None else msgspec.json.decode(content, type=Recipient)
