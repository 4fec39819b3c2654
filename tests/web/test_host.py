"""A host sees how the machine is, which groups are here, and what a seizure would reveal; nobody else does."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.cast import NOON, SLUG, Stage, cast, house, stage
from tests.database import Dsn
from tests.web.member import forms_of, grow_old, signed_in, text_of
from timebank.i18n import language
from timebank.services.host import Health
from timebank.services.members import grant_role
from timebank.store.backup_folders import find_newest
from timebank.store.exposure import BESIDE, KINDS
from timebank.web.host import _facts

__all__ = ["cast", "house", "stage"]


async def a_host(stage: Stage) -> None:
    cast = stage.cast
    await grant_role(cast.house, cast.group_id, cast.ids["flo"], "host", now=datetime.now(UTC))


async def test_the_page_for_the_host_says_each_class_in_words(stage: Stage) -> None:
    await a_host(stage)
    flo, ada = await signed_in(stage, "flo"), await signed_in(stage, "ada")

    page, refused = await flo.get("/host/seizure"), await ada.get("/host/seizure")

    for kind in KINDS.values():
        assert kind.without_keys in text_of(page)
        assert kind.with_keys in text_of(page)
    for gives in BESIDE.values():
        assert gives in text_of(page)
    assert f'href="/g/{SLUG}/host"' in page.text
    assert refused.status_code == 403
    assert KINDS["sealed"].with_keys not in refused.text
    assert f'href="/g/{SLUG}/host"' not in (await ada.get("/me")).text


async def test_a_host_sees_how_the_machine_is_and_makes_room_for_another_group(
    stage: Stage, tmp_path: Path, fresh_dsn: Dsn
) -> None:
    await a_host(stage)
    flo, bo = await signed_in(stage, "flo"), await signed_in(stage, "bo")
    page = await flo.get("/host")

    said = text_of(page)
    for words in (
        "The database: Well. It answers: PostgreSQL",
        "Backups: Look at it. There is none in the usual place.",
        "Hillside",
        "Riverside",
        "/g/hillside",
    ):
        assert words in said, words
    for name in ("Ada", "Bo", "Ed"):
        assert name not in said.split("Groups on this machine")[1], "nothing private"
    made = await flo.send(page, "/link")
    link = re.search(r"(/setup/guest-[A-Za-z0-9_-]+)<", made.text)
    assert link is not None
    assert (await stage.http.get(link[1])).status_code == 200
    another = await flo.send(page, "/link")
    assert (await stage.http.get(link[1])).status_code == 404, "the one before works no more"
    fresh = re.search(r"(/setup/guest-[A-Za-z0-9_-]+)<", another.text)
    assert fresh is not None
    form = {
        "name": "Third",
        "slug": "third",
        "time_zone": "UTC",
        "currency": "",
        "languages": "en",
        "nickname": "Zo",
    }
    done = await stage.http.post(fresh[1], data=form)
    assert "Your group is there" in text_of(done)
    assert "You keep this machine, too" not in text_of(done), "whoever was given a link is no host"
    assert "Third" in text_of(await flo.get("/host"))

    own = forms_of(await bo.get("/log"))[0].hidden
    before = (tmp_path / "setup.key").read_bytes()
    assert (await bo.get("/host")).status_code == 403
    assert (await bo.post(f"/g/{SLUG}/host/link", own)).status_code == 403
    assert (
        "/prove?next="
        in (await (await signed_in(stage, "flo", strong=False)).get("/host")).headers["location"]
    )
    page = await flo.get("/host")
    await grow_old(fresh_dsn)
    assert "Prove that it is you" in text_of(await flo.send(page, "/link"))
    assert (tmp_path / "setup.key").read_bytes() == before


def test_each_thing_that_is_not_well_says_what_to_do() -> None:
    well = Health(
        database="15.4",
        seconds_apart=0,
        free=10**10,
        backup_at=NOON - timedelta(hours=3),
        sends_mail=True,
        mail_waits=False,
        witnesses=(("friend.example", NOON),),
        groups=(),
    )
    ill = Health(
        database="15.4",
        seconds_apart=60,
        free=10**8,
        backup_at=NOON - timedelta(days=9),
        sends_mail=True,
        mail_waits=True,
        witnesses=(),
        groups=(),
    )
    english = language("en")

    good = _facts(well, NOON - timedelta(seconds=20), NOON, english)
    bad = _facts(ill, NOON - timedelta(minutes=6), NOON, english)

    assert [fact.mark for fact in good] == ["solid"] * 7
    assert [fact.mark for fact in bad] == ["solid"] + ["dotted"] * 6
    assert "9 days old" in bad[4].text
    assert "friend.example last saw one on" in good[5].text
    assert _facts(well, None, NOON, english)[6].mark == "solid"


def test_the_newest_whole_backup_counts(tmp_path: Path) -> None:
    assert find_newest(tmp_path / "nowhere") is None
    for name in ("timebank-20260301T020000Z", "timebank-20260302T020000Z", "timebank-20260303T020000Z.part"):
        (tmp_path / name).mkdir()

    assert find_newest(tmp_path) == datetime(2026, 3, 2, 2, tzinfo=UTC)
