"""A stranger's program: a client that somebody else's generator made of our description lives through an ask."""

from __future__ import annotations

import asyncio
import importlib
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.cast import SLUG, Stage

NAME = "a_strangers_client"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place for the client; made once, since the description is the same for every stage."""
    return tmp_path_factory.mktemp("client")


async def generate(stage: Stage, place: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have the client made; return what the generator complained of."""
    (place / "openapi.json").write_text((await stage.http.get("/api/openapi.json")).text)
    (place / "config.yml").write_text("post_hooks: []\n")
    made = await asyncio.to_thread(
        subprocess.run,
        [
            *(sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"),
            *("--path", "openapi.json", "--config", "config.yml", "--output-path", NAME),
        ],
        cwd=place,
        capture_output=True,
        text=True,
        check=True,
    )
    monkeypatch.syspath_prepend(str(place))
    return made.stdout + made.stderr


def part(path: str) -> ModuleType:
    return importlib.import_module(f"{NAME}.{path}")


async def test_a_generated_client_gives_asks_hands_over_and_reads_the_book(
    stage: Stage, generated: Path, monkeypatch: pytest.MonkeyPatch, today: str
) -> None:
    complaints = await generate(stage, generated, monkeypatch)
    # Tables as bodies and drawings as answers are no JSON; it leaves them out, and says so.
    unknown = len(re.findall("nsupported content[ _]type", complaints))
    assert complaints.count("WARNING") <= unknown, complaints
    models, client_module = part("models"), part("client")
    keys = iter(range(100))

    def client_of(name: str) -> Any:
        client = client_module.AuthenticatedClient(
            base_url="http://localhost", token=stage.cast.tokens[name], raise_on_unexpected_status=True
        )
        client.set_async_httpx_client(
            httpx.AsyncClient(
                transport=stage.http._transport,
                base_url="http://localhost",
                headers={"Authorization": f"Bearer {stage.cast.tokens[name]}"},
            )
        )
        return client

    async def call(name: str, operation: str, *path: Any, body: Any = None, **more: Any) -> Any:
        if body is not None:
            more |= {"body": body, "idempotency_key": f"stranger-{next(keys)}"}
        said = await part(f"api.signed_in.{operation}").asyncio(SLUG, *path, client=client_of(name), **more)
        assert said is not None, operation
        return said

    day = date.fromisoformat(today)
    given = await call(
        "ada", "log_hours", body=models.HoursBody(minutes=90, effective_on=day, category="cooking")
    )
    assert (given.state, given.minutes, given.effective_on) == ("logged", 90, day)
    await call(
        "ed",
        "give_money",
        body=models.MoneyBody(pot="money", amount=5000, currency="EUR", held="bank", effective_on=day),
    )

    refused = await call(
        "flo", "ask_draw", body=models.DrawBody(pot="nowhere", category="cooking", minutes=30)
    )
    assert refused.code == "unknown_pot"
    asked = await call(
        "flo", "ask_draw", body=models.DrawBody(pot="money", category="cooking", amount=1000, currency="EUR")
    )
    assert asked.state == "asked", asked
    promised = await call("bo", "approve_draw", asked.id, body=models.ApproveBody())
    handed = await call("ed", "hand_over_draw", asked.id, body=models.HandOverBody(held="bank"))
    assert isinstance(asked.id, UUID)
    assert (promised.state, handed.state) == ("promised", "handed_over")

    pots = {pot.pot: pot for pot in (await call("bo", "get_live")).pots}
    assert (pots["money"].available, pots["hours"].available) == (4000, 90)
