"""A host sees what a seizure of the machine would reveal, and nobody else does."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.cast import SLUG, Stage, cast, house, stage
from tests.web.member import signed_in, text_of
from timebank.services.members import grant_role
from timebank.store.exposure import BESIDE, KINDS

__all__ = ["cast", "house", "stage"]


async def test_the_page_for_the_host_says_each_class_in_words(stage: Stage) -> None:
    cast = stage.cast
    await grant_role(cast.house, cast.group_id, cast.ids["flo"], "host", now=datetime.now(UTC))
    flo, ada = await signed_in(stage, "flo"), await signed_in(stage, "ada")

    page, refused = await flo.get("/host"), await ada.get("/host")

    for kind in KINDS.values():
        assert kind.without_keys in text_of(page)
        assert kind.with_keys in text_of(page)
    for gives in BESIDE.values():
        assert gives in text_of(page)
    assert f'href="/g/{SLUG}/host"' in page.text
    assert refused.status_code == 403
    assert KINDS["sealed"].with_keys not in refused.text
    assert f'href="/g/{SLUG}/host"' not in (await ada.get("/me")).text
