"""Mail leaves with what it is about, arrives at least once, and is forgotten as soon as nobody needs it."""

from __future__ import annotations

import asyncio
import base64
import logging
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.cast import Cast, cast, house
from tests.database import Dsn, connected
from tests.mail_sink import Sink, mail_sink
from timebank.config import Smtp
from timebank.services.house import House
from timebank.services.members import erase_member
from timebank.services.post import Mail, Post, Recipient, deliver, next_wait, write
from timebank.services.postman import clear_away, open_postman
from timebank.services.smtp import Letter, message_of, send_all, try_out
from timebank.store.migrate import SUPERUSER

__all__ = ["cast", "house"]

pytestmark = pytest.mark.database

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SENDER = "timebank@bank.example"
ADA = Recipient("ada.canary@mail.example", "en")


@pytest_asyncio.fixture(loop_scope="session")
async def sink() -> AsyncIterator[Sink]:
    """A mail server."""
    async with mail_sink() as sink:
        yield sink


def posting(house: House, smtp: Smtp) -> House:
    """Return the house with a mail server."""
    return replace(house, post=Post(smtp, SENDER, "https://bank.example"))


async def write_to_ada(house: House, cast: Cast, text: str = "Hello Ada", **more: Any) -> bool:
    async with house.database.tx(cast.group_id) as tx:
        return await write(
            tx, house, cast.group_id, cast.ids["ada"], Mail(text), **{"now": NOON, "to": ADA, **more}
        )


async def outbox(dsn: Dsn) -> list[Any]:
    async with connected(dsn, SUPERUSER) as connection:
        rows = await connection.fetch("SELECT * FROM people.outbox ORDER BY created_at, mail_id")
    return list(rows)


async def test_mail_arrives_as_plain_text_that_says_nothing_before_it_is_opened(
    house: House, cast: Cast, sink: Sink, fresh_dsn: Dsn
) -> None:
    house = posting(house, sink.smtp)
    assert await write_to_ada(house, cast, "Grüße, Ada: 20 € — día")
    assert [row["state"] for row in await outbox(fresh_dsn)] == ["waiting"]

    assert await deliver(house, cast.group_id, now=NOON)

    (message,) = sink.messages
    assert sink.recipients == [ADA.address]
    assert message["To"] == ADA.address
    assert message["From"] == SENDER
    assert message["Subject"] == "A message for you"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"] == "Sun, 01 Mar 2026 12:00:00 +0000"
    assert message["Message-ID"].endswith("@bank.example>")
    assert message.get_content_type() == "text/plain"
    assert message.get_content().strip() == "Grüße, Ada: 20 € — día"
    assert set(message.keys()) == {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Language",
        "Content-Type", "Content-Transfer-Encoding", "MIME-Version",
    }  # fmt: skip
    assert sink.raw[0].isascii()
    (row,) = await outbox(fresh_dsn)
    assert (row["state"], row["box"]) == ("sent", b"")


async def test_mail_waits_sealed_and_leaves_with_its_transaction_only(
    house: House, cast: Cast, sink: Sink, fresh_dsn: Dsn
) -> None:
    house = posting(house, sink.smtp)
    with pytest.raises(RuntimeError):
        await fail_after_writing(house, cast)
    assert await outbox(fresh_dsn) == []

    await write_to_ada(house, cast, "Something secret")

    (row,) = await outbox(fresh_dsn)
    assert b"secret" not in row["box"]
    assert b"canary" not in row["box"]


async def fail_after_writing(house: House, cast: Cast) -> None:
    async with house.database.tx(cast.group_id) as tx:
        assert await write(tx, house, cast.group_id, cast.ids["ada"], Mail("x"), now=NOON, to=ADA)
        raise RuntimeError


async def test_without_a_mail_server_or_an_address_nothing_is_written(
    house: House, cast: Cast, sink: Sink, fresh_dsn: Dsn
) -> None:
    assert not await write_to_ada(house, cast)
    assert not await write_to_ada(posting(house, sink.smtp), cast, to=None)

    assert await outbox(fresh_dsn) == []


async def test_while_the_mail_server_is_away_mail_waits_longer_and_longer_and_then_is_given_up(
    house: House, cast: Cast, fresh_dsn: Dsn, caplog: pytest.LogCaptureFixture
) -> None:
    async with mail_sink() as gone:
        pass
    house = posting(house, gone.smtp)
    await write_to_ada(house, cast)

    now, waits = NOON, []
    with caplog.at_level(logging.WARNING):
        while True:
            assert not await deliver(house, cast.group_id, now=now)
            (row,) = await outbox(fresh_dsn)
            if row["state"] != "waiting":
                break
            waits.append(row["next_try_at"] - now)
            assert await deliver(house, cast.group_id, now=row["next_try_at"] - timedelta(seconds=1))
            now = row["next_try_at"]

    assert waits[:4] == [timedelta(minutes=each) for each in (1, 2, 4, 8)]
    assert waits == sorted(waits)
    assert max(waits) <= timedelta(days=1)
    assert timedelta(days=1) < now - NOON < timedelta(days=3)
    assert (row["state"], row["box"]) == ("given_up", b"")
    assert "ConnectionRefusedError" in caplog.text
    assert "canary" not in caplog.text
    assert next_wait(500) == timedelta(days=1)


async def test_what_nobody_needs_any_more_is_not_sent(
    house: House, cast: Cast, sink: Sink, fresh_dsn: Dsn
) -> None:
    house = posting(house, sink.smtp)
    await write_to_ada(house, cast, useless_at=NOON + timedelta(minutes=10))

    await deliver(house, cast.group_id, now=NOON + timedelta(minutes=10))

    assert sink.messages == []
    assert [row["state"] for row in await outbox(fresh_dsn)] == ["given_up"]


@pytest.mark.parametrize(
    ("word", "answer", "state"),
    [
        ("RCPT", "550 5.1.1 no such user ada.canary", "failed"),
        ("RCPT", "553 no such user", "failed"),
        ("RCPT", "550 5.7.1 relaying denied", "waiting"),
        ("RCPT", "451 4.7.1 greylisted", "waiting"),
        ("MAIL", "550 who are you", "waiting"),
        ("DATA", "554 not now", "waiting"),
    ],
)
async def test_only_an_address_that_is_none_ends_mail_at_once(
    house: House,
    cast: Cast,
    sink: Sink,
    fresh_dsn: Dsn,
    caplog: pytest.LogCaptureFixture,
    word: str,
    answer: str,
    state: str,
) -> None:
    house = posting(house, sink.smtp)
    sink.refuse[word] = answer
    await write_to_ada(house, cast)

    with caplog.at_level(logging.WARNING):
        await deliver(house, cast.group_id, now=NOON)

    (row,) = await outbox(fresh_dsn)
    assert row["state"] == state
    assert (row["box"] == b"") == (state == "failed")
    assert "canary" not in caplog.text
    if state == "waiting":
        sink.refuse.clear()
        await deliver(house, cast.group_id, now=row["next_try_at"])
        assert len(sink.messages) == 1


async def test_a_sender_that_dies_in_between_leaves_mail_to_the_next_under_the_same_id(
    house: House, cast: Cast, sink: Sink, fresh_dsn: Dsn
) -> None:
    house = posting(house, sink.smtp)
    await write_to_ada(house, cast)
    sink.hang_up_after_data = True
    await deliver(house, cast.group_id, now=NOON)
    sink.hang_up_after_data = False
    first = (await outbox(fresh_dsn))[0]["next_try_at"]

    # Taken, and then the process is gone: nothing is settled.
    sending = asyncio.create_task(deliver(house, cast.group_id, now=first))
    while len(sink.messages) < 2:  # noqa: ASYNC110 - the other side is a thread
        await asyncio.sleep(0)
    sending.cancel()
    await asyncio.wait({sending})

    row = (await outbox(fresh_dsn))[0]
    if row["state"] == "waiting":
        assert await deliver(house, cast.group_id, now=first + timedelta(minutes=1))
        assert len(sink.messages) == 2, "taken mail is left alone for a while"
        await deliver(house, cast.group_id, now=row["next_try_at"])
    assert [row["state"] for row in await outbox(fresh_dsn)] == ["sent"]
    assert len({message["Message-ID"] for message in sink.messages}) == 1
    assert len({message["Date"] for message in sink.messages}) == 1


async def test_several_senders_send_each_mail_once(
    house: House, cast: Cast, sink: Sink, fresh_dsn: Dsn
) -> None:
    house = posting(house, sink.smtp)
    for number in range(30):
        await write_to_ada(house, cast, f"number {number}")

    await asyncio.gather(*(deliver(house, cast.group_id, now=NOON) for _ in range(4)))

    said = sorted(int(message.get_content().split()[1]) for message in sink.messages)
    assert said == list(range(30))
    assert sink.conversations < 30, "several in one conversation"
    assert {row["state"] for row in await outbox(fresh_dsn)} == {"sent"}


async def test_one_group_never_sends_for_another(house: House, cast: Cast, sink: Sink) -> None:
    house = posting(house, sink.smtp)
    await write_to_ada(house, cast)

    assert await deliver(house, cast.other_group_id, now=NOON)

    assert sink.messages == []


async def test_who_is_forgotten_gets_no_mail_any_more(
    house: House, cast: Cast, sink: Sink, fresh_dsn: Dsn
) -> None:
    house = posting(house, sink.smtp)
    await write_to_ada(house, cast)

    await erase_member(house, cast.group_id, cast.ids["ada"], now=NOON)
    await deliver(house, cast.group_id, now=NOON)

    assert sink.messages == []
    assert await outbox(fresh_dsn) == []


async def test_the_postman_sends_what_is_written_while_he_works_and_what_waited_before(
    house: House, cast: Cast, sink: Sink, fresh_dsn: Dsn
) -> None:
    house = posting(house, sink.smtp)
    await write_to_ada(house, cast, "before")
    house.post.called.clear()  # type: ignore[union-attr] - as after a restart
    async with open_postman(house, clock=lambda: NOON):
        await until(lambda: len(sink.messages) == 1)
        await write_to_ada(house, cast, "while")
        await until(lambda: len(sink.messages) == 2)

    assert [message.get_content().strip() for message in sink.messages] == ["before", "while"]
    await clear_away(house, clock=lambda: NOON + timedelta(days=6))
    assert len(await outbox(fresh_dsn)) == 2
    await clear_away(house, clock=lambda: NOON + timedelta(days=8))
    assert await outbox(fresh_dsn) == []


async def until(true: Any) -> None:
    """Wait until something is so, and not for ever."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - there is no event: another server does it
            await asyncio.sleep(0.01)


async def test_a_postman_whose_mail_server_says_nothing_still_stops_soon(house: House, cast: Cast) -> None:
    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        await ended.wait()
        writer.close()

    came, ended = asyncio.Event(), asyncio.Event()
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    house = posting(house, Smtp("127.0.0.1", server.sockets[0].getsockname()[1], "off"))
    await write_to_ada(house, cast)

    async with asyncio.timeout(10):
        async with open_postman(house, clock=lambda: NOON):
            await came.wait()

    ended.set()
    server.close()


async def test_what_is_offered_no_encryption_is_sent_nothing(sink: Sink) -> None:
    letter = Letter(UUID(int=1), ADA.address, "A", "B", "en", NOON)

    said = [one async for one in send_all(replace_tls(sink.smtp, "starttls"), SENDER, [letter])]

    assert [(one.outcome, one.server) for one in said] == [("later", True)]
    assert sink.messages == []
    assert await asyncio.to_thread(try_out, sink.smtp, SENDER) == ""
    refused = await asyncio.to_thread(try_out, replace_tls(sink.smtp, "starttls"), SENDER)
    assert refused == "SMTPNotSupportedError"


async def test_a_line_is_encrypted_before_anything_is_said_and_only_to_whom_it_should_be(
    sink: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = Letter(UUID(int=1), ADA.address, "A", "B", "en", NOON)
    sink.tls = certified(tmp_path)
    smtp = Smtp("localhost", sink.port, "starttls", "ada", "secret")

    strange = [one async for one in send_all(smtp, SENDER, [letter])]
    assert [(one.outcome, one.why) for one in strange] == [("later", "SSLCertVerificationError")]
    assert sink.messages == sink.signed_in == []

    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    known = [one async for one in send_all(smtp, SENDER, [letter])]
    assert [one.outcome for one in known] == ["sent"]
    assert sink.encrypted
    assert sink.signed_in == ["AUTH PLAIN " + base64.b64encode(b"\0ada\0secret").decode()]


def certified(folder: Path) -> ssl.SSLContext:
    """Return what a server named localhost proves itself with, and leave its certificate in a folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    at = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(at - timedelta(days=1))
        .not_valid_after(at + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "certificate.pem").write_bytes(pem)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "both.pem").write_bytes(private + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context


def replace_tls(smtp: Smtp, tls: str) -> Smtp:
    return replace(smtp, tls=tls)


@pytest.mark.parametrize("field", ["to", "subject"])
def test_nothing_written_begins_another_header(field: str) -> None:
    letter = Letter(UUID(int=1), ADA.address, "A", "B", "en", NOON)

    with pytest.raises(ValueError, match=r"."):
        message_of(letter._replace(**{field: "a@b.example\r\nBcc: c@d.example"}), SENDER)
