"""A new link for an ask without an account whose link was lost: a slip with a short code, shown once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from litestar import Request, post
from litestar.params import FromPath
from litestar.types import ASGIApp
from markupsafe import Markup

from timebank.edge.qr import qr_inline
from timebank.edge.sessions import origin_of
from timebank.errors import UnknownDraw
from timebank.services.asks import issue_link, issued
from timebank.web.rooms import TODAY, Way, ways
from timebank.web.sending import act
from timebank.web.stewards import steward_sends

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler


@dataclass(frozen=True, slots=True)
class LinkSlip:
    """The link to give to whoever asked; ``code`` is for somebody without a phone, who asks by telephone."""

    name: str
    href: str
    ways: tuple[Way, ...]
    back: str
    short: str
    address: str
    code: str
    qr: Markup


@post("/g/{slug:str}/today/{draw_id:uuid}/link", include_in_schema=False)
async def new_link(request: Request[Any, Any, Any], slug: FromPath[str], draw_id: FromPath[UUID]) -> ASGIApp:
    """Make a new link; the ones before lead nowhere."""
    here, fields = await steward_sends(request, slug)
    house, actor = here.door.house, here.actor
    sent = await act(
        here, fields, ("link", draw_id), lambda once: issue_link(house, actor, draw_id, once=once)
    )
    if sent.is_refused:
        raise UnknownDraw
    link, code = issued(house.keys, actor.group_id, draw_id, int(sent.body["issue"]))
    address = f"{origin_of(request)}/g/{slug}/a/{link}"
    page = LinkSlip(
        name=here.group.name,
        href=here.href,
        ways=ways(here, TODAY),
        back=here.path(TODAY),
        short=str(draw_id)[:4].upper(),
        address=address,
        code=code,
        # It is made of numbers only; what was put into it is in the drawing, not in the text.
        qr=qr_inline(address),
    )
    return here.page("lost_link.html", page)


LOST_LINK_PAGES: Final[list[HTTPRouteHandler]] = [new_link]
