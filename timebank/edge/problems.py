"""Refusals over HTTP: a status, and problem details (RFC 9457) in the language of whoever asked."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar.exceptions import HTTPException

from timebank.edge.bodies import BODY_MAX
from timebank.edge.framework import Framed
from timebank.edge.headers import PROBLEM, Reply
from timebank.errors import (
    N_,
    Busy,
    CodesWait,
    Conflict,
    FieldInvalid,
    KeyInvalid,
    KeyMissing,
    Malformed,
    MalformedBody,
    NotAllowed,
    NotSignedIn,
    Refusal,
    ServerFault,
    TooLarge,
    TooManyTries,
    Unknown,
    UnknownAccount,
    UnknownCategory,
    UnknownHeldPlace,
    UnknownPage,
    UnknownPot,
    UnsupportedMedia,
    WrongMethod,
)
from timebank.i18n import choose_language

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from litestar import Request

    from timebank.i18n import Language

log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS: Final = 2
#: Whole numbers beyond this are written as text: not every JSON reader counts further.
_EXACT_MAX: Final = 2**53 - 1
_NUMBER_LENGTH_MAX: Final = 40

# The first line that fits wins: classes before their kind.
_STATUS: Final[tuple[tuple[type[Refusal], int], ...]] = (
    (MalformedBody, 400),
    (KeyMissing, 400),
    (KeyInvalid, 400),
    (WrongMethod, 405),
    (TooLarge, 413),
    (UnsupportedMedia, 415),
    (Malformed, 422),
    # Words that the group does not have, in a body that could be read, and so 422 like other wrong
    # values. An id is 404 wherever it stands: one of another group is an id that never was.
    (UnknownAccount, 422),
    (UnknownCategory, 422),
    (UnknownHeldPlace, 422),
    (UnknownPot, 422),
    (Unknown, 404),
    (NotSignedIn, 401),
    (NotAllowed, 403),
    (Conflict, 409),
    (CodesWait, 429),
    (TooManyTries, 429),
    (Busy, 503),
    (Refusal, 500),
)

_TITLES: Final[dict[int, str]] = {
    400: N_("The request cannot be read"),
    401: N_("Not signed in"),
    403: N_("Not allowed"),
    404: N_("Not found"),
    405: N_("Not possible here"),
    409: N_("The book or the rules say no"),
    413: N_("Too large"),
    415: N_("Not JSON"),
    422: N_("A value is wrong"),
    429: N_("Too often"),
    500: N_("Our mistake"),
    503: N_("Not now"),
}

_FROM_FRAMEWORK: Final[dict[int, type[Refusal]]] = {
    401: NotSignedIn,
    403: NotAllowed,
    404: UnknownPage,
    415: UnsupportedMedia,
}

Rendered = tuple[int, dict[str, Any]]


def problem_type(refusal: Refusal | type[Refusal]) -> str:
    """Return the stable address that names a kind of problem."""
    return f"/problems/{refusal.code}"


def status_of(refusal: Refusal) -> int:
    """Return the HTTP status of a refusal."""
    return next(status for base, status in _STATUS if isinstance(refusal, base))


@lru_cache(maxsize=512)
def language_of(accept_language: str) -> Language:
    """Return the language of an answer to a program or browser with this Accept-Language header."""
    return choose_language(accept_language=accept_language)


@lru_cache(maxsize=64)
def renderer(language: Language) -> Callable[[Refusal], Rendered]:
    """Return a function that says a refusal in one language, for whoever stores what was said."""
    return lambda refusal: say(refusal, language)


def say(refusal: Refusal, language: Language) -> Rendered:
    """Return the status and the problem details of a refusal."""
    status = status_of(refusal)
    params = {name: _shown(value) for name, value in refusal.params.items()}
    problem: dict[str, Any] = {
        "type": problem_type(refusal),
        "title": language.say(_TITLES[status]),
        "status": status,
        "detail": sentence(refusal.message, params, language),
        "code": refusal.code,
        "retryable": refusal.retryable,
        "params": params,
    }
    faults = refusal.faults or _own_fault(refusal)
    if faults:
        problem["errors"] = [_said_of_field(field, fault, language) for field, fault in faults]
    return status, problem


def _own_fault(refusal: Refusal) -> tuple[tuple[str, Refusal], ...]:
    field = refusal.params.get("field") if isinstance(refusal, FieldInvalid) else None
    return () if field is None else ((str(field), refusal),)


def _said_of_field(field: str, fault: Refusal, language: Language) -> dict[str, Any]:
    params = {name: _shown(value) for name, value in fault.params.items()}
    return {
        "field": field,
        "code": fault.code,
        "detail": sentence(fault.message, params, language),
        "params": params,
    }


def sentence(message: str, params: Mapping[str, str | int], language: Language) -> str:
    """Return what a refusal says in one language, also one that was kept as its message and parameters."""
    return language.refused(message, {name: _shown(value) for name, value in params.items()})


def reply(refusal: Refusal, language: Language, more: tuple[tuple[bytes, bytes], ...] = ()) -> Reply:
    """Return a refusal as an answer."""
    status, problem = say(refusal, language)
    if status == 401:
        more += ((b"www-authenticate", b'Bearer realm="timebank"'),)
    elif status == 413:
        # What still comes of the body is not worth reading; without this the server would, for ever.
        more += ((b"connection", b"close"),)
    elif status in {429, 503}:
        seconds = refusal.params.get("seconds", RETRY_AFTER_SECONDS)
        more += ((b"retry-after", b"%d" % int(seconds)),)
    return Reply(status, msgspec.json.encode(problem), PROBLEM, more)


def refusal_of(error: Exception, method: str) -> Refusal:
    """Return what to tell somebody of an exception; what they cannot have caused is a fault of ours."""
    if isinstance(error, Refusal):
        return error
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 405:
        return WrongMethod(method=method if method.isascii() and method.isalpha() else "?")
    if status == 413:
        return TooLarge(limit=BODY_MAX)
    if status in _FROM_FRAMEWORK:
        return _FROM_FRAMEWORK[status]()
    if 400 <= status < 500:
        return MalformedBody(why=N_("it is no valid request"))
    return ServerFault()


def report_fault(refusal: Refusal, method: str, error: Exception) -> None:
    """Log an exception that is a fault of ours; refusals are no news."""
    if isinstance(refusal, ServerFault):
        # Method and exception only: addresses hold secrets of people, and logs are read by many.
        log.error("a %s request failed", method, exc_info=error)


def answer_problem(request: Request[Any, Any, Any], error: Exception) -> Any:
    """Answer any exception with problem details; the application's exception handler."""
    refusal = refusal_of(error, request.method)
    report_fault(refusal, request.method, error)
    more: tuple[tuple[bytes, bytes], ...] = ()
    if isinstance(refusal, WrongMethod) and isinstance(error, HTTPException):
        allowed = (error.headers or {}).get("Allow") or (error.headers or {}).get("allow", "")
        more = ((b"allow", allowed.encode("ascii", "ignore")),)
    return Framed(reply(refusal, language_of(request.headers.get("accept-language", "")), more))


def _shown(value: str | int) -> str | int:
    if isinstance(value, int) and abs(value) > _EXACT_MAX:
        # Converting a number of thousands of digits would itself be an attack.
        return str(value) if value.bit_length() < 4 * _NUMBER_LENGTH_MAX else "…"
    return value
