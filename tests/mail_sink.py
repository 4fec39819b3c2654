"""A real SMTP server for tests that keeps what it gets: on this machine, on a port of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ssl import SSLContext
from typing import cast

from timebank.config import Smtp


@dataclass(slots=True)
class Sink:
    """What came, and how the server answers.

    Attributes:
        refuse: Answer to a command, by its first word, instead of the usual one.
        hang_up_after_data: Cut the line when a letter is taken, before saying so.
        tls: Offer to encrypt with this.
        encrypted: Whether the line is encrypted by now.
        signed_in: What clients said to sign in, in base64.
    """

    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    conversations: int = 0
    refuse: dict[str, str] = field(default_factory=dict)
    hang_up_after_data: bool = False
    tls: SSLContext | None = None
    encrypted: bool = False
    signed_in: list[str] = field(default_factory=list)

    @property
    def smtp(self) -> Smtp:
        """What a server is told of this one."""
        return Smtp("127.0.0.1", self.port, "off")

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak SMTP with one client (RFC 5321)."""
        self.conversations += 1
        try:
            writer.write(b"220 sink.example ready\r\n")
            while line := (await reader.readline()).decode("ascii", "replace").strip():
                if not await self._answer(line, reader, writer):
                    break
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _answer(self, line: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        word = line.partition(" ")[0].upper()
        said = self.refuse.get(word)
        if said is None and word == "DATA":
            writer.write(b"354 go on\r\n")
            raw = await reader.readuntil(b"\r\n.\r\n")
            self.raw.append(raw)
            self.messages.append(cast("EmailMessage", message_from_bytes(raw[:-3], policy=default)))
            if self.hang_up_after_data:
                return False
        elif word == "EHLO" and self.tls is not None:
            offers = ["sink.example", "AUTH PLAIN" if self.encrypted else "STARTTLS"]
            said = f"250-{offers[0]}\r\n250 {offers[1]}"
        elif word == "STARTTLS" and self.tls is not None:
            writer.write(b"220 go on\r\n")
            await writer.start_tls(self.tls)
            self.encrypted = True
            return True
        elif word == "AUTH":
            self.signed_in.append(line)
            said = "235 come in"
        elif said is None and word == "RCPT":
            self.recipients.append(line.partition("<")[2].rstrip(">"))
        writer.write(f"{said or ('221 bye' if word == 'QUIT' else '250 yes')}\r\n".encode())
        return word != "QUIT"


@asynccontextmanager
async def mail_sink() -> AsyncIterator[Sink]:
    """A server that takes mail as long as this is open."""
    sink = Sink()
    server = await asyncio.start_server(sink.converse, "127.0.0.1", 0)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()
