"""What every page for somebody who is signed in has: the group, the language, who they are, and the way to send forms.

A handler begins with ``here = await inside(request, slug)``, or for a form with
``here, fields = await received(request, slug)``, which also refuses what no page of ours sent. It ends with
``here.page("template.html", view)`` or ``here.go("/me/ways-in")``. Templates find ``me`` beside ``page``:
``parts.head(page.name, page.href, me)`` is the head with a way out, ``form.csrf(me)`` belongs into every form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from timebank.edge.sessions import check_form, demand_visitor
from timebank.i18n import Language
from timebank.services.preferences import read_language
from timebank.services.published import read_public_group
from timebank.web.forms import FORM_MAX, read_form
from timebank.web.pages import render
from timebank.web.private import PrivatePage, go_to
from timebank.web.public import public_language

if TYPE_CHECKING:
    from litestar import Request

    from timebank.edge.door import Door
    from timebank.edge.sessions import Visitor
    from timebank.rules.people import Actor
    from timebank.rules.publication import PublicGroup


@dataclass(frozen=True, slots=True)
class Me:
    """Whoever reads the page, as templates need them.

    Attributes:
        csrf: For every form.
        sign_out: Where the form that signs out goes.
        ways_in: The page with one's own ways in.
        home: The own page.
        duties_wait: Whether there are duties that wait for a proof, or for a steward who vouches.
        vouch_waits: Whether it is only the steward that they wait for.
        prove: Where that proof is given, or set up where there is none yet; or what to show the steward.
    """

    csrf: str
    sign_out: str
    ways_in: str
    home: str
    duties_wait: bool
    vouch_waits: bool
    prove: str


@dataclass(frozen=True, slots=True)
class Inside:
    """Somebody who is signed in, in one group, reading in one language.

    Attributes:
        query: ``?lang=es`` if the address named a language, else empty.
    """

    door: Door
    group: PublicGroup
    chosen: Language
    query: str
    visitor: Visitor

    @property
    def actor(self) -> Actor:
        """Who they are, with the duties that the session carries."""
        return self.visitor.actor

    @property
    def href(self) -> str:
        """The group's public page."""
        return self.path("")

    @property
    def me(self) -> Me:
        """What templates need to know of the reader."""
        can_prove = (self.visitor.has_passkey or self.visitor.has_totp) and not self.visitor.strong
        return Me(
            csrf=self.visitor.csrf,
            sign_out=self.path("/sign-out"),
            ways_in=self.path("/me/ways-in"),
            home=self.path("/me"),
            duties_wait=bool(self.visitor.duties_wait),
            vouch_waits=bool(self.visitor.duties_wait) and self.visitor.strong,
            prove=self.path("/prove" if can_prove else "/me/ways-in"),
        )

    def path(self, below: str) -> str:
        """Return an address of the group in the language of this page, such as ``/g/riverside/me?lang=es``."""
        return f"/g/{self.group.slug}{below}{self.query}"

    def page(
        self,
        template: str,
        page: object,
        *,
        status: int = 200,
        cookies: tuple[tuple[bytes, bytes], ...] = (),
        with_script: bool = False,
    ) -> PrivatePage:
        """Return a page for this reader."""
        body = render(template, page, self.chosen, me=self.me)
        return PrivatePage(body, self.chosen, status=status, cookies=cookies, with_script=with_script)

    def go(self, below: str, *, cookies: tuple[tuple[bytes, bytes], ...] = ()) -> PrivatePage:
        """Return the way to another page of the group, after a form was taken."""
        return go_to(self.path(below), cookies=cookies)


async def inside(request: Request[Any, Any, Any], slug: str) -> Inside:
    """Return who is signed in and where.

    Raises:
        SignInFirst: Nobody is. Let it pass: the application sends them to the sign-in page.
        UnknownGroup: There is no group at this address.
    """
    visitor = await demand_visitor(request)
    person = await read_language(request.app.state.door.house, visitor.actor)
    group, chosen, query = await group_and_language(request, slug, person)
    return Inside(request.app.state.door, group, chosen, query, visitor)


async def received(
    request: Request[Any, Any, Any], slug: str, *, size_max: int = FORM_MAX, fields_max: int = 40
) -> tuple[Inside, Mapping[str, list[str]]]:
    """Return who is signed in and what they sent.

    Raises:
        SignInFirst, UnknownGroup: See inside.
        FormNotOurs: No page of ours that this session was shown sent it.
        TooLarge, MalformedBody: See forms.read_form.
    """
    here = await inside(request, slug)
    fields = await read_form(request, size_max=size_max, fields_max=fields_max)
    check_form(request, here.visitor, fields)
    return here, fields


async def group_and_language(
    request: Request[Any, Any, Any], slug: str, person: str = ""
) -> tuple[PublicGroup, Language, str]:
    """Return the group, the language of an answer, and ``?lang=`` with it if the address named it.

    Args:
        person: The language that somebody who is signed in chose; the address wins over it.

    Raises:
        UnknownGroup: There is no group at this address.
    """
    group = (await read_public_group(request.app.state.database, slug)).group
    chosen, explicit = public_language(request, group, person=person)
    return group, chosen, f"?lang={chosen.code}" if explicit else ""
