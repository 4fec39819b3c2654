"""The cast is here, and for tests of whole files two groups with somebody of every kind."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.api import (
    samples_of_money,
    samples_of_money_pages,
    samples_of_pages,
    samples_of_people,
    samples_of_steward_pages,
)
from tests.api.principals import World, open_world
from tests.cast import cast, house, stage, today
from tests.database import Server, copied

__all__ = [
    "cast",
    "house",
    "samples_of_money",
    "samples_of_money_pages",
    "samples_of_pages",
    "samples_of_people",
    "samples_of_steward_pages",
    "stage",
    "today",
    "world",
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(
    cluster: Server, database_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """Two groups on a database of one file's own: its tests leave there what they wrote."""
    async with (
        copied(cluster, database_template) as dsn,
        open_world(dsn, tmp_path_factory.mktemp("home")) as opened,
    ):
        yield opened
