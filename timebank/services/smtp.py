"""Handing mail to the mail server, in a thread that nobody has to wait for."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import ssl
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from timebank.config import Smtp

#: No answer of the mail server may take longer.
ANSWER_WITHIN_S: Final = 20.0

#: ASCII on the wire: not every server on the way takes more.
_POLICY: Final = SMTP.clone(cte_type="7bit")

#: What became of a letter: the server has it; it may take it later; it will never take it.
Outcome = Literal["sent", "later", "never"]


class Letter(NamedTuple):
    """One mail as it is handed over.

    Attributes:
        mail_id: Makes the Message-ID, so that a reader's program knows one that comes twice.
        to: One address.
        language: BCP 47 code of the text.
        created_at: The day and time that it bears, however late it leaves.
    """

    mail_id: UUID
    to: str
    subject: str
    text: str
    language: str
    created_at: datetime


class Said(NamedTuple):
    """What became of one letter.

    Attributes:
        why: Kind of error and the server's number; never an address. Empty when it was sent.
        server: Whether the whole server is to blame, so that there is no use in trying others now.
    """

    mail_id: UUID
    outcome: Outcome
    why: str = ""
    server: bool = False


def message_of(letter: Letter, sender: str) -> EmailMessage:
    """Return a letter as it travels: plain text, and nothing in it that tells when or where it is read.

    Raises:
        ValueError: Something in a header would begin another one.
    """
    message = EmailMessage(policy=_POLICY)
    message["From"] = sender
    message["To"] = letter.to
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(letter.created_at)
    message["Message-ID"] = f"<{letter.mail_id.hex}@{sender.rpartition('@')[2]}>"
    # Nobody's holiday answers this, and no list takes it (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    message["Content-Language"] = letter.language
    return message


async def send_all(smtp: Smtp, sender: str, letters: Sequence[Letter]) -> AsyncGenerator[Said, None]:
    """Hand letters over, one after the other in one conversation; yield what became of each at once.

    Close it (``contextlib.aclosing``): what was not begun by then is left alone. The thread is none
    that a stopping program waits for; a letter that is on its way in that moment may be sent
    without anybody noting it, and is sent again later under the same Message-ID.
    """
    loop = asyncio.get_running_loop()
    said: asyncio.Queue[Said | None] = asyncio.Queue()
    stop = threading.Event()

    def tell(what: Said | None) -> None:
        # The loop may be gone; then nobody wants to know.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(said.put_nowait, what)

    threading.Thread(
        target=_converse, args=(smtp, sender, list(letters), tell, stop), name="timebank-mail", daemon=True
    ).start()
    try:
        while (one := await said.get()) is not None:
            yield one
    finally:
        stop.set()


def try_out(smtp: Smtp, sender: str) -> str:
    """Connect, encrypt and sign in as for a letter; return what is wrong, empty if nothing is."""
    try:
        with _connected(smtp, sender) as server:
            server.noop()
    except (OSError, smtplib.SMTPException) as error:
        return _kind(error)
    return ""


def _converse(
    smtp: Smtp, sender: str, letters: list[Letter], tell: Callable[[Said | None], None], stop: threading.Event
) -> None:
    try:
        with _connected(smtp, sender) as server:
            while letters and not stop.is_set():
                tell(_hand_over(server, sender, letters[0]))
                del letters[0]
    except (OSError, smtplib.SMTPException) as error:
        for letter in letters:
            tell(Said(letter.mail_id, "later", _kind(error), server=True))
    finally:
        tell(None)


@contextlib.contextmanager
def _connected(smtp: Smtp, sender: str) -> Iterator[smtplib.SMTP]:
    """Open a conversation, encrypted and signed in as the operator said.

    Raises:
        OSError, smtplib.SMTPException: It could not be opened, or was cut.
    """
    # Ours is no news for the mail server: it hears the domain that mail comes from.
    name = sender.rpartition("@")[2]
    if smtp.tls == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            smtp.host, smtp.port, name, timeout=ANSWER_WITHIN_S, context=ssl.create_default_context()
        )
    else:
        server = smtplib.SMTP(smtp.host, smtp.port, name, timeout=ANSWER_WITHIN_S)
    with contextlib.closing(server):
        if smtp.tls == "starttls":
            # Raises where the server does not offer it: nothing is ever sent in clear instead.
            server.starttls(context=ssl.create_default_context())
        if smtp.user:
            server.login(smtp.user, smtp.password)
        yield server
        # What is handed over is handed over, however the server says good-bye.
        with contextlib.suppress(OSError, smtplib.SMTPException):
            server.quit()


def _hand_over(server: smtplib.SMTP, sender: str, letter: Letter) -> Said:
    """Hand one letter over.

    Raises:
        OSError, smtplib.SMTPException: The conversation is over; this letter is to be tried again.
    """
    try:
        message = message_of(letter, sender)
    except (ValueError, MessageError) as error:
        return Said(letter.mail_id, "never", type(error).__name__)
    try:
        server.send_message(message, sender, [letter.to])
    except smtplib.SMTPRecipientsRefused as error:
        code, text = error.recipients.get(letter.to, (0, b""))
        return Said(
            letter.mail_id, "never" if _is_no_mailbox(code, text) else "later", f"{_kind(error)} {code}"
        )
    except smtplib.SMTPSenderRefused as error:
        return Said(letter.mail_id, "later", _kind(error))
    except smtplib.SMTPDataError as error:
        return Said(letter.mail_id, "later", _kind(error))
    return Said(letter.mail_id, "sent")


def _is_no_mailbox(code: int, text: bytes | str) -> bool:
    """Say whether a refusal is about the address (RFC 3463, 5.1 and 5.2), and not about us or this moment."""
    if not 500 <= code <= 599:
        return False
    words = text.decode("ascii", "replace") if isinstance(text, bytes) else text
    if words.startswith("5."):
        return words.startswith(("5.1.", "5.2."))
    return code in {550, 551, 553}


def _kind(error: Exception) -> str:
    code = getattr(error, "smtp_code", "")
    return f"{type(error).__name__} {code}".rstrip()
