"""Files to take away: journals for auditors, a statement as a sheet, everything held of oneself."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.types import ASGIApp

from timebank import errors
from timebank.api.mail import MailOut
from timebank.api.statement import OwnLineOut, TotalOut, line_out, total_out
from timebank.edge.door import json_reply, signed_in
from timebank.edge.openapi import gives_file, reads
from timebank.edge.paging import Query, day, one_of, whole
from timebank.edge.streams import FileReply
from timebank.errors import TooLarge
from timebank.ledger.units import MINUTES
from timebank.services.export import FORMATS, open_journal_for
from timebank.services.own_data import (
    FORMAT,
    OwnAsk,
    OwnData,
    read_own_data,
    read_own_statement,
    write_own_csv,
)

TEXT: Final = "text/plain; charset=utf-8"
CSV: Final = "text/csv; charset=utf-8; header=present"

#: Periods fit an integer column.
_PERIOD_MAX: Final = 10**9 - 1

OWN_CSV: Final = Query(
    (day("from", "First day, such as `2026-01-01`"), day("to", "Last day, itself included"))
)
JOURNAL: Final = Query(
    (
        one_of("format", sorted(FORMATS), "Whose format", default="hledger"),
        day("from", "First day, such as `2026-01-01`"),
        day("to", "Last day, itself included"),
        whole(
            "period",
            "Number of a closed period: the book as that close left it; without it, as it is now",
            largest=_PERIOD_MAX,
        ),
    )
)


class OwnDutyOut(msgspec.Struct, omit_defaults=True):
    """A duty, since when, and until when if it was taken away or ends."""

    role: str
    since: datetime
    until: datetime | None = None


class AccountOut(msgspec.Struct):
    """An account of the member's, by the number that it has in the book, with all that passed through it."""

    number: int
    kind: str
    unit: str
    given: int
    received: int


class AskOut(msgspec.Struct, omit_defaults=True):
    """An ask, with what was written for those who hand over; `minutes`, or `amount` and `currency`."""

    id: UUID
    pot: str
    state: str
    at: datetime
    handed_over: int
    minutes: int | None = None
    amount: int | None = None
    currency: str | None = None
    needed_by: date | None = None
    category: str = ""
    contact: str = ""
    payout: str = ""


class HandOut(msgspec.Struct):
    """What the member had to do with an ask, their own or somebody else's."""

    draw: UUID
    asked: bool
    approved: bool
    paid: bool


class WordsOut(msgspec.Struct):
    """Something that the member wrote, or that was sealed for them; `about` is an entry, hours or an ask."""

    about: UUID
    what: str
    text: str


class TokenOut(msgspec.Struct, omit_defaults=True):
    """A token; its secret is not kept anywhere."""

    id: UUID
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class OwnRecoveryOut(msgspec.Struct):
    """A way back in that was asked for; `state` is asked, stopped or done."""

    id: UUID
    state: str
    asked_at: datetime
    ended_at: datetime | None


class StandInOut(msgspec.Struct, omit_defaults=True, rename={"member": "for"}):
    """Somebody who stands in for the member, or for whom the member does, by their ids."""

    stand_in: UUID
    member: UUID
    scopes: list[str]
    consent: str
    since: datetime
    until: date
    ended_at: datetime | None = None


class OwnPasskeyOut(msgspec.Struct):
    """A passkey, as its owner calls it."""

    id: UUID
    name: str
    added_at: datetime


class OwnCardOut(msgspec.Struct, omit_defaults=True):
    """A printed sign-in card; its code is not kept anywhere."""

    id: UUID
    made_at: datetime
    expires_at: datetime
    used_at: datetime | None = None


class OwnSessionOut(msgspec.Struct):
    """A session of a browser: how it began, when its owner last proved who they are, and when it was last used."""

    id: UUID
    way: str
    since: datetime
    proved_at: datetime
    seen_at: datetime


class OwnDataOut(msgspec.Struct):
    """Everything that the group holds of a member, as of one moment; `format` names its version."""

    format: str
    group: str
    group_name: str
    as_of: datetime
    member: UUID
    nickname: str
    state: str
    joined_on: date
    duties: list[OwnDutyOut]
    accounts: list[AccountOut]
    totals: list[TotalOut]
    lines: list[OwnLineOut]
    asks: list[AskOut]
    hands: list[HandOut]
    words: list[WordsOut]
    tokens: list[TokenOut]
    mail: MailOut | None
    recoveries: list[OwnRecoveryOut]
    code: str
    household: UUID | None
    stand_ins: list[StandInOut]
    passkeys: list[OwnPasskeyOut]
    app_since: datetime | None
    cards: list[OwnCardOut]
    sessions: list[OwnSessionOut]


@get(
    "/groups/{slug:str}/exports/journal",
    operation_class=gives_file(
        "text/plain",
        "text/csv",
        summary="The book for an auditor's own tools",
        description="The whole book as a journal for hledger or beancount, or as a sheet, for auditors, stewards and "
        "treasurers. Members are numbers in it.",
        query=JOURNAL.query,
        refusals=(
            errors.NeedsRole,
            errors.StepUpNeeded,
        ),
    ),
)
async def get_journal(request: Request[Any, Any, Any]) -> ASGIApp:
    """Send the book as a journal."""
    door, actor = await signed_in(request)
    asked = JOURNAL.values(request.scope["query_string"])
    journal = await open_journal_for(
        door.house.database,
        actor,
        asked.get("format", "hledger"),
        first=asked.get("from"),
        last=asked.get("to"),
        period=asked.get("period"),
    )
    kind = CSV if journal.file_name.endswith(".csv") else TEXT
    return FileReply(journal.chunks(), kind, journal.file_name)


@get(
    "/groups/{slug:str}/me/statement.csv",
    operation_class=gives_file(
        "text/csv",
        summary="Own rows as a sheet",
        description="What the actor gave, received and asked for, oldest first, with what it adds up to.",
        query=OWN_CSV.query,
        refusals=(TooLarge,),
    ),
)
async def get_statement_csv(request: Request[Any, Any, Any]) -> ASGIApp:
    """Send the actor's own rows as a sheet."""
    door, actor = await signed_in(request)
    asked = OWN_CSV.values(request.scope["query_string"])
    statement = await read_own_statement(
        door.house,
        actor,
        first=asked.get("from"),
        last=asked.get("to"),
        now=door.clock(),
    )
    name = f"{statement.group.slug}-statement-{statement.taken_at.date()}.csv"
    return FileReply(_encoded(write_own_csv(statement)), CSV, name)


@get(
    "/groups/{slug:str}/me/data",
    operation_class=reads(
        OwnDataOut,
        summary="Everything held of oneself",
        description="All that the group holds of the actor, and nothing that it holds of anybody else.",
        refusals=(TooLarge,),
    ),
)
async def get_own_data(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return everything that the group holds of the actor."""
    door, actor = await signed_in(request)
    return json_reply(_own_data(await read_own_data(door.house, actor, now=door.clock())))


async def _encoded(pieces: Iterator[str]) -> AsyncGenerator[bytes, None]:
    for piece in pieces:
        yield piece.encode()


def _own_data(data: OwnData) -> OwnDataOut:
    return OwnDataOut(
        format=FORMAT,
        group=data.group.slug,
        group_name=data.group.name,
        as_of=data.taken_at,
        member=data.member_id,
        nickname=data.nickname,
        state=data.state,
        joined_on=data.joined_on,
        duties=[OwnDutyOut(*duty) for duty in data.duties],
        accounts=[AccountOut(*account) for account in data.accounts],
        totals=[total_out(total) for total in data.totals],
        lines=[line_out(line) for line in data.lines],
        asks=[_ask(ask) for ask in data.asks],
        hands=[HandOut(*hand) for hand in data.hands],
        words=[WordsOut(*words) for words in data.words],
        tokens=[
            TokenOut(token.token_id, token.scopes, token.created_at, token.expires_at, token.revoked_at)
            for token in data.tokens
        ],
        mail=MailOut(data.mail.address, data.mail.confirmed) if data.mail else None,
        recoveries=[
            OwnRecoveryOut(each.recovery_id, each.state, each.asked_at, each.ended_at)
            for each in data.recoveries
        ],
        code=data.code,
        household=data.household,
        stand_ins=[
            StandInOut(
                stand_in=tie.stand_in,
                member=tie.member_id,
                scopes=list(tie.scopes),
                consent=tie.consent,
                since=tie.since,
                until=tie.until,
                ended_at=tie.ended_at,
            )
            for tie in data.stand_ins
        ],
        passkeys=[OwnPasskeyOut(*each) for each in data.passkeys],
        app_since=data.app_since,
        cards=[OwnCardOut(*card) for card in data.cards],
        sessions=[OwnSessionOut(*session) for session in data.sessions],
    )


def _ask(ask: OwnAsk) -> AskOut:
    line = ask.line
    time = line.unit == MINUTES
    return AskOut(
        id=line.id,
        pot=line.pot,
        state=line.state,
        at=line.at,
        handed_over=line.handed,
        minutes=line.amount if time else None,
        amount=None if time else line.amount,
        currency=None if time else line.unit,
        needed_by=line.effective_on,
        category=line.category,
        contact=ask.contact,
        payout=ask.payout,
    )


ROUTES: Final = (get_journal, get_statement_csv, get_own_data)
