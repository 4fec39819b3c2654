"""What a browser sends when somebody presses the button of a form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from litestar import Request

from timebank.edge.bodies import receive_body
from timebank.errors import N_, MalformedBody

FORM_MAX: Final = 16 * 1024
_FIELDS_MAX: Final = 40
_TEXT_MAX: Final = 500

#: Of a form that is only looked at: what it would write is shown, and nothing is written (``sending.key_of``).
LOOK: Final = "look"
#: What stands there while somebody still writes: ``static/js/preview.js`` asks, and no button was pressed.
LIVE: Final = "live"

NOT_A_FORM: Final = N_("it is not a form")


@dataclass(frozen=True, slots=True)
class Answer:
    """One field of a form: what stands in it, and what is wrong with that; empty if nothing is."""

    value: str
    fault: str


async def read_form(
    request: Request[Any, Any, Any], *, size_max: int = FORM_MAX, fields_max: int = _FIELDS_MAX
) -> Mapping[str, list[str]]:
    """Return the fields of a form.

    Raises:
        TooLarge: It is larger than any that we have.
        MalformedBody: It is no form, or not UTF-8.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise MalformedBody(why=NOT_A_FORM)
    body = await receive_body(
        request.receive, size_max=size_max, announced=request.headers.get("content-length", "")
    )
    try:
        fields = parse_qs(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=fields_max
        )
    except (UnicodeError, ValueError):
        raise MalformedBody(why=NOT_A_FORM) from None
    # Whoever must prove once more who they are sends it again from there (web.sign_in).
    request.scope.setdefault("state", {})["form"] = fields
    return fields


def form_of(request: Request[Any, Any, Any]) -> Mapping[str, list[str]] | None:
    """Return the form that was read in this request, if one was."""
    fields: Mapping[str, list[str]] | None = request.scope.setdefault("state", {}).get("form")
    return fields


def field_whole(fields: Mapping[str, list[str]], name: str) -> str:
    """Return all of what stands in a field, for what a script of ours wrote there."""
    return next(iter(fields.get(name, ())), "")


def field_text(fields: Mapping[str, list[str]], name: str) -> str:
    """Return what stands in a field: longer than anything right, and short enough to be shown again."""
    return next(iter(fields.get(name, ())), "")[:_TEXT_MAX]


def is_look(fields: Mapping[str, list[str]]) -> bool:
    """Whether a form is only looked at."""
    return LOOK in fields


def is_live(fields: Mapping[str, list[str]]) -> bool:
    """Whether it is looked at while somebody still writes: then a look leaves no trace, either."""
    return field_text(fields, LOOK) == LIVE
