"""The own mail address over the API: optional, confirmed by its owner, and nobody else's business."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.cast import Cast, Stage, cast, house, stage, today
from tests.database import Dsn, connected
from tests.mail_stage import MailStage, posted
from tests.services.test_post import until
from timebank.rules.tries import PACES
from timebank.services.house import House
from timebank.services.mail import confirm_address
from timebank.services.members import erase_member
from timebank.services.recovery import ask_recovery
from timebank.store.migrate import SUPERUSER

__all__ = ["cast", "house", "posted", "stage", "today"]

pytestmark = pytest.mark.database

ADDRESS = "Ada.Canary@mail.example"


async def confirm(posted: MailStage) -> None:
    """Use the newest link that was mailed."""
    secret = (await posted.link(1)).rpartition("/")[2]
    await confirm_address(posted.cast.house, posted.cast.group_id, secret, now=datetime.now(UTC))


async def test_an_address_is_set_confirmed_by_its_link_and_removed(posted: MailStage, fresh_dsn: Dsn) -> None:
    assert (await posted.get("ada", "/me/mail")).json() == {"address": "", "confirmed": False}

    answer = await posted.post("ada", "/me/mail", {"address": f" {ADDRESS} "})
    assert (answer.status_code, answer.json()) == (200, {"address": ADDRESS, "confirmed": False})
    await confirm(posted)
    assert (await posted.get("ada", "/me/mail")).json() == {"address": ADDRESS, "confirmed": True}
    assert (await posted.post("ada", "/me/mail", {"address": ADDRESS})).json()["confirmed"] is True
    assert (await posted.get("flo", "/me/mail")).json() == {"address": "", "confirmed": False}

    own = (await posted.get("ada", "/me/data")).json()
    assert own["mail"] == {"address": ADDRESS, "confirmed": True}
    assert (await posted.get("bo", "/me/data")).json()["mail"] is None

    async with connected(fresh_dsn, SUPERUSER) as connection:
        for table in ("mail", "mail_links", "outbox"):
            for row in await connection.fetch(f"SELECT t::text FROM people.{table} AS t"):
                assert "anary" not in row[0]
                assert b"anary".hex() not in row[0]
        assert await connection.fetchval("SELECT count(*) FROM people.mail") == 1
    for _ in range(2):
        answer = await posted.send("ada", "DELETE", "/me/mail")
        assert (answer.status_code, answer.json()) == (200, {"address": "", "confirmed": False})
    async with connected(fresh_dsn, SUPERUSER) as connection:
        assert await connection.fetchval("SELECT count(*) FROM people.mail") == 0
        assert await connection.fetchval("SELECT count(*) FROM people.mail_links") == 0


async def test_sending_the_same_again_at_once_mails_one_link(posted: MailStage, fresh_dsn: Dsn) -> None:
    answers = [await posted.post("ada", "/me/mail", {"address": ADDRESS}, key="same") for _ in range(2)]

    assert answers[0].content == answers[1].content
    async with connected(fresh_dsn, SUPERUSER) as connection:
        assert await connection.fetchval("SELECT count(*) FROM people.outbox") == 1
    await confirm(posted)


async def test_a_new_address_is_told_to_the_old_one_and_the_old_link_is_worth_nothing(
    posted: MailStage,
) -> None:
    await posted.post("ada", "/me/mail", {"address": ADDRESS})
    await confirm(posted)

    await posted.post("ada", "/me/mail", {"address": "new@mail.example"})
    await until(lambda: len(posted.sink.messages) == 3)

    said = {message["To"]: message.get_content() for message in posted.sink.messages[1:]}
    assert "another address" in said[ADDRESS]
    assert "/mail/" in said["new@mail.example"]
    assert (await posted.get("ada", "/me/mail")).json() == {"address": "new@mail.example", "confirmed": False}


async def test_what_is_no_plain_address_is_refused_by_name(posted: MailStage) -> None:
    for address in ("", "ada@mail.example\r\nBcc: cy@mail.example", "ada@mail.example, cy@mail.example"):
        answer = await posted.post("ada", "/me/mail", {"address": address})

        assert (answer.status_code, answer.json()["params"]["field"]) == (422, "address")
    assert (await posted.get("ada", "/me/mail")).json()["address"] == ""
    assert posted.sink.messages == []


async def test_where_no_mail_is_sent_no_address_is_taken(stage: Stage) -> None:
    answer = await stage.post("ada", "/me/mail", {"address": ADDRESS})

    assert (answer.status_code, answer.json()["code"]) == (409, "mail_not_offered")


async def test_setting_addresses_all_day_is_slowed_down(posted: MailStage) -> None:
    answers = [
        await posted.post("ada", "/me/mail", {"address": f"a{number}@mail.example"})
        for number in range(PACES["mail_address"].pair.free + 2)
    ]

    assert [answer.status_code for answer in answers][-2:] == [200, 429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert (await posted.post("flo", "/me/mail", {"address": ADDRESS})).status_code == 200


async def test_requests_that_cannot_be_read_are_refused_as_everywhere(posted: MailStage) -> None:
    said: list[tuple[Any, int, str]] = [
        (await posted.post(None, "/me/mail", {"address": ADDRESS}), 401, "not_signed_in"),
        (await posted.post("cy", "/me/mail", {"address": ADDRESS}), 401, "not_signed_in"),
        (
            await posted.post("ada", "/me/mail", {"address": ADDRESS}, key=None),
            400,
            "idempotency_key_missing",
        ),
        (await posted.post("ada", "/me/mail", {"address": ADDRESS, "more": 1}), 422, "field_invalid"),
        (await posted.post("ada", "/me/mail", {}), 422, "field_invalid"),
        (await posted.send(None, "DELETE", "/me/mail"), 401, "not_signed_in"),
    ]
    for answer, status, code in said:
        assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_recoveries_are_seen_and_stopped_by_who_has_a_duty(
    stage: Stage, house: House, cast: Cast
) -> None:
    row = await ask_recovery(house, cast.group_id, cast.ids["bo"], now=datetime.now(UTC))
    path = f"/recoveries/{row.recovery_id}/stop"

    assert (await stage.get("ada", "/recoveries")).json() == {"recoveries": []}
    (seen,) = (await stage.get("di", "/recoveries")).json()["recoveries"]
    assert (seen["id"], seen["state"], seen["nickname"]) == (str(row.recovery_id), "asked", "Bo")
    for name in ("ada", "flo"):
        answer = await stage.post(name, path, None)
        never = await stage.post(name, f"/recoveries/{cast.ids['ada']}/stop", None)
        assert (answer.status_code, answer.content) == (404, never.content)
    assert (await stage.post("di", path, None, key=None)).status_code == 400
    assert (await stage.post("di", path, {"reason": "no"})).status_code == 422
    for _ in range(2):
        answer = await stage.post("di", path, {})
        assert (answer.status_code, answer.json()["state"]) == (200, "stopped")
        assert answer.json()["stopped_by"] == str(cast.ids["di"])


async def test_who_is_forgotten_leaves_no_address_and_no_link(posted: MailStage, fresh_dsn: Dsn) -> None:
    await posted.give_address("ada", ADDRESS)

    await erase_member(posted.cast.house, posted.cast.group_id, posted.cast.ids["ada"], now=datetime.now(UTC))

    async with connected(fresh_dsn, SUPERUSER) as connection:
        for table in ("mail", "mail_links", "outbox"):
            assert await connection.fetchval(f"SELECT count(*) FROM people.{table}") == 0, table
