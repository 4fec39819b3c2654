"""Pages for whoever keeps the server: whether it is well, which groups are here, and what a seizure would reveal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp
from markupsafe import Markup

from timebank.edge.qr import qr_inline
from timebank.edge.sessions import origin_of
from timebank.errors import N_
from timebank.services.host import look_at_health
from timebank.services.seizure import what_it_reveals
from timebank.web.inside import Inside, inside, received
from timebank.web.money_pages import proof_words
from timebank.web.private import go_to
from timebank.web.rooms import HOST, Way, ways
from timebank.web.sign_in import duty_location

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from litestar.handlers import HTTPRouteHandler

    from timebank.i18n import Language
    from timebank.services.host import Health, HostedGroup
    from timebank.services.setup import SetUpDesk

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]

#: What a class of columns is called on this page.
_NAMES: Final[Mapping[str, str]] = {
    "public": N_("what is published"),
    "group": N_("the group itself"),
    "book": N_("the book"),
    "tie": N_("random ids"),
    "clear": N_("states and moments"),
    "sealed": N_("sealed boxes"),
    "blind": N_("blind indexes"),
    "guess": N_("what can be guessed"),
    "hash": N_("hashes of secrets"),
    "proof": N_("proofs"),
}


class Revealed(NamedTuple):
    """One row: what it is, and what it tells."""

    name: str
    columns: str
    without_keys: str
    with_keys: str


@dataclass(frozen=True, slots=True)
class SeizurePage:
    """What a seizure would reveal; ``beside`` has (what, what it gives away) of what is not in the database."""

    name: str
    href: str
    ways: tuple[Way, ...]
    revealed: tuple[Revealed, ...]
    beside: tuple[tuple[str, str], ...]


class Fact(NamedTuple):
    """One thing that was looked at: mark, verdict, and what was found or what to do."""

    what: str
    mark: str
    verdict: str
    text: str


class GroupRow(NamedTuple):
    """A group on this server."""

    href: str
    name: str
    slug: str
    about: str


@dataclass(frozen=True, slots=True)
class HostPage:
    """How the machine is, and which groups are here.

    Attributes:
        lede: The one sentence that matters.
        proof: What is said about the fresh proof that a new link takes.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    lede: str
    facts: tuple[Fact, ...]
    groups: tuple[GroupRow, ...]
    link_action: str
    proof: str
    seizure_href: str


@dataclass(frozen=True, slots=True)
class LinkPage:
    """A fresh set-up link, shown this once; ``qr`` is its drawing."""

    name: str
    href: str
    ways: tuple[Way, ...]
    back: str
    link: str
    qr: Markup


@route("/g/{slug:str}/host", http_method=_READ, include_in_schema=False)
async def host_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show a host how the machine is, and which groups are here."""
    here = await inside(request, slug)
    if "host" in here.visitor.duties_wait:
        return go_to(duty_location(here, HOST))
    state, now = request.app.state, here.door.clock()
    health = await look_at_health(here.door.house, here.actor, state.machine, now=now)
    facts = _facts(health, state.sweeper.swept_at, now, here.chosen)
    doubts = sum(fact.mark == "dotted" for fact in facts)
    page = HostPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, HOST),
        lede=here.chosen.say_many("%(count)s thing needs a look.", "%(count)s things need a look.", doubts)
        if doubts
        else here.chosen.say(N_("All is well.")),
        facts=facts,
        groups=tuple(_group(group, here) for group in health.groups),
        link_action=here.path(f"{HOST}/link"),
        proof=proof_words(here),
        seizure_href=here.path(f"{HOST}/seizure"),
    )
    return here.page("host.html", page)


@post("/g/{slug:str}/host/link", include_in_schema=False)
async def make_link(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Make a set-up link for another group, and show it this once."""
    here, _ = await received(request, slug)
    desk: SetUpDesk = request.app.state.set_up
    link = f"{origin_of(request)}/setup/{await desk.make_link(here.actor)}"
    page = LinkPage(here.group.name, here.href, ways(here, HOST), here.path(HOST), link, qr_inline(link))
    return here.page("host_link.html", page)


@route("/g/{slug:str}/host/seizure", http_method=_READ, include_in_schema=False)
async def seizure_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show a host what a seizure of the machine would reveal."""
    here = await inside(request, slug)
    told = what_it_reveals(here.actor)
    chosen = here.chosen
    page = SeizurePage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, HOST),
        revealed=tuple(
            Revealed(
                chosen.say(_NAMES[kind]),
                chosen.say_many("%(count)s column", "%(count)s columns", count),
                chosen.say(words.without_keys),
                chosen.say(words.with_keys),
            )
            for kind, words, count in told.classes
        ),
        beside=tuple((what, chosen.say(gives)) for what, gives in told.beside.items()),
    )
    return here.page("host_seizure.html", page)


HOST_PAGES: Final[list[HTTPRouteHandler]] = [host_page, make_link, seizure_page]


def _group(group: HostedGroup, here: Inside) -> GroupRow:
    chosen = here.chosen
    if group.last_day is None:
        about = chosen.say(N_("first figures on %(day)s"), day=chosen.day_month_year(group.next_close_on))
    else:
        about = chosen.say(N_("published up to %(day)s"), day=chosen.day_month_year(group.last_day))
    began = chosen.say(N_("since %(day)s"), day=chosen.day_month_year(group.began_on))
    return GroupRow(f"/g/{group.slug}{here.query}", group.name, group.slug, f"{began} · {about}")


# ---------------------------------------------------------------- how the machine is

#: Less than this is soon nothing.
_FREE_MIN: Final = 500_000_000
_APART_MAX_S: Final = 5
_BACKUP_DAYS: Final = 2
_SWEEP_MINUTES: Final = 5


def _facts(health: Health, swept_at: datetime | None, now: datetime, chosen: Language) -> tuple[Fact, ...]:
    """Return what was looked at, in plain words; a dotted mark needs somebody."""
    say = chosen.say

    def fact(what: str, *, well: bool, text: str) -> Fact:
        verdict = say(N_("Well.")) if well else say(N_("Look at it."))
        return Fact(say(what), "solid" if well else "dotted", verdict, text)

    return (
        fact(
            N_("The database"),
            well=True,
            text=say(N_("It answers: PostgreSQL %(version)s."), version=health.database),
        ),
        fact(N_("The disk"), well=health.free >= _FREE_MIN, text=_disk(health.free, chosen)),
        fact(
            N_("The clock"),
            well=health.seconds_apart <= _APART_MAX_S,
            text=say(N_("This machine and its database have the same time."))
            if health.seconds_apart <= _APART_MAX_S
            else chosen.say_many(
                "This machine and its database are %(count)s second apart: let both set their clocks by the network.",
                "This machine and its database are %(count)s seconds apart: let both set their clocks by the network.",
                health.seconds_apart,
            ),
        ),
        fact(N_("Mail"), well=not health.mail_waits, text=say(_mail(health))),
        fact(
            N_("Backups"),
            well=health.backup_at is not None and (now - health.backup_at).days <= _BACKUP_DAYS,
            text=_backups(health.backup_at, now, chosen),
        ),
        fact(N_("Witnesses"), well=bool(health.witnesses), text=_witnesses(health, chosen)),
        fact(N_("What is due"), well=_sweeps(swept_at, now), text=say(_sweep_words(swept_at, now))),
    )


def _disk(free: int, chosen: Language) -> str:
    gigabytes = chosen.number(free // 10**9)
    if free >= _FREE_MIN:
        return chosen.say(N_("%(count)s GB are free where everything is kept."), count=gigabytes)
    return chosen.say(N_("Less than half a GB is free: make room soon, or nothing more can be written."))


def _mail(health: Health) -> str:
    if not health.sends_mail:
        return N_("None is sent, and nothing that needs it is offered.")
    if health.mail_waits:
        return N_(
            "Some has waited for more than ten minutes. The command timebank doctor says what the mail server answers."
        )
    return N_("It goes out: nothing waits for longer than ten minutes.")


def _backups(made_at: datetime | None, now: datetime, chosen: Language) -> str:
    if made_at is None:
        return chosen.say(
            N_(
                "There is none in the usual place. Let timebank backup run every night, and carry copies elsewhere."
            )
        )
    days = max(0, (now - made_at).days)
    if not days:
        return chosen.say(N_("The newest in the usual place is from the last 24 hours."))
    return chosen.say_many(
        "The newest in the usual place is %(count)s day old.",
        "The newest in the usual place is %(count)s days old.",
        days,
    )


def _witnesses(health: Health, chosen: Language) -> str:
    if not health.witnesses:
        return chosen.say(
            N_("Nobody outside watches the public books. Ask a friendly group to, with timebank witness.")
        )
    told = [
        chosen.say(N_("%(name)s last saw one on %(day)s"), name=name, day=chosen.day_month_year(at.date()))
        if at is not None
        else chosen.say(N_("%(name)s has not seen one yet"), name=name)
        for name, at in health.witnesses
    ]
    return " · ".join(told)


def _sweeps(swept_at: datetime | None, now: datetime) -> bool:
    return swept_at is None or (now - swept_at).total_seconds() < _SWEEP_MINUTES * 60


def _sweep_words(swept_at: datetime | None, now: datetime) -> str:
    if swept_at is None:
        return N_("The program has just started, and looks within a minute.")
    if _sweeps(swept_at, now):
        return N_("Every minute the program looks at what time decides, and did so just now.")
    return N_("For more than five minutes nobody has looked at what time decides. Start the program anew.")
