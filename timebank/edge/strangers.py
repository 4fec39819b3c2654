"""Whoever comes without an account may try so often: where limits hook in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from litestar import Request

#: Takes a try of somebody for something, or refuses it (``app.state.take_a_try``).
TakeATry = Callable[["Request[Any, Any, Any]", UUID, str], Awaitable[None]]


async def slow_down(request: Request[Any, Any, Any], group_id: UUID, what: str) -> None:
    """Count a try of a stranger, where the application has limits.

    Args:
        what: What is tried, such as ``joining``.

    Raises:
        Busy: Too many tries.
    """
    take: TakeATry | None = request.app.state.get("take_a_try")
    if take is not None:
        await take(request, group_id, what)
