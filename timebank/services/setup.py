"""The first run: a one-time link opens it, and a group comes out of it, or an example to look at."""

from __future__ import annotations

import asyncio
import fcntl
import hmac
import json
import logging
import os
import re
import secrets
import shlex
import unicodedata
import zoneinfo
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from uuid import UUID

from babel.core import get_global
from babel.numbers import get_currency_precision, get_territory_currencies, list_currencies

from timebank.config import ROOT_HOME, Settings, default_home
from timebank.errors import FieldInvalid, Refusal, ServerFault, UnknownGroup, UnknownMember, UnknownPage
from timebank.ledger.units import MINUTES
from timebank.rules.names import EMPTY, NICKNAME_MAX, code, plain_text
from timebank.rules.policies import Terms
from timebank.rules.set_up import (
    CONFIRM_DAYS_MAX,
    NAME_MAX,
    NOT_DAYS,
    NOT_KNOWN,
    PRESETS,
    SLUG_MAX,
    TOO_SHORT,
    WORDS,
    NewGroup,
    NewHeldPlace,
    NewPot,
)
from timebank.services import example, sessions
from timebank.services.acts import Once
from timebank.services.cards import make_card
from timebank.services.groups import create_group
from timebank.services.joining import invitation_secret, make_invitation
from timebank.services.members import add_member, find_member
from timebank.services.recovery_paper import forget_recovery_key, read_recovery_key
from timebank.services.tokens import find_actor, make_token
from timebank.store.keys import write_whole
from timebank.store.published import find_group

if TYPE_CHECKING:
    from timebank.rules.people import Actor
    from timebank.rules.publication import PublicGroup
    from timebank.services.house import House

log = logging.getLogger(__name__)

KEY_FILE: Final = "setup.key"
FIRST_ROLES: Final = ("steward", "treasurer")
#: How links begin that a host made on a page; whoever has another one reads what the program prints, and is the host.
GUEST: Final = "guest-"
#: What a group begins with: who says yes to an ask of money, and whether there is money at all.
POLICIES: Final = ("two", "trust", "consent", "time_bank")
CONSENT_HOURS: Final = 48
CURRENCIES_MAX: Final = 3
#: How many people the first invitation lets in, and for how many days.
INVITED, INVITED_DAYS = 20, 30
TOKEN_SCOPES: Final = ("read", "write")
CATEGORIES: Final = ("care", "children", "company", "cooking", "errands", "lifts", "repairs", "other")
#: How a group publishes that does not say.
PRESET: Final = "careful"
#: Whom the example lends a token of: what they do there, and what they are called there.
EXAMPLE_PEOPLE: Final = {"member": "Ada", "steward": "Bo", "treasurer": "Ed"}
HOURS_AT_ONCE: Final = 120
CONFIRM_DAYS: Final = 7
#: How hours can be rounded: to so many minutes, and whether always up. Later any step can be set.
ROUNDINGS: Final[Mapping[str, tuple[int, bool]]] = {
    "1": (1, False),
    "5": (5, False),
    "15": (15, False),
    "15-up": (15, True),
    "30": (30, False),
    "30-up": (30, True),
}

#: A page that is reloaded, or a button that is pressed twice, shows the same token for so long.
SHOWN_AGAIN_SECONDS: Final = 600.0
_STOP_WITHIN_S: Final = 1.0


# ---------------------------------------------------------------- the link


class SetUpLink:
    """The one-time secret in ``setup.key``: whoever knows it may set up one group."""

    def __init__(self, home: Path) -> None:
        self._path = home / KEY_FILE

    def opens_with(self, token: str) -> bool:
        """Whether this is the secret, and not used up; takes equally long for every wrong one."""
        try:
            secret = self._path.read_bytes().strip()
        except OSError:
            secret = b""
        # A secret that is not there is compared too, with something that nobody can know.
        return hmac.compare_digest(_digest(token), sha256(secret or secrets.token_bytes(32)).digest())

    def make(self) -> str:
        """Make a fresh link for somebody who sets up another group; the one before leads nowhere from now on."""
        token = GUEST + secrets.token_urlsafe(24)
        write_whole(self._path, token)
        return token

    def take(self) -> int:
        """Wait until nobody else, in any process, sets up a group with this link; call it in a thread.

        Returns:
            A file descriptor; closing it lets the next one in.

        Raises:
            UnknownPage: There is no such link.
        """
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            raise UnknownPage from None
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return descriptor

    def use_up(self, descriptor: int) -> None:
        """Make the link lead nowhere from now on, also after a power cut."""
        os.ftruncate(descriptor, 0)
        os.fsync(descriptor)


# ---------------------------------------------------------------- a first group


@dataclass(frozen=True, slots=True)
class FirstGroup:
    """What somebody wrote about their group; nothing of it is checked.

    Attributes:
        slug: Address; empty to have it made from the name.
        currency: ISO 4217 codes with spaces between them; empty for a group without money.
        languages: Language tags, the first is the default.
        nickname: Of the first member.
        rounding: One of ``ROUNDINGS``; empty for none.
        confirm_days: Days of silence that are a yes; empty for a week.
        words: What people call the pot; empty for that.
        preset: What the public sees: open, careful or sheltered; empty for careful.
        gifts_wait: ``yes`` if single gifts of money wait for others, too; empty if not.
        policy: One of ``POLICIES``; empty for two signatures.
    """

    name: str
    slug: str
    time_zone: str
    currency: str
    languages: tuple[str, ...]
    nickname: str
    rounding: str = ""
    confirm_days: str = ""
    words: str = ""
    preset: str = ""
    gifts_wait: str = ""
    policy: str = ""


@dataclass(frozen=True, slots=True)
class MadeGroup:
    """A group that was set up, and the only copies of its first member's token and session.

    Attributes:
        began_on: First day of its book, in its own time zone.
        currency: Empty for a group without money.
        recovery: The recovery key of its public log as it is written on paper; empty once it was destroyed here.
        invitation: Secret of an invitation for the others.
        keeps_machine: Whether the first member is the host, too.
    """

    group_id: UUID
    member_id: UUID
    slug: str
    name: str
    began_on: date
    currency: str
    token: str
    session: str = ""
    recovery: str = ""
    invitation: str = ""
    keeps_machine: bool = False


def check_first_group(
    wanted: FirstGroup, *, languages_known: tuple[str, ...]
) -> tuple[FirstGroup, Mapping[str, Refusal]]:
    """Return what was written in normal form, and every field that is wrong with the reason.

    Args:
        languages_known: Tags of the languages that pages are written in.
    """
    faults: dict[str, Refusal] = {}

    def checked(field: str, check: Callable[[], str], otherwise: str) -> str:
        try:
            return check()
        except Refusal as refusal:
            faults[field] = refusal
            return otherwise

    name = checked("name", lambda: plain_text(wanted.name, field="name", length_max=NAME_MAX), wanted.name)
    slug = wanted.slug.strip() or slug_from(wanted.name)
    if slug or "name" not in faults:
        slug = checked("slug", lambda: _slug(slug), wanted.slug)
    zone = checked("time_zone", lambda: _time_zone(wanted.time_zone), wanted.time_zone)
    currency = checked("currency", lambda: _currency(wanted.currency), wanted.currency)
    if not wanted.languages or not set(languages_known).issuperset(wanted.languages):
        faults["languages"] = FieldInvalid(field="languages", why=NOT_KNOWN)
    nickname = checked(
        "nickname",
        lambda: plain_text(wanted.nickname, field="nickname", length_max=NICKNAME_MAX),
        wanted.nickname,
    )
    checked("rounding", lambda: _one_of(wanted.rounding, ROUNDINGS, "rounding"), "")
    days = checked("confirm_days", lambda: _confirm_days(wanted.confirm_days), wanted.confirm_days)
    checked("words", lambda: _one_of(wanted.words, WORDS, "words"), "")
    checked("preset", lambda: _one_of(wanted.preset, PRESETS, "preset"), "")
    checked("policy", lambda: _one_of(wanted.policy, POLICIES, "policy"), "")
    first = FirstGroup(
        name,
        slug,
        zone,
        currency,
        wanted.languages,
        nickname,
        wanted.rounding,
        days,
        wanted.words,
        wanted.preset,
        wanted.gifts_wait,
        wanted.policy,
    )
    return first, faults


def group_with_defaults(first: FirstGroup, *, now: datetime) -> NewGroup:
    """Return the whole group that a few answers stand for: its pots, rules, places and categories.

    Args:
        first: As check_first_group returned it, without a fault.
    """
    policy = first.policy or POLICIES[0]
    currencies = () if policy == "time_bank" else tuple(first.currency.split())
    pots = [NewPot("hours", MINUTES, terms=_hours_terms(policy))]
    places: list[NewHeldPlace] = []
    for number, currency in enumerate(currencies):
        ending = f"-{currency.lower()}" if number else ""
        pots.append(NewPot(f"money{ending}", currency, terms=_money_terms(policy, currency)))
        places += [
            NewHeldPlace(f"{kind}-{currency.lower() if number else 1}", kind, currency)
            for kind in ("cash", "bank")
        ]
    rounding_minutes, rounding_up = ROUNDINGS[first.rounding or "1"]
    return NewGroup(
        slug=first.slug,
        name=first.name,
        languages=first.languages,
        time_zone=first.time_zone,
        began_on=now.astimezone(zoneinfo.ZoneInfo(first.time_zone)).date(),
        categories=CATEGORIES,
        preset=first.preset or PRESET,
        gifts_wait=bool(first.gifts_wait),
        currencies=currencies,
        pots=tuple(pots),
        held_places=tuple(places),
        time_bank=policy == "time_bank",
        rounding_minutes=rounding_minutes,
        rounding_up=rounding_up,
        confirm_days=int(first.confirm_days or CONFIRM_DAYS),
        words=first.words or WORDS[0],
    )


def _hours_terms(policy: str) -> Terms:
    """Return who says yes to an ask of somebody's time: nobody has to where people trust first."""
    if policy == "trust":
        return Terms(approvals=((0, 0),))
    return Terms(approvals=((0, 0), (HOURS_AT_ONCE, 1)))


def _money_terms(policy: str, currency: str) -> Terms:
    if policy == "trust":
        return Terms(approvals=((0, 1),))
    if policy == "consent":
        return Terms(approvals=((0, 1),), consent_hours=CONSENT_HOURS)
    return Terms(approvals=((0, 1), (two_people_above(currency), 2)))


def two_people_above(currency: str) -> int:
    """Return the amount, in smallest coins, above which money takes two yeses: 30.00, or 3,000 without coins."""
    digits = get_currency_precision(currency)
    return int(30 * 10**digits) if digits else 3_000


async def set_up_group(house: House, token: str, first: FirstGroup, *, host: str, now: datetime) -> MadeGroup:
    """Make a group and its first member, who is steward and treasurer; sign them in, and make a token for them.

    Whoever has the link that the program printed keeps the server, and is its host, too.

    Both duties wait in that session until they set up a passkey or an app.

    All ids follow from the link's secret. So whoever is interrupted half-way and tries again goes
    on with the same group, whatever they write the second time, and no link makes two.

    Args:
        token: Secret of the set-up link.
        first: As check_first_group returned it, without a fault.
        host: First part of the book's name in proofs, such as ``bank.example``.

    Raises:
        SlugTaken: Another group has this address.
    """
    group_id, member_id = _derived_id(token, b"group"), _derived_id(token, b"member")
    keeps_machine = not token.startswith(GUEST)
    try:
        group = await _published(house, group_id)
    except UnknownGroup:
        await create_group(
            house,
            group_with_defaults(first, now=now),
            origin=f"{host}/g/{first.slug}",
            now=now,
            group_id=group_id,
        )
        group = await _published(house, group_id)
    try:
        await find_member(house, group_id, now=now, member_id=member_id)
    except UnknownMember:
        roles = (*FIRST_ROLES, "host") if keeps_machine else FIRST_ROLES
        await add_member(house, group_id, first.nickname, now=now, roles=roles, member_id=member_id)
    made = await make_token(house, group_id, member_id, TOKEN_SCOPES, now=now)
    session = await sessions.begin(house, group_id, member_id, way="set_up", strong=False, now=now)
    currency = next((unit.code for unit in group.units if unit.kind == "money"), "")
    return MadeGroup(
        group_id,
        member_id,
        group.slug,
        group.name,
        group.began_on,
        currency,
        made.token,
        session.secret,
        recovery=await read_recovery_key(house, group_id),
        invitation=await _invite(house, group_id, made.token, now=now),
        keeps_machine=keeps_machine,
    )


async def _invite(house: House, group_id: UUID, token: str, *, now: datetime) -> str:
    """Return the secret of an invitation for the others; it is made once, however often this is interrupted."""
    actor = await find_actor(house, group_id, token, now=now)
    once = Once(
        key="set-up invitation",
        request_hash=_digest("invitation"),
        now=now,
        render=lambda refusal: (409, {"code": refusal.code}),
    )
    answer = await make_invitation(house, actor, once, roles=(), uses=INVITED, days=INVITED_DAYS)
    made = json.loads(answer.body)
    return invitation_secret(house, group_id, UUID(made["id"])) if "id" in made else ""


def slug_from(name: str) -> str:
    """Return an address made from a name, such as ``millbank-lane``; empty if it has no Latin letters."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(
        sign if sign.isascii() and sign.isalnum() else "-"
        for sign in plain
        if not unicodedata.combining(sign) and sign not in "'’"
    )
    slug = re.sub("-+", "-", letters).strip("-")[: SLUG_MAX - 3].strip("-")
    return slug if len(slug) >= 2 else ""


def server_time_zone() -> str:
    """Return the IANA name of the time zone that this machine is set to; ``UTC`` if it does not say."""
    told = os.environ.get("TZ", "").removeprefix(":")
    named = told or os.path.realpath("/etc/localtime").rpartition("zoneinfo/")[2]
    named = "UTC" if named in {"Etc/UTC", "Etc/UCT", "UCT", "Zulu"} else named
    return named if named in zoneinfo.available_timezones() else "UTC"


def currency_of(time_zone: str) -> str:
    """Return the currency that people in a time zone use; empty if that says nothing, as UTC does."""
    territory = get_global("zone_territories").get(time_zone)
    currencies = get_territory_currencies(territory) if territory and territory != "001" else []
    return str(currencies[0]) if currencies else ""


def _slug(slug: str) -> str:
    if not slug:
        raise FieldInvalid(field="slug", why=EMPTY)
    if len(code(slug, field="slug", length_max=SLUG_MAX)) < 2:
        raise FieldInvalid(field="slug", why=TOO_SHORT)
    return slug


def _time_zone(name: str) -> str:
    if name not in zoneinfo.available_timezones():
        raise FieldInvalid(field="time_zone", why=NOT_KNOWN)
    return name


def _currency(text: str) -> str:
    named = tuple(dict.fromkeys(re.split(r"[\s,;]+", text.strip().upper()))) if text.strip() else ()
    known = list_currencies()
    if len(named) > CURRENCIES_MAX or any(
        not re.fullmatch("[A-Z]{3}", one, re.ASCII) or one not in known for one in named
    ):
        raise FieldInvalid(field="currency", why=NOT_KNOWN)
    return " ".join(named)


def _one_of(text: str, known: Iterable[str], field: str) -> str:
    if text and text not in set(known):
        raise FieldInvalid(field=field, why=NOT_KNOWN)
    return text


def _confirm_days(text: str) -> str:
    if not text:
        return ""
    # Digits of any script: Arabic pages write their own.
    if not (text.isdecimal() and len(text) <= 2 and 1 <= int(text) <= CONFIRM_DAYS_MAX):
        raise FieldInvalid(field="confirm_days", why=NOT_DAYS)
    return str(int(text))


async def _published(house: House, group_id: UUID) -> PublicGroup:
    async with house.database.public_read(group_id) as tx:
        return await find_group(tx, group_id)


def _derived_id(token: str, what: bytes) -> UUID:
    return UUID(bytes=sha256(b"timebank/set-up/" + what + b"\0" + _digest(token)).digest()[:16], version=4)


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogateescape")).digest()


# ---------------------------------------------------------------- the example group


@dataclass(frozen=True, slots=True)
class ExampleState:
    """How far the example group is.

    Attributes:
        stage: ``none``; ``telling``; ``ready``; ``failed`` in this process just now;
            ``interrupted``: some of it was written before the server was stopped.
        told: Days of its story that are told, 0 to ``days``.
        can_start: Whether it can be begun. What was written of an interrupted one stays, as nothing
            in a book is ever taken back; the next one takes another address.
        problem: Why it failed.
    """

    stage: Literal["none", "telling", "ready", "failed", "interrupted"]
    told: int = 0
    days: int = 0
    slug: str = example.SLUG
    can_start: bool = False
    problem: Refusal | None = None


class _Stopped(Exception):
    """The server ends; the story stops between two weeks."""


class ExampleLoader:
    """Tells the story of the example group beside the requests, one story at a time.

    The group counts as ready once its story is told to the end and its days are closed; the second
    group of the example, which is made last, is the sign of it. What an interrupted story left
    behind never shows a figure, because closing comes at the end.
    """

    def __init__(self, house: House, *, clock: Callable[[], datetime], days: int) -> None:
        self.days = days
        self._house = house
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._told = 0
        self._problem: Refusal | None = None
        self._stopping = False
        self._starting = asyncio.Lock()

    async def state(self) -> ExampleState:
        """Return how far it is."""
        if self._task is not None and not self._task.done():
            return ExampleState("telling", self._told, self.days)
        found = await example.find_example(self._house)
        if found.whole:
            return ExampleState("ready", self.days, self.days, found.slug)
        if self._problem is not None:
            return ExampleState("failed", self._told, self.days, can_start=True, problem=self._problem)
        return ExampleState("interrupted" if found.interrupted else "none", 0, self.days, can_start=True)

    async def start(self, *, host: str) -> None:
        """Begin to tell the story, unless it is being told or is there.

        Args:
            host: First part of the books' names in proofs.
        """
        async with self._starting:
            whole = (await example.find_example(self._house)).whole
            if not whole and not self._stopping and (self._task is None or self._task.done()):
                self._told, self._problem = 0, None
                self._task = asyncio.create_task(self._tell(host))

    async def make_tokens(self) -> dict[str, str]:
        """Make fresh tokens for people of the example; {what they do there: token}.

        Raises:
            UnknownGroup: It is not there yet.
        """
        state = await self.state()
        if state.stage != "ready":
            raise UnknownGroup
        now = self._clock()
        group_id = await self._house.database.group_id(state.slug)
        tokens = {}
        for part, nickname in EXAMPLE_PEOPLE.items():
            member = await find_member(self._house, group_id, now=now, nickname=nickname)
            made = await make_token(self._house, group_id, member.member_id, TOKEN_SCOPES, now=now)
            tokens[part] = made.token
        return tokens

    async def make_cards(self) -> dict[str, str]:
        """Make fresh sign-in cards for people of the example; {what they do there: code}.

        Raises:
            UnknownGroup: It is not there yet.
        """
        state = await self.state()
        if state.stage != "ready":
            raise UnknownGroup
        now = self._clock()
        group_id = await self._house.database.group_id(state.slug)
        made = {}
        for part, nickname in EXAMPLE_PEOPLE.items():
            member = await find_member(self._house, group_id, now=now, nickname=nickname)
            card = await make_card(self._house, group_id, member.member_id, made_by=None, now=now)
            made[part] = card.code
        return made

    async def close(self) -> None:
        """Stop a story that is being told, at the end of a week of it if that is near."""
        self._stopping = True
        if self._task is None or self._task.done():
            return
        await asyncio.wait({self._task}, timeout=_STOP_WITHIN_S)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _tell(self, host: str) -> None:
        try:
            await example.make_example(
                self._house, host=host, now=self._clock(), progress=self._note, days=self.days
            )
        except _Stopped:
            return
        except Refusal as refusal:
            self._problem = refusal
        except Exception:
            # Nobody awaits this task: the page says that it failed, the log says why.
            log.exception("the example group could not be made")
            self._problem = ServerFault()

    async def _note(self, told: int, days: int, _doing: str) -> None:
        self._told = min(told, days)
        if self._stopping:
            raise _Stopped
        # Whoever asks for a page meanwhile gets a turn.
        await asyncio.sleep(0)


# ---------------------------------------------------------------- the desk


class SetUpDesk:
    """What the set-up page works with; one per application, made by open_desk.

    Attributes:
        origin: What people type to get here; empty if the operator did not say.
        data_option: What commands need so that they find this home: `` --data DIR``, or nothing.
    """

    def __init__(
        self, settings: Settings, house: House, *, clock: Callable[[], datetime], example_days: int
    ) -> None:
        self.origin = settings.origin
        self.data_option = _data_option(settings)
        self.example = ExampleLoader(house, clock=clock, days=example_days)
        self._house = house
        self._link = SetUpLink(settings.home)
        self._clock = clock
        self._lock = asyncio.Lock()
        #: What the link opened with, and what was made with it until that is shown no more.
        self._made: tuple[bytes, MadeGroup | None] | None = None
        self._forgets: asyncio.TimerHandle | None = None

    def is_open(self, token: str) -> bool:
        """Whether a group can be set up with this secret."""
        return self._link.opens_with(token)

    def knows(self, token: str) -> bool:
        """Whether this secret opens the link, or opened it until this process used it up."""
        used = self._made is not None and hmac.compare_digest(self._made[0], _digest(token))
        return self._link.opens_with(token) or used

    async def set_up(self, token: str, first: FirstGroup, *, host: str) -> MadeGroup:
        """Set up the one group of a link; asking twice within ten minutes gives the same answer.

        Args:
            first: As check_first_group returned it, without a fault.
            host: First part of the book's name in proofs.

        Raises:
            UnknownPage: The link was used before, or never was one.
            SlugTaken: Another group has this address; the link still works.
        """
        async with self._lock:
            if self._made is not None and hmac.compare_digest(self._made[0], _digest(token)):
                if self._made[1] is None:
                    raise UnknownPage
                return self._made[1]
            if not self._link.opens_with(token):
                raise UnknownPage
            descriptor = await asyncio.to_thread(self._link.take)
            try:
                # Another process may have used it while this one waited.
                if not self._link.opens_with(token):
                    raise UnknownPage
                made = await set_up_group(self._house, token, first, host=host, now=self._clock())
                await asyncio.to_thread(self._link.use_up, descriptor)
            finally:
                os.close(descriptor)
            self._made = (_digest(token), made)
            if self._forgets is not None:
                self._forgets.cancel()
            self._forgets = asyncio.get_running_loop().call_later(SHOWN_AGAIN_SECONDS, self.forget)
            return made

    def forget(self) -> None:
        """Forget the secrets of what was made: the keys, the token, the session, and the invitation."""
        if self._made is not None:
            self._made = (self._made[0], None)
        if self._forgets is not None:
            self._forgets.cancel()

    async def forget_recovery_key(self, token: str) -> MadeGroup:
        """Destroy the recovery key of the group that this link made, once it is on paper; return the group without it.

        Raises:
            UnknownPage: The link made none within the last ten minutes.
        """
        async with self._lock:
            digest, made = self._made or (b"", None)
            if made is None or not hmac.compare_digest(digest, _digest(token)):
                raise UnknownPage
            await forget_recovery_key(self._house, made.group_id)
            made = replace(made, recovery="")
            # Meanwhile its time may have come.
            if self._made is not None and self._made[1] is not None:
                self._made = (digest, made)
            return made

    async def make_link(self, actor: Actor) -> str:
        """Return the secret of a fresh link for another group; the one before leads nowhere from now on.

        Raises:
            NeedsRole, StepUpNeeded: They do not keep the server, or did not prove just now who they are.
        """
        actor.require_role("host")
        actor.require_fresh()
        async with self._lock:
            return await asyncio.to_thread(self._link.make)


def _data_option(settings: Settings) -> str:
    called = settings.home_name or str(settings.home)
    usual = {str(ROOT_HOME), str(default_home(os.environ))}
    return "" if called in usual else f" --data {shlex.quote(called)}"


@asynccontextmanager
async def open_desk(
    settings: Settings,
    house: House,
    *,
    clock: Callable[[], datetime],
    example_days: int = example.YEARS * 365,
) -> AsyncIterator[SetUpDesk]:
    """Open the set-up desk of a home; an example that is being made is stopped in the end."""
    desk = SetUpDesk(settings, house, clock=clock, example_days=example_days)
    try:
        yield desk
    finally:
        desk.forget()
        await desk.example.close()
