"""Asking without an account: the form and the way of the ask, behind an address that only whoever asked knows."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import msgspec
from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.edge.limits import slow_down
from timebank.edge.problems import renderer, status_of
from timebank.edge.sessions import refuse_other_sites
from timebank.errors import KeyReused, UnknownDraw
from timebank.rules.commands import ChangeDraw
from timebank.services import asks
from timebank.services.overview import read_ask_rules
from timebank.web.ask import Asking, asking_of, form_page, read_asking, refused
from timebank.web.ask_status import StepFault, status_page, step_of, step_words
from timebank.web.forms import field_text, is_look, read_form
from timebank.web.inside import group_and_language
from timebank.web.pages import render
from timebank.web.private import PrivatePage, go_to
from timebank.web.sending import SENT_BEFORE, Sent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from litestar.handlers import HTTPRouteHandler

    from timebank.edge.door import Door
    from timebank.i18n import Language
    from timebank.rules.commands import Command
    from timebank.rules.publication import PublicGroup
    from timebank.services.asks import Holder
    from timebank.services.overview import AskRules

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]


@dataclass(frozen=True, slots=True)
class Outside:
    """Somebody who came with a link, in one group, reading in one language."""

    door: Door
    group_id: UUID
    group: PublicGroup
    chosen: Language
    query: str
    secret: str
    holder: Holder

    @property
    def href(self) -> str:
        """The group's public page."""
        return f"/g/{self.group.slug}{self.query}"

    @property
    def here(self) -> str:
        """The address of this ask."""
        return f"/g/{self.group.slug}/a/{self.secret}{self.query}"

    def page(
        self, template: str, page: object, *, status: int = 200, with_script: bool = False
    ) -> PrivatePage:
        """Return a page for this reader, who has no session."""
        body = render(template, page, self.chosen, me=None)
        return PrivatePage(body, self.chosen, status=status, with_script=with_script)


@route("/g/{slug:str}/a", http_method=_READ, include_in_schema=False)
async def new_link(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Lead to a form with an address of its own; nothing is stored before somebody asks there."""
    door: Door = request.app.state.door
    _, _, query = await group_and_language(request, slug)
    secret = asks.make_form(door.house.keys, await door.keeper.group_id(slug))
    return go_to(f"/g/{slug}/a/{secret}{query}")


@route("/g/{slug:str}/a/{secret:str}", http_method=_READ, include_in_schema=False)
async def link_page(request: Request[Any, Any, Any], slug: FromPath[str], secret: FromPath[str]) -> ASGIApp:
    """Show the form; once it was sent, how far the ask is."""
    place = await _outside(request, slug, secret)
    return await _status(place) if place.holder.asked else _form(place, await _rules(place), Asking(), {})


@post("/g/{slug:str}/a/{secret:str}", include_in_schema=False)
async def send_by_link(
    request: Request[Any, Any, Any], slug: FromPath[str], secret: FromPath[str]
) -> ASGIApp:
    """Take an ask, or what its holder wants done with it."""
    refuse_other_sites(request.app.state.door, request.scope["headers"])
    place = await _outside(request, slug, secret)
    fields = await read_form(request)
    return await (
        _ask(request, place, fields) if is_look(fields) or "act" not in fields else _step(place, fields)
    )


ASK_BY_LINK_PAGES: Final[list[HTTPRouteHandler]] = [new_link, link_page, send_by_link]


async def _outside(request: Request[Any, Any, Any], slug: str, secret: str) -> Outside:
    """Return who came with a link.

    Raises:
        UnknownDraw: This server made no such link, or another has replaced it.
    """
    group, chosen, query = await group_and_language(request, slug)
    door: Door = request.app.state.door
    group_id = await door.keeper.group_id(slug)
    holder = await asks.find_holder(door.house, group_id, secret)
    return Outside(door, group_id, group, chosen, query, secret, holder)


async def _rules(place: Outside) -> AskRules:
    return await read_ask_rules(place.door.house, None, place.group_id, now=place.door.clock())


async def _ask(
    request: Request[Any, Any, Any], place: Outside, fields: Mapping[str, list[str]]
) -> PrivatePage:
    rules, asking = await _rules(place), asking_of(fields)
    command, faults = read_asking(place, rules, asking)
    if command is None:
        return _form(place, rules, asking, faults, status=422)
    if is_look(fields):
        return _form(place, rules, asking, {}, looked=True)
    await slow_down(request, place.group_id, "ask")
    keys, holder, key = place.door.house.keys, place.holder, field_text(fields, "key")
    # Not the link itself: what is refused is kept under its key, and may come again, mended.
    asks.check_key(keys, place.group_id, holder.link_hash, key)
    command = command._replace(
        without_account=True,
        link=holder.link_hash,
        contact_index=asks.contact_index(keys, place.group_id, command.contact),
        ask_id=holder.ask_id,
    )
    sent = await _send(place, key, command)
    if sent.is_refused and sent.code != "already_done":
        if (await asks.find_holder(place.door.house, place.group_id, place.secret)).asked:
            return go_to(place.here)
        return _form(place, rules, asking, refused(place, rules, asking, sent), status=sent.status)
    return go_to(place.here)


async def _step(place: Outside, fields: Mapping[str, list[str]]) -> PrivatePage:
    if not place.holder.asked:
        raise UnknownDraw
    pot = (await asks.read_status(place.door.house, place.holder)).pot
    try:
        command = step_of(fields, place.holder.ask_id, pot, place.chosen)
    except StepFault as fault:
        return await _status(place, (fault.field, fault.advice), fields, status=422)
    key = field_text(fields, "key")
    asks.check_key(place.door.house.keys, place.group_id, place.holder.link_hash, key)
    sent = await _send(place, key, command)
    if sent.is_refused:
        wrong = ("amount" if isinstance(command, ChangeDraw) else "you", step_words(sent, pot, place.chosen))
        return await _status(place, wrong, fields, status=sent.status)
    return go_to(place.here)


async def _send(place: Outside, key: str, command: Command) -> Sent:
    said = msgspec.json.encode((type(command).__name__, command))
    try:
        answer = await place.door.writer.submit(
            place.group_id,
            [command],
            actor=place.holder.actor,
            key=key,
            request_hash=sha256(said).digest(),
            render=renderer(place.chosen),
        )
    except KeyReused as refusal:
        return Sent(status_of(refusal), refusal.code, place.chosen.say(SENT_BEFORE), {})
    body = msgspec.json.decode(answer.body)
    if answer.status < 400:
        return Sent(answer.status, "", "", body)
    return Sent(answer.status, body["code"], body["detail"], body["params"])


def _form(
    place: Outside,
    rules: AskRules,
    asking: Asking,
    faults: Mapping[str, str],
    *,
    looked: bool = False,
    status: int = 200,
) -> PrivatePage:
    page = form_page(
        place,
        rules,
        asking,
        faults,
        href=place.href,
        rooms=(),
        action=place.here,
        key=asks.make_key(place.door.house.keys, place.group_id, place.holder.link_hash),
        by_link=True,
        looked=looked,
    )
    return place.page("ask.html", page, status=status, with_script=True)


async def _status(
    place: Outside,
    fault: tuple[str, str] | None = None,
    fields: Mapping[str, list[str]] | None = None,
    *,
    status: int = 200,
) -> PrivatePage:
    found = await asks.read_status(place.door.house, place.holder)
    rules = await _rules(place)
    page = status_page(
        found.draw,
        found.pot,
        waits_for=found.waits_for,
        said=found.said,
        looks=[],
        zone=ZoneInfo(rules.setup.time_zone),
        chosen=place.chosen,
        name=place.group.name,
        href=place.href,
        rooms=(),
        action=place.here,
        # A new form has an address of its own.
        ask_href=f"/g/{place.group.slug}/a{place.query}",
        keys=(found.key, found.key, found.key, found.key),
        fault=fault,
        written=(field_text(fields or {}, "text"), field_text(fields or {}, "amount")),
        by_link=True,
    )
    return place.page("ask_status.html", page, status=status)
