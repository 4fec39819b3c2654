"""Group settings over the API: as they are, changed by a steward, and what they were."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.types import ASGIApp
from msgspec import Meta

from timebank import errors
from timebank.edge.bodies import Reader
from timebank.edge.door import Act, json_reply, signed_in
from timebank.edge.openapi import acts, reads
from timebank.edge.paging import Listing
from timebank.rules.settings import COSIGNER_KEY_MAX, Change
from timebank.services import settings as service
from timebank.services.settings import PAGE_MAX, Place

HISTORY: Final[Listing[Place]] = Listing(
    "settings", tuple[Annotated[datetime, Meta(tz=True)], UUID], usual=50, largest=PAGE_MAX
)

Word = Annotated[str, Meta(max_length=100)]


class SettingsBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What is to be different; what is left out, or `null`, stays."""

    name: Annotated[str, Meta(max_length=500)] | None = None
    languages: list[Word] | None = None
    time_zone: Word | None = None
    categories_add: list[Word] = []
    categories_retire: list[Word] = []
    rounding_minutes: int | None = None
    rounding_up: bool | None = None
    confirm_days: int | None = None
    words: Word | None = None
    preset: Word | None = None
    member_list: bool | None = None
    joining: Word | None = None
    people: int | None = None
    gifts_wait: bool | None = None
    witnesses: list[Annotated[str, Meta(max_length=COSIGNER_KEY_MAX)]] | None = None


class SettingsOut(msgspec.Struct, omit_defaults=True):
    """What the group says about itself. Hours are rounded to `rounding_minutes` (1 is not at all).

    At least `people` stand behind each published figure (0 under `open`), gifts of money included if
    `gifts_wait`. `next_preset` begins on `publishing_from`. `witnesses` are keys of those whose cosignatures are
    taken; none stands for those of the host.
    """

    name: str
    languages: list[str]
    time_zone: str
    categories: list[str]
    categories_retired: list[str]
    rounding_minutes: int
    rounding_up: bool
    confirm_days: int
    words: str
    preset: str
    member_list: bool
    joining: str
    people: int
    gifts_wait: bool
    next_time_zone: str = ""
    time_zone_from: datetime | None = None
    next_preset: str = ""
    publishing_from: date | None = None
    witnesses: list[str] = []


class ChangedOut(msgspec.Struct, omit_defaults=True):
    """The settings that are different now; another time zone begins at `time_zone_from`.

    Another preset, `people` or `gifts_wait` count for what is written from `publishing_from` on.
    """

    changed: list[str]
    time_zone_from: datetime | None = None
    publishing_from: date | None = None


class SettingsChangeOut(msgspec.Struct, omit_defaults=True):
    """One change; `by` is the account number of who made it, for stewards and auditors only."""

    id: UUID
    at: datetime
    before: dict[str, Any]
    after: dict[str, Any]
    by: int | None = None


class HistoryOut(msgspec.Struct, omit_defaults=True):
    """Changes, newest first; `next` is the `after` of the next page."""

    changes: list[SettingsChangeOut]
    next: str = ""


CHANGE: Final = Act(
    Reader(SettingsBody),
    lambda door, actor, body, _params, once: service.write_settings(door.house, actor, once, _change(body)),
)


@get(
    "/groups/{slug:str}/settings",
    operation_class=reads(
        SettingsOut,
        summary="What the group says about itself",
        description="For every member.",
    ),
)
async def get_settings(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return the group's settings."""
    door, actor = await signed_in(request)
    found = await service.read_settings(door.house, actor, now=door.clock())
    zone = found.next_zone
    return json_reply(
        SettingsOut(
            **found.settings.as_json(),
            next_time_zone=zone.name if zone else "",
            time_zone_from=zone.begins_at if zone else None,
            next_preset=found.next_way.preset if found.next_way else "",
            publishing_from=found.way_from,
        )
    )


@post(
    "/groups/{slug:str}/settings",
    operation_class=acts(
        SettingsBody,
        ChangedOut,
        summary="Change what the group says about itself",
        description="By a steward who proved just now who they are. Another time zone begins with the next day, "
        "another way of publishing with the next period. The public sees name and languages from the next close on. "
        "A category is retired, never deleted.",
        example={"confirm_days": 14, "categories_add": ["garden"]},
        refusals=(
            errors.NeedsRole,
            errors.StepUpNeeded,
        ),
        gives={"changed": ["categories", "confirm_days"]},
    ),
)
async def change_settings(request: Request[Any, Any, Any]) -> ASGIApp:
    """Change settings."""
    return await CHANGE.answer(request)


@get(
    "/groups/{slug:str}/settings/history",
    operation_class=reads(
        HistoryOut,
        summary="What was changed",
        description="For every member, newest first: what a setting was and what it became.",
        query=HISTORY.query,
    ),
)
async def list_changes(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return what was changed."""
    door, actor = await signed_in(request)
    asked = HISTORY.read(request.scope["query_string"])
    page = await service.read_history(door.house, actor, after=asked.after, limit=asked.limit)
    sees_who = not actor.roles.isdisjoint({"steward", "auditor"})
    return json_reply(
        HistoryOut(
            [
                SettingsChangeOut(
                    row.change_id, row.changed_at, row.before, row.after, row.changed_by if sees_who else None
                )
                for row in page.changes
            ],
            HISTORY.next(page.next),
        )
    )


ROUTES: Final = (get_settings, change_settings, list_changes)


def _change(body: SettingsBody) -> Change:
    said: dict[str, Any] = {}
    for name in body.__struct_fields__:
        value = getattr(body, name)
        said[name] = tuple(value) if isinstance(value, list) else value
    return Change(**said)
