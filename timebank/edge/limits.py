"""Where a request comes from, for limits only: it is counted under a key of the day, and kept nowhere."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any

from timebank.services.limits import check, take

if TYPE_CHECKING:
    from uuid import UUID

    from litestar import Request

    from timebank.edge.door import Door

#: One household or server gets a whole network of this size, and can take any address in it.
_IPV6_PREFIX = 64


async def slow_down(
    request: Request[Any, Any, Any], group_id: UUID, what: str, *, account: bytes = b""
) -> None:
    """Count one try of whoever sent this request, or refuse it because it comes too soon.

    Args:
        what: One of ``rules.tries.PACES``.
        account: Whom it is about as far as the request says; see ``services.limits.take``.

    Raises:
        TooManyTries: With the seconds after which the next one is taken.
    """
    door: Door = request.app.state.door
    await take(door.house, group_id, what, peer_of(request), now=door.clock(), account=account)


async def check_pace(request: Request[Any, Any, Any], group_id: UUID, what: str) -> None:
    """Refuse whoever has to wait for their next try, and count nothing.

    Raises:
        TooManyTries: With the seconds after which the next one is taken.
    """
    door: Door = request.app.state.door
    await check(door.house, group_id, what, peer_of(request), now=door.clock())


def peer_of(request: Request[Any, Any, Any]) -> bytes:
    """Return where a request comes from.

    That is the other end of the socket, or what a trusted web server in front says about it: the
    server has read ``X-Forwarded-For`` already if, and only if, it came from such a one
    (``TIMEBANK_TRUSTED_PROXY``). Nothing here reads that header.
    """
    client = request.scope.get("client")
    return peer_bytes(client[0] if client else "")


def peer_bytes(host: str) -> bytes:
    """Return what counts as one peer: an IPv4 address, an IPv6 network of 64 bits, or whatever else it is."""
    try:
        address = ip_address(host)
    except ValueError:
        # A socket in the file system has no address: all who come that way share one count.
        return host.encode("utf-8", "surrogateescape")[:255]
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return ip_network((address.packed, _IPV6_PREFIX), strict=False).network_address.packed
        address = address.ipv4_mapped
    return address.packed
