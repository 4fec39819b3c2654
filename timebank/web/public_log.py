"""The public log as files for programs (C2SP tlog-tiles), and what witnesses say of it, apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from litestar import Request, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.edge.published import FOR_EVER, PublishedReply
from timebank.errors import UnknownPage
from timebank.services import public_log

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler

    from timebank.store.engine import Database

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]
_TEXT: Final = "text/plain; charset=utf-8"
_BYTES: Final = "application/octet-stream"
_AT_ONCE: Final = "no-cache"


@route("/g/{slug:str}/log/checkpoint", http_method=_READ, include_in_schema=False)
async def checkpoint(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Give the newest checkpoint; it stays as it is until the next close."""
    return PublishedReply(await public_log.read_checkpoint(_database(request), slug), _TEXT)


@route("/g/{slug:str}/log/cosignatures", http_method=_READ, include_in_schema=False)
async def cosignatures(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Give what witnesses and auditors signed below the newest checkpoint; it can grow at any time."""
    body = await public_log.read_cosignatures(_database(request), slug)
    return PublishedReply(body, _TEXT, cache=_AT_ONCE)


@route("/g/{slug:str}/log/tile/{path:path}", http_method=_READ, include_in_schema=False)
async def tile(request: Request[Any, Any, Any], slug: FromPath[str], path: FromPath[str]) -> ASGIApp:
    """Give a tile or a bundle of entries; what is there once never changes."""
    body = await public_log.read_file(_database(request), slug, f"tile/{path.removeprefix('/')}")
    return PublishedReply(body, _BYTES, cache=FOR_EVER)


@route("/g/{slug:str}/log/policies/{pot:str}/{version:str}", http_method=_READ, include_in_schema=False)
async def policy(
    request: Request[Any, Any, Any], slug: FromPath[str], pot: FromPath[str], version: FromPath[str]
) -> ASGIApp:
    """Give the text of a pot's rules whose hash a leaf has."""
    if not (version.isascii() and version.isdigit() and version[0] != "0" and len(version) < 10):
        raise UnknownPage
    body = await public_log.read_policy_text(_database(request), slug, pot, int(version))
    return PublishedReply(body, "application/json", cache=FOR_EVER)


PUBLIC_LOG: Final[list[HTTPRouteHandler]] = [checkpoint, cosignatures, tile, policy]


def _database(request: Request[Any, Any, Any]) -> Database:
    database: Database = request.app.state.database
    return database
