"""``timebank doctor`` tries the mail server out as a letter would."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.mail_sink import mail_sink
from timebank.cli.doctor import _mail
from timebank.config import Settings, Smtp


async def test_a_mail_server_that_lets_us_in_is_well_and_one_that_does_not_is_not(tmp_path: Path) -> None:
    async with mail_sink() as sink:
        settings = Settings(
            home=tmp_path, database_urls={}, smtp=sink.smtp, mail_from="timebank@bank.example"
        )
        well = await asyncio.to_thread(_mail, settings)
    away = await asyncio.to_thread(_mail, settings)

    assert well.well
    assert sink.messages == []
    assert not away.well
    assert "ConnectionRefusedError" in away.says


def test_no_mail_is_no_trouble_and_a_password_is_never_said(tmp_path: Path) -> None:
    assert _mail(Settings(home=tmp_path, database_urls={})).well

    secret = Smtp("127.0.0.1", 1, "off", "ada", "hunter2")
    settings = Settings(home=tmp_path, database_urls={}, smtp=secret, mail_from="a@b.example")
    assert "hunter2" not in _mail(settings).says
