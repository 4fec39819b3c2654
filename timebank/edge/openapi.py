"""The description of the API (OpenAPI 3.1): written beside each route, put together once per process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec
from litestar.openapi.spec import (
    Example,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Parameter,
    Reference,
    RequestBody,
    Schema,
)

from timebank.edge.problems import status_of
from timebank.errors import (
    DateBeforeBegin,
    DateInFuture,
    FieldInvalid,
    FormNotOurs,
    GroupBusy,
    ImportUnderWay,
    KeyInvalid,
    KeyMissing,
    KeyReused,
    MalformedAmount,
    MalformedBody,
    NeedsScope,
    NotSignedIn,
    OutcomeUnknown,
    Refusal,
    StoreAway,
    TooLarge,
    UnknownGroup,
    UnknownPage,
    UnsupportedMedia,
)

if TYPE_CHECKING:
    from litestar import Litestar
    from litestar.handlers import HTTPRouteHandler

_REF: Final = "#/components/schemas/{name}"


class FieldProblem(msgspec.Struct):
    """What is wrong with one field of a request; `field` is a path such as `items[2].minutes`."""

    field: str
    code: str
    detail: str
    params: dict[str, str | int]


class Problem(msgspec.Struct, omit_defaults=True):
    """Why a request was refused (RFC 9457). `code` never changes; `params` is what the sentence speaks of.

    Where fields of the request are wrong, `errors` has each of them; `code` is that of the first.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    retryable: bool
    params: dict[str, str | int]
    errors: list[FieldProblem] = []


class QueryField(NamedTuple):
    """One query parameter, with its JSON schema."""

    name: str
    schema: dict[str, Any]
    description: str


Refusals = Sequence[type[Refusal]]

#: What a route may say whose request names a day.
DATED: Final[Refusals] = (DateBeforeBegin, DateInFuture)

#: What every route may say, and what is added for whoever is signed in.
_ALWAYS: Final[Refusals] = (UnknownGroup, StoreAway)
_QUERY: Final[Refusals] = (FieldInvalid,)
#: What every route with a key may say, and those that the writer answers.
_KEYED: Final[Refusals] = (KeyMissing, KeyInvalid)
_WRITER: Final[Refusals] = (KeyReused, GroupBusy, ImportUnderWay, OutcomeUnknown)
_BODY: Final[Refusals] = (MalformedBody, FieldInvalid, TooLarge, UnsupportedMedia)
#: Fields that are refused in words of their own if they are no whole numbers.
_AMOUNTS: Final = frozenset({"minutes", "amount"})

#: Shapes that operations name; each becomes a component.
_shapes: dict[str, type] = {"Problem": Problem}

Who = Literal["anybody", "session", "token"]
#: Whoever has a session may use it wherever a token is taken.
_SECURITY: Final[dict[Who, list[dict[str, list[str]]]]] = {
    "anybody": [],
    "session": [{"session": []}],
    "token": [{"token": []}, {"session": []}],
}


def writes(
    body: type,
    *,
    summary: str,
    description: str = "",
    status: int = 201,
    body_required: bool = True,
    answer: type | None = None,
    refusals: Refusals = (),
    example: Any = None,
    gives: Any = None,
) -> type[Operation]:
    """Describe a route that writes to the book.

    Args:
        body: Struct of the body.
        status: What an accepted request is answered with.
        answer: Struct of that answer.
        refusals: What the rules of the command, and the book, may say besides what every such route says.
        example: A body that is accepted; tests send it.
        gives: An answer to it, true in its shape.
    """
    shape = _reference(answer) if answer else Schema(type=OpenAPIType.OBJECT)
    return _operation(
        summary=summary,
        description=description,
        parameters=[_key(_SAME_ANSWER)],
        request_body=RequestBody(
            content={"application/json": _content(_reference(body), example)}, required=body_required
        ),
        responses={
            str(status): _answer("Done, or done before under this key.", shape, gives),
        },
        refused=(
            *_changing("token"),
            *_KEYED,
            *_WRITER,
            *_json(body),
            *refusals,
        ),
    )


def changes(
    answer: type | None,
    *,
    summary: str,
    description: str,
    body: type | None = None,
    who: Who = "session",
    refusals: Refusals = (),
    example: Any = None,
    gives: Any = None,
) -> type[Operation]:
    """Describe a route that changes something beside the book; no key, since it can be asked for again.

    Args:
        answer: Struct of the answer; None for an empty object.
        body: Struct of the body; None where there is none.
        who: Whether it takes nobody, somebody signed in with a browser, or also a token.
        refusals: What it may say besides what every such route says.
        example: A body that is accepted, but for its ids and secrets.
        gives: An answer, true in its shape.
    """
    shape = _reference(answer) if answer else Schema(type=OpenAPIType.OBJECT)
    return _operation(
        summary=summary,
        description=description,
        parameters=[] if who == "anybody" else [_CSRF],
        request_body=_json_body(body, required=True, example=example) if body else None,
        responses={
            "200": _answer("Done.", shape, gives if answer else {}),
        },
        refused=(
            *_changing(who),
            *_json(body),
            *refusals,
        ),
        security=_SECURITY[who],
    )


def reads(
    answer: type,
    *,
    summary: str,
    description: str = "",
    query: tuple[QueryField, ...] = (),
    who: Who = "token",
    refusals: Refusals = (),
    gives: Any = None,
) -> type[Operation]:
    """Describe a route that a signed-in actor reads.

    Args:
        answer: Struct of the answer.
        query: Query parameters, all optional.
        who: Whether it takes a session only, or also a token.
        refusals: What it may say besides what every such route says.
        gives: An answer, true in its shape.
    """
    return _operation(
        summary=summary,
        description=description,
        parameters=_query_parameters(query),
        request_body=None,
        responses={
            "200": _answer("What was asked for.", _reference(answer), gives),
        },
        refused=(
            *_reading(who),
            *(_QUERY if query else ()),
            *refusals,
        ),
        security=_SECURITY[who],
    )


def writes_by_link(
    body: type,
    *,
    summary: str,
    description: str,
    status: int = 201,
    keyed: bool = True,
    answer: type | None = None,
    refusals: Refusals = (),
    example: Any = None,
    gives: Any = None,
) -> type[Operation]:
    """Describe a route that the holder of a secret link writes through, without an account.

    Args:
        body: Struct of the body.
        keyed: Whether it needs a key that the server gave out; else the secret in the address is the key.
        answer: Struct of the answer; None for an object.
        refusals: What it may say besides what every such route says.
        example: A body that is accepted, but for its secrets.
        gives: An answer to it, true in its shape.
    """
    shape = Schema(type=OpenAPIType.OBJECT) if answer is None else _reference(answer)
    return _operation(
        summary=summary,
        description=description,
        parameters=[_key(_GIVEN_OUT)] if keyed else [],
        request_body=_json_body(body, required=True, example=example),
        responses={
            str(status): _answer("Done, or done before under this key.", shape, gives),
        },
        refused=(
            *_ALWAYS,
            *(_KEYED if keyed else ()),
            *_WRITER,
            *_json(body),
            *refusals,
        ),
        security=_SECURITY["anybody"],
    )


def reads_by_link(
    answer: type, *, summary: str, description: str, refusals: Refusals = ()
) -> type[Operation]:
    """Describe a route that the holder of a secret link reads, without an account.

    Args:
        answer: Struct of the answer.
        refusals: What it may say besides what every such route says.
    """
    return _operation(
        summary=summary,
        description=description,
        parameters=[],
        request_body=None,
        responses={
            "200": _answer("What was asked for.", _reference(answer)),
        },
        refused=(
            *_ALWAYS,
            *refusals,
        ),
        security=_SECURITY["anybody"],
    )


def shows(
    answer: type,
    *,
    summary: str,
    description: str = "",
    query: tuple[QueryField, ...] = (),
    refusals: Refusals = (),
    gives: Any = None,
) -> type[Operation]:
    """Describe a public route: the same for everybody, as of the last close.

    Args:
        answer: Struct of the answer.
        query: Query parameters, all optional.
        refusals: What it may say besides what every such route says.
        gives: An answer, true in its shape.
    """
    return _operation(
        summary=summary,
        description=description,
        parameters=_query_parameters(query),
        request_body=None,
        responses={
            "200": _answer("As of the last close; with an ETag.", _reference(answer), gives),
            "304": OpenAPIResponse(description="What If-None-Match names is still so."),
        },
        refused=(
            *_ALWAYS,
            *(_QUERY if query else ()),
            *refusals,
        ),
        security=_SECURITY["anybody"],
    )


def gives_file(
    media_type: str,
    *more_types: str,
    summary: str,
    description: str = "",
    query: tuple[QueryField, ...] = (),
    refusals: Refusals = (),
) -> type[Operation]:
    """Describe a route that gives a signed-in actor a file.

    Args:
        media_type: Its Content-Type, without parameters; more where it depends on what is asked for.
        query: Query parameters, all optional.
        refusals: What it may say besides what every such route says.
    """
    file = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))
    return _operation(
        summary=summary,
        description=description,
        parameters=_query_parameters(query),
        request_body=None,
        responses={
            "200": OpenAPIResponse(
                description="The file, sent while it is written.",
                content=dict.fromkeys((media_type, *more_types), file),
            ),
        },
        refused=(
            *_reading("token"),
            *(_QUERY if query else ()),
            *refusals,
        ),
    )


def acts(
    body: type,
    answer: type,
    *,
    summary: str,
    description: str = "",
    status: int = 200,
    body_required: bool = True,
    refusals: Refusals = (),
    example: Any = None,
    gives: Any = None,
) -> type[Operation]:
    """Describe a route by which people decide about people and rules.

    Args:
        body: Struct of the body.
        answer: Struct of the answer.
        status: What an accepted request is answered with.
        refusals: What it may say besides what every such route says.
        example: A body that is accepted, but for its ids.
        gives: An answer to it, true in its shape.
    """
    return _operation(
        summary=summary,
        description=description,
        parameters=[_key(_SAME_ANSWER)],
        request_body=_json_body(body, required=body_required, example=example),
        responses={
            str(status): _answer("Done, or done before under this key.", _reference(answer), gives),
        },
        refused=(
            *_changing("token"),
            *_KEYED,
            KeyReused,
            *_json(body),
            *refusals,
        ),
    )


def for_strangers(
    answer: type,
    *,
    summary: str,
    description: str,
    body: type | None = None,
    keyed: bool = False,
    status: int = 200,
    refusals: Refusals = (),
    example: Any = None,
    gives: Any = None,
) -> type[Operation]:
    """Describe a route that somebody without an account uses; a secret in the address opens it, if anything.

    Args:
        answer: Struct of the answer.
        body: Struct of the body; None for none.
        keyed: Whether it takes the key that the form came with.
        refusals: What it may say besides what every such route says.
        example: A body that is accepted.
        gives: An answer to it, true in its shape.
    """
    return _operation(
        summary=summary,
        description=description,
        parameters=[_key(_ISSUED)] if keyed else [],
        request_body=None if body is None else _json_body(body, required=True, example=example),
        responses={
            str(status): _answer("What was asked for.", _reference(answer), gives),
        },
        refused=(
            *_ALWAYS,
            *(_KEYED if keyed else ()),
            *_json(body),
            *refusals,
        ),
        security=_SECURITY["anybody"],
    )


def _json_body(body: type, *, required: bool, example: Any) -> RequestBody:
    return RequestBody(content={"application/json": _content(_reference(body), example)}, required=required)


def takes_files(
    answer: type,
    media_types: tuple[str, ...],
    *,
    summary: str,
    description: str,
    query: tuple[QueryField, ...],
    refusals: Refusals = (),
) -> type[Operation]:
    """Describe a route that takes a file as its body, or a form with several.

    Args:
        answer: Struct of the answer.
        media_types: Of the file.
        query: Query parameters, all optional; a form has them as fields.
    """
    # Any bytes may be sent: what is wrong with a file is said once it was read.
    file = OpenAPIMediaType(schema=Schema())
    form = OpenAPIMediaType(
        schema=Schema(
            type=OpenAPIType.OBJECT,
            properties={
                "file": Schema(
                    type=OpenAPIType.ARRAY,
                    items=Schema(type=OpenAPIType.STRING),
                    description="One or more files",
                ),
                **{field.name: Schema(**field.schema) for field in query},
            },
        )
    )
    return _operation(
        summary=summary,
        description=description,
        parameters=[_key(_SAME_THING), *_query_parameters(query)],
        request_body=RequestBody(
            content={**dict.fromkeys(media_types, file), "multipart/form-data": form}, required=True
        ),
        responses=_accepted(answer),
        refused=(*_changing("token"), *_KEYED, KeyReused, MalformedBody, TooLarge, *_QUERY, *refusals),
    )


def asks_for(answer: type, *, summary: str, description: str, refusals: Refusals = ()) -> type[Operation]:
    """Describe a route that asks for work which goes on after the answer; it needs no body.

    Args:
        answer: Struct of the answer.
        refusals: What it may say besides what every such route says.
    """
    return _operation(
        summary=summary,
        description=description,
        parameters=[_key(_SAME_THING)],
        request_body=None,
        responses=_accepted(answer),
        refused=(*_changing("token"), *_KEYED, *refusals),
    )


def sets(
    answer: type,
    *,
    summary: str,
    description: str,
    body: type | None = None,
    body_required: bool = True,
    refusals: Refusals = (),
    example: Any = None,
    gives: Any = None,
) -> type[Operation]:
    """Describe a route that changes something at once, beside the book; done again it changes nothing more.

    Args:
        answer: Struct of the answer: what is so by now.
        body: Struct of the body; None for a route that takes none and is no POST.
        refusals: What it may say besides what every such route says.
        example: A body that is accepted.
        gives: An answer to it, true in its shape.
    """
    taken: Refusals = () if body is None else (*_KEYED, *_json(body))
    return _operation(
        summary=summary,
        description=description,
        parameters=[] if body is None else [_key(_SAME_STATE)],
        request_body=None if body is None else _json_body(body, required=body_required, example=example),
        responses={
            "200": _answer("What is so by now.", _reference(answer), gives),
        },
        refused=(
            *_changing("token"),
            *taken,
            *refusals,
        ),
    )


def _accepted(answer: type) -> dict[str, OpenAPIResponse]:
    return {"202": _answer("Taken in; look again for what comes of it.", _reference(answer))}


def _reading(who: Who) -> Refusals:
    """Return what every route for these people may say."""
    if who == "anybody":
        return _ALWAYS
    return (*_ALWAYS, NotSignedIn, NeedsScope) if who == "token" else (*_ALWAYS, NotSignedIn)


def _changing(who: Who) -> Refusals:
    """Return what every route may say by which these people change something."""
    return _ALWAYS if who == "anybody" else (*_reading(who), FormNotOurs)


def _json(body: type | None) -> Refusals:
    """Return what may be said of a body as such."""
    if body is None:
        return ()
    _, schemas = msgspec.json.schema_components([body])
    names = {name for schema in schemas.values() for name in schema.get("properties", ())}
    return _BODY if _AMOUNTS.isdisjoint(names) else (*_BODY, MalformedAmount)


def name_operation(handler: HTTPRouteHandler, method: str, _path: list[Any]) -> str:
    """Return the name of an operation, which generated clients call it by: never change one that is out."""
    return f"{handler.handler_name}_head" if method == "HEAD" else str(handler.handler_name)


def build_document(app: Litestar) -> dict[str, Any]:
    """Return the whole description: what the framework knows of all routes, and the shapes named here."""
    document: dict[str, Any] = app.openapi_schema.to_schema()
    components = document.setdefault("components", {})
    # Sorted, so that the document is the same whatever was imported first.
    _, schemas = msgspec.json.schema_components(
        [_shapes[name] for name in sorted(_shapes)], ref_template=_REF
    )
    components.setdefault("schemas", {}).update(schemas)
    components.setdefault("securitySchemes", {})["token"] = {
        "type": "http",
        "scheme": "bearer",
        "description": "An API token, `tb_...`; `timebank token make` shows it once.",
    }
    components["securitySchemes"]["session"] = {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-timebank-{slug}",
        "description": "A session, begun by signing in; without TLS its cookie is called `timebank-{slug}`. "
        "Requests that change something carry the session's `csrf` in `X-CSRF-Token`.",
    }
    return document


def _operation(
    *,
    summary: str,
    description: str,
    parameters: list[Parameter],
    request_body: RequestBody | None,
    responses: dict[str, OpenAPIResponse],
    refused: Refusals,
    security: list[dict[str, list[str]]] = _SECURITY["token"],
) -> type[Operation]:
    @dataclass
    class Described(Operation):
        def __post_init__(self) -> None:
            self.summary = summary
            self.description = description
            # Path parameters are the framework's; everything else is ours.
            own = [p for p in self.parameters or () if isinstance(p, Parameter) and p.param_in == "path"]
            self.parameters = [*(_SLUG if p.name == "slug" else p for p in own), *parameters]
            self.request_body = request_body
            # Nothing is at an address that has something else where an id should be.
            has_id = any(isinstance(p.schema, Schema) and p.schema.format == "uuid" for p in own)
            self.responses = {**responses, **_refused(*refused, *((UnknownPage,) if has_id else ()))}
            self.security = security

    return Described


_SLUG: Final = Parameter(
    name="slug",
    param_in="path",
    required=True,
    description="Address of the group.",
    schema=Schema(type=OpenAPIType.STRING, pattern="^[a-z0-9-]{2,63}$", examples=["riverside"]),
)
_SAME_ANSWER: Final = (
    "The same key gets the same answer again, byte by byte; with another request it is refused with 422."
)
_ISSUED: Final = "The key that came with the form; sending the form again with it does nothing twice."
_GIVEN_OUT: Final = (
    "It must be the `key` of the last answer to a GET of this ask. The same key gets the same answer again."
)
_SAME_THING: Final = (
    "The same key finds the same import as it is by then; with other files or options it is refused with 422."
)
_SAME_STATE: Final = "Nothing is kept under it: what is so already stays so, whatever the key."


_CSRF: Final = Parameter(
    name="X-CSRF-Token",
    param_in="header",
    required=False,
    description="The session's `csrf`; needed with a session, not with a token.",
    schema=Schema(type=OpenAPIType.STRING, max_length=100),
)


def _key(meaning: str) -> Parameter:
    return Parameter(
        name="Idempotency-Key",
        param_in="header",
        required=True,
        description=f"1 to 255 printable ASCII characters. {meaning}",
        schema=Schema(type=OpenAPIType.STRING, min_length=1, max_length=255, pattern="^[!-~]([ -~]*[!-~])?$"),
    )


def _query_parameters(query: tuple[QueryField, ...]) -> list[Parameter]:
    return [
        Parameter(
            name=field.name,
            param_in="query",
            required=False,
            description=field.description,
            schema=Schema(**field.schema),
        )
        for field in query
    ]


def _reference(shape: type) -> Reference:
    known = _shapes.setdefault(shape.__name__, shape)
    assert known is shape, f"two shapes are called {shape.__name__}"
    return Reference(ref=_REF.format(name=shape.__name__))


def _content(schema: Schema | Reference, example: Any) -> OpenAPIMediaType:
    examples = {"one": Example(value=example)} if example is not None else None
    return OpenAPIMediaType(schema=schema, examples=examples)  # type: ignore[arg-type]


def _answer(description: str, schema: Schema | Reference, example: Any = None) -> OpenAPIResponse:
    return OpenAPIResponse(description=description, content={"application/json": _content(schema, example)})


_SAID: Final = {
    400: "The request cannot be read.",
    401: "No token that holds in this group.",
    403: "Not allowed, whatever the state of the book.",
    404: "Nothing is there, or nothing for this actor to see.",
    409: "The book or the rules say no.",
    413: "Too large.",
    415: "Not said to be JSON.",
    422: "A value is wrong, or the key was used for something else.",
    429: "Too often; see Retry-After.",
    503: "Not now; see Retry-After.",
}


def _refused(*refusals: type[Refusal]) -> dict[str, OpenAPIResponse]:
    """Describe refusals: by status, each with the codes that can come."""
    codes: dict[int, set[str]] = {}
    for refusal in refusals:
        # Made without its parameters: status_of looks at the class only.
        codes.setdefault(status_of(refusal.__new__(refusal)), set()).add(refusal.code)
    return {str(status): _problem(_SAID[status], sorted(found)) for status, found in sorted(codes.items())}


def _problem(description: str, codes: list[str]) -> OpenAPIResponse:
    schema = Schema(
        all_of=[_reference(Problem), Schema(properties={"code": Schema(type=OpenAPIType.STRING, enum=codes)})]
    )
    said = f"{description} {', '.join(f'`{code}`' for code in codes)}"
    return OpenAPIResponse(
        description=said, content={"application/problem+json": OpenAPIMediaType(schema=schema)}
    )
