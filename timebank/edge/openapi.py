"""The description of the API (OpenAPI 3.1): written beside each route, put together once per process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec
from litestar.openapi.spec import (
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Parameter,
    Reference,
    RequestBody,
    Schema,
)

if TYPE_CHECKING:
    from litestar import Litestar

_REF: Final = "#/components/schemas/{name}"


class Problem(msgspec.Struct):
    """Why a request was refused (RFC 9457). `code` never changes; `params` is what the sentence speaks of."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    retryable: bool
    params: dict[str, str | int]


class QueryField(NamedTuple):
    """One query parameter, with its JSON schema."""

    name: str
    schema: dict[str, Any]
    description: str


#: Shapes that operations name; each becomes a component.
_shapes: dict[str, type] = {"Problem": Problem}

_SECURITY: Final[list[dict[str, list[str]]]] = [{"token": []}]
_SECURITY_OF: Final[dict[str, list[dict[str, list[str]]]]] = {
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
) -> type[Operation]:
    """Describe a route that writes to the book.

    Args:
        body: Struct of the body.
        status: What an accepted request is answered with.
    """
    return _operation(
        summary=summary,
        description=description,
        parameters=[_key(_SAME_ANSWER)],
        request_body=RequestBody(
            content={"application/json": OpenAPIMediaType(schema=_reference(body))}, required=body_required
        ),
        responses={
            str(status): _answer("Done, or done before under this key.", Schema(type=OpenAPIType.OBJECT)),
            **_problems("400", "401", "403", "404", "409", "413", "415", "422", "503"),
        },
    )


def changes(
    answer: type | None,
    *,
    summary: str,
    description: str,
    body: type | None = None,
    who: Literal["anybody", "session", "token"] = "session",
) -> type[Operation]:
    """Describe a route that changes something beside the book; no key, since it can be asked for again.

    Args:
        answer: Struct of the answer; None for an empty object.
        body: Struct of the body; None where there is none.
        who: Whether it takes nobody, somebody signed in with a browser, or also a token.
    """
    described = OpenAPIMediaType(schema=_reference(body)) if body else None
    return _operation(
        summary=summary,
        description=description,
        parameters=[] if who == "anybody" else [_CSRF],
        request_body=RequestBody(content={"application/json": described}, required=True)
        if described
        else None,
        responses={
            "200": _answer("Done.", _reference(answer) if answer else Schema(type=OpenAPIType.OBJECT)),
            **_problems("400", "401", "403", "404", "409", "413", "415", "422", "429", "503"),
        },
        security=_SECURITY_OF[who],
    )


def reads(
    answer: type,
    *,
    summary: str,
    description: str = "",
    query: tuple[QueryField, ...] = (),
    who: Literal["session", "token"] | None = None,
) -> type[Operation]:
    """Describe a route that a signed-in actor reads.

    Args:
        answer: Struct of the answer.
        query: Query parameters, all optional.
        who: Whether it takes a session only, or either; None for what every route takes.
    """
    return _operation(
        summary=summary,
        description=description,
        parameters=_query_parameters(query),
        request_body=None,
        responses={
            "200": _answer("What was asked for.", _reference(answer)),
            **_problems("401", "403", "404", "422", "503"),
        },
        security=None if who is None else _SECURITY_OF[who],
    )


def writes_by_link(
    body: type,
    *,
    summary: str,
    description: str,
    status: int = 201,
    keyed: bool = True,
    answer: type | None = None,
) -> type[Operation]:
    """Describe a route that the holder of a secret link writes through, without an account.

    Args:
        body: Struct of the body.
        keyed: Whether it needs a key that the server gave out; else the secret in the address is the key.
        answer: Struct of the answer; None for an object.
    """
    shape = Schema(type=OpenAPIType.OBJECT) if answer is None else _reference(answer)
    return _operation(
        summary=summary,
        description=description,
        parameters=[_key(_GIVEN_OUT)] if keyed else [],
        request_body=RequestBody(
            content={"application/json": OpenAPIMediaType(schema=_reference(body))}, required=True
        ),
        responses={
            str(status): _answer("Done, or done before under this key.", shape),
            **_problems("400", "403", "404", "409", "413", "415", "422", "503"),
        },
        security=[],
    )


def reads_by_link(answer: type, *, summary: str, description: str) -> type[Operation]:
    """Describe a route that the holder of a secret link reads, without an account.

    Args:
        answer: Struct of the answer.
    """
    return _operation(
        summary=summary,
        description=description,
        parameters=[],
        request_body=None,
        responses={"200": _answer("What was asked for.", _reference(answer)), **_problems("404", "503")},
        security=[],
    )


def gives_file(
    media_type: str, *, summary: str, description: str = "", query: tuple[QueryField, ...] = ()
) -> type[Operation]:
    """Describe a route that gives a signed-in actor a file.

    Args:
        media_type: Its Content-Type, without parameters.
        query: Query parameters, all optional.
    """
    file = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))
    return _operation(
        summary=summary,
        description=description,
        parameters=_query_parameters(query),
        request_body=None,
        responses={
            "200": OpenAPIResponse(
                description="The file, sent while it is written.", content={media_type: file}
            ),
            **_problems("401", "403", "404", "413", "422", "503"),
        },
    )


def acts(
    body: type,
    answer: type,
    *,
    summary: str,
    description: str = "",
    status: int = 200,
    body_required: bool = True,
    example: dict[str, Any] | None = None,
) -> type[Operation]:
    """Describe a route by which people decide about people and rules.

    Args:
        body: Struct of the body.
        answer: Struct of the answer.
        status: What an accepted request is answered with.
        example: A body that is accepted, but for its ids.
    """
    return _operation(
        summary=summary,
        description=description,
        parameters=[_key(_SAME_ANSWER)],
        request_body=_json_body(body, required=body_required, example=example),
        responses={
            str(status): _answer("Done, or done before under this key.", _reference(answer)),
            **_problems("400", "401", "403", "404", "409", "413", "415", "422", "503"),
        },
    )


def for_strangers(
    answer: type,
    *,
    summary: str,
    description: str,
    body: type | None = None,
    keyed: bool = False,
    status: int = 200,
    example: dict[str, Any] | None = None,
) -> type[Operation]:
    """Describe a route that somebody without an account uses; a secret in the address opens it, if anything.

    Args:
        answer: Struct of the answer.
        body: Struct of the body; None for none.
        keyed: Whether it takes the key that the form came with.
        example: A body that is accepted.
    """
    wrong = ("400", "404", "409", "413", "415", "422", "503") if body else ("400", "404", "409", "503")
    return _operation(
        summary=summary,
        description=description,
        parameters=[_key(_ISSUED)] if keyed else [],
        request_body=None if body is None else _json_body(body, required=True, example=example),
        responses={
            str(status): _answer("What was asked for.", _reference(answer)),
            **_problems(*wrong),
        },
        security=[],
    )


def _json_body(body: type, *, required: bool, example: dict[str, Any] | None) -> RequestBody:
    content = OpenAPIMediaType(schema=_reference(body))
    if example is not None:
        content = OpenAPIMediaType(schema=_reference(body), example=example)
    return RequestBody(content={"application/json": content}, required=required)


def takes_files(
    answer: type,
    media_types: tuple[str, ...],
    *,
    summary: str,
    description: str,
    query: tuple[QueryField, ...],
) -> type[Operation]:
    """Describe a route that takes a file as its body, or a form with several.

    Args:
        answer: Struct of the answer.
        media_types: Of the file.
        query: Query parameters, all optional; a form has them as fields.
    """
    file = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))
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
        responses=_accepted(answer, "413"),
    )


def asks_for(answer: type, *, summary: str, description: str) -> type[Operation]:
    """Describe a route that asks for work which goes on after the answer; it needs no body.

    Args:
        answer: Struct of the answer.
    """
    return _operation(
        summary=summary,
        description=description,
        parameters=[_key(_SAME_THING)],
        request_body=None,
        responses=_accepted(answer),
    )


def sets(
    answer: type,
    *,
    summary: str,
    description: str,
    body: type | None = None,
    body_required: bool = True,
) -> type[Operation]:
    """Describe a route that changes something at once, beside the book; done again it changes nothing more.

    Args:
        answer: Struct of the answer: what is so by now.
        body: Struct of the body; None for a route that takes none and is no POST.
    """
    if body is None:
        parameters, request_body = [], None
    else:
        parameters = [_key(_SAME_STATE)]
        request_body = RequestBody(
            content={"application/json": OpenAPIMediaType(schema=_reference(body))}, required=body_required
        )
    return _operation(
        summary=summary,
        description=description,
        parameters=parameters,
        request_body=request_body,
        responses={
            "200": _answer("What is so by now.", _reference(answer)),
            **_problems("400", "401", "403", "404", "409", "413", "415", "422", "429", "503"),
        },
    )


def _accepted(answer: type, *more: str) -> dict[str, OpenAPIResponse]:
    return {
        "202": _answer("Taken in; look again for what comes of it.", _reference(answer)),
        **_problems("400", "401", "403", "404", "409", *more, "422", "503"),
    }


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
    security: list[dict[str, list[str]]] | None = None,
) -> type[Operation]:
    @dataclass
    class Described(Operation):
        def __post_init__(self) -> None:
            self.summary = summary
            self.description = description
            # Path parameters are the framework's; everything else is ours.
            own = [p for p in self.parameters or () if isinstance(p, Parameter) and p.param_in == "path"]
            self.parameters = [*own, *parameters]
            self.request_body = request_body
            self.responses = dict(responses)
            self.security = _SECURITY if security is None else security

    return Described


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
        schema=Schema(type=OpenAPIType.STRING, min_length=1, max_length=255),
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
    _shapes[shape.__name__] = shape
    return Reference(ref=_REF.format(name=shape.__name__))


def _answer(description: str, schema: Schema | Reference) -> OpenAPIResponse:
    return OpenAPIResponse(
        description=description, content={"application/json": OpenAPIMediaType(schema=schema)}
    )


def _problems(*statuses: str) -> dict[str, OpenAPIResponse]:
    said = {
        "400": "The request cannot be read.",
        "401": "No token that holds in this group.",
        "403": "Not allowed, whatever the state of the book.",
        "404": "Nothing is there, or nothing for this actor to see.",
        "409": "The book or the rules say no.",
        "413": "Too large.",
        "415": "Not said to be JSON.",
        "422": "A value is wrong, or the key was used for something else.",
        "429": "Too often; see Retry-After.",
        "503": "Not now; see Retry-After.",
    }
    return {
        status: OpenAPIResponse(
            description=said[status],
            content={"application/problem+json": OpenAPIMediaType(schema=_reference(Problem))},
        )
        for status in statuses
    }
