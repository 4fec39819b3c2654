"""The description of the API (OpenAPI 3.1): written beside each route, put together once per process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

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


#: Shapes that operations name; each becomes a component.
_shapes: dict[str, type] = {"Problem": Problem}

_SECURITY: Final[list[dict[str, list[str]]]] = [{"token": []}]


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


def reads(
    answer: type, *, summary: str, description: str = "", query: tuple[QueryField, ...] = ()
) -> type[Operation]:
    """Describe a route that a signed-in actor reads.

    Args:
        answer: Struct of the answer.
        query: Query parameters, all optional.
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
    )


def shows(
    answer: type, *, summary: str, description: str = "", query: tuple[QueryField, ...] = ()
) -> type[Operation]:
    """Describe a public route: the same for everybody, as of the last close.

    Args:
        answer: Struct of the answer.
        query: Query parameters, all optional.
    """
    return _operation(
        summary=summary,
        description=description,
        parameters=_query_parameters(query),
        request_body=None,
        responses={
            "200": _answer("As of the last close; with an ETag.", _reference(answer)),
            "304": OpenAPIResponse(description="What If-None-Match names is still so."),
            **_problems("404", *(("422",) if query else ()), "503"),
        },
        security=None,
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
    return document


def _operation(
    *,
    summary: str,
    description: str,
    parameters: list[Parameter],
    request_body: RequestBody | None,
    responses: dict[str, OpenAPIResponse],
    security: list[dict[str, list[str]]] | None = _SECURITY,
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
            self.security = security

    return Described


_SAME_ANSWER: Final = (
    "The same key gets the same answer again, byte by byte; with another request it is refused with 422."
)
_SAME_THING: Final = (
    "The same key finds the same import as it is by then; with other files or options it is refused with 422."
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
        "503": "Not now; see Retry-After.",
    }
    return {
        status: OpenAPIResponse(
            description=said[status],
            content={"application/problem+json": OpenAPIMediaType(schema=_reference(Problem))},
        )
        for status in statuses
    }
