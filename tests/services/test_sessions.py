"""Sessions: begun by a proof, good for what was proved, over when they should be, and nobody's elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from tests.cast import Cast
from timebank.errors import NotSignedIn, SignInFailed, UnknownSession
from timebank.services import sessions
from timebank.services.members import erase_member, grant_role, revoke_role, set_state
from timebank.services.sessions import Sessions, SessionSecret, SignedIn
from timebank.store.sessions import turn_session

pytestmark = pytest.mark.database

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Clock:
    """A clock that stands until it is put forward."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def found(cast: Cast, clock: Clock) -> Sessions:
    return Sessions(cast.house, clock=clock)


async def begin(cast: Cast, name: str, clock: Clock, *, strong: bool = False) -> SessionSecret:
    way = "passkey" if strong else "card"
    return await sessions.begin(
        cast.house, cast.group_of(name), cast.ids[name], way=way, strong=strong, now=clock()
    )


async def is_alive(found: Sessions, group_id: UUID, secret: str) -> SignedIn | None:
    try:
        return await found.find(group_id, secret)
    except NotSignedIn:
        return None


async def prove(cast: Cast, clock: Clock, session: SessionSecret, *, strong: bool) -> SessionSecret:
    async with cast.house.database.tx(cast.group_id) as tx:
        return await sessions.turn(
            tx, cast.group_id, session.session_id, session.secret, strong=strong, now=clock()
        )


async def test_a_session_acts_for_its_member_and_is_nobody_in_another_group(
    cast: Cast, found: Sessions, clock: Clock
) -> None:
    session = await begin(cast, "ada", clock)

    seen = await found.find(cast.group_id, session.secret)

    token = await cast.actor("ada")
    assert (seen.actor.member_id, seen.actor.account) == (token.member_id, token.account)
    assert seen.actor.scopes == {"read", "write"}
    for group_id, secret in (
        (cast.other_group_id, session.secret),
        (cast.group_id, session.secret[:-1] + ("A" if session.secret[-1] != "A" else "B")),
        (cast.group_id, ""),
        (cast.group_id, "\udcff"),
    ):
        assert await is_alive(found, group_id, secret) is None


async def test_duties_wait_for_a_strong_proof_and_come_with_it(
    cast: Cast, found: Sessions, clock: Clock
) -> None:
    session = await begin(cast, "bo", clock)

    seen = await found.find(cast.group_id, session.secret)
    assert seen.actor.roles == {"member"}
    assert seen.duties_wait == ("steward",)

    turned = await prove(cast, clock, session, strong=True)
    seen = await found.find(cast.group_id, turned.secret)
    assert seen.actor.roles == {"member", "steward"}
    assert seen.duties_wait == ()
    assert (await found.find(cast.group_id, (await begin(cast, "ada", clock)).secret)).duties_wait == ()


async def test_a_proof_turns_the_id_and_the_old_one_is_dead(
    cast: Cast, found: Sessions, clock: Clock
) -> None:
    session = await begin(cast, "ada", clock)
    csrf = (await found.find(cast.group_id, session.secret)).csrf

    turned = await prove(cast, clock, session, strong=False)

    assert turned.session_id == session.session_id
    assert turned.secret != session.secret
    assert await is_alive(found, cast.group_id, session.secret) is None
    assert (await found.find(cast.group_id, turned.secret)).csrf == csrf, "a form that waited still goes out"
    with pytest.raises(NotSignedIn):
        await prove(cast, clock, session, strong=False)


async def test_signing_in_again_in_the_same_browser_ends_the_session_before(
    cast: Cast, found: Sessions, clock: Clock
) -> None:
    first = await begin(cast, "ada", clock)
    other = await begin(cast, "ada", clock)

    again = await sessions.begin(
        cast.house,
        cast.group_id,
        cast.ids["ada"],
        way="card",
        strong=False,
        now=clock(),
        replaces=first.session_id,
    )

    assert await is_alive(found, cast.group_id, first.secret) is None
    assert await is_alive(found, cast.group_id, other.secret)
    assert await is_alive(found, cast.group_id, again.secret)


@pytest.mark.parametrize("given", [True, False])
async def test_a_change_of_duties_ends_what_was_begun_before_it(
    cast: Cast, found: Sessions, clock: Clock, given: bool
) -> None:
    name, role = ("ada", "treasurer") if given else ("bo", "steward")
    session = await begin(cast, name, clock, strong=True)
    other = await begin(cast, "di", clock, strong=True)
    clock.now += timedelta(seconds=1)

    change = grant_role if given else revoke_role
    await change(cast.house, cast.group_id, cast.ids[name], role, now=clock())

    assert await is_alive(found, cast.group_id, session.secret) is None
    assert await is_alive(found, cast.group_id, other.secret), "others stay signed in"
    clock.now += timedelta(seconds=1)
    anew = await begin(cast, name, clock, strong=True)
    assert (role in (await found.find(cast.group_id, anew.secret)).actor.roles) == given


async def test_suspending_leaving_and_being_forgotten_end_every_session_for_good(
    cast: Cast, found: Sessions, clock: Clock
) -> None:
    for name, state in (("ada", "suspended"), ("flo", "left")):
        held = [await begin(cast, name, clock) for _ in range(2)]
        await set_state(cast.house, cast.group_id, cast.ids[name], state)
        with pytest.raises(SignInFailed):
            await begin(cast, name, clock)
        await set_state(cast.house, cast.group_id, cast.ids[name], "active")
        assert [await is_alive(found, cast.group_id, each.secret) for each in held] == [None, None]

    held = [await begin(cast, "ada", clock)]
    await erase_member(cast.house, cast.group_id, cast.ids["ada"], now=clock())
    assert await is_alive(found, cast.group_id, held[0].secret) is None
    async with cast.house.database.write_door(cast.group_id) as connection:
        assert (
            await connection.fetchval(
                "SELECT count(*) FROM people.sessions WHERE member_id = $1", cast.ids["ada"]
            )
            == 0
        )
        await connection.execute("ROLLBACK")


async def test_members_stay_for_thirty_days_and_duties_for_an_hour_without_a_request(
    cast: Cast, found: Sessions, clock: Clock
) -> None:
    ada, bo = await begin(cast, "ada", clock), await begin(cast, "bo", clock, strong=True)

    clock.now += HOUR - MINUTE
    assert await is_alive(found, cast.group_id, bo.secret)
    clock.now += HOUR - MINUTE
    assert await is_alive(found, cast.group_id, bo.secret), "a request counts"
    clock.now += HOUR
    assert await is_alive(found, cast.group_id, bo.secret) is None

    clock.now += 30 * DAY - 3 * HOUR
    assert await is_alive(found, cast.group_id, ada.secret)
    clock.now += 2 * MINUTE
    assert await is_alive(found, cast.group_id, ada.secret) is None


async def test_duties_end_a_day_after_the_last_proof_however_busy(
    cast: Cast, found: Sessions, clock: Clock
) -> None:
    bo = await begin(cast, "bo", clock, strong=True)

    for _ in range(24):
        clock.now += HOUR - MINUTE
        assert await is_alive(found, cast.group_id, bo.secret)
    clock.now += 24 * MINUTE

    assert await is_alive(found, cast.group_id, bo.secret) is None


async def test_a_proof_is_fresh_for_five_minutes(cast: Cast, found: Sessions, clock: Clock) -> None:
    ada = await begin(cast, "ada", clock)

    clock.now += 5 * MINUTE - timedelta(seconds=1)
    assert (await found.find(cast.group_id, ada.secret)).actor.fresh
    clock.now += timedelta(seconds=1)
    assert not (await found.find(cast.group_id, ada.secret)).actor.fresh

    turned = await prove(cast, clock, ada, strong=False)
    assert (await found.find(cast.group_id, turned.secret)).actor.fresh


async def test_one_session_is_ended_or_all_and_never_those_of_others(
    cast: Cast, found: Sessions, clock: Clock
) -> None:
    mine = [await begin(cast, "ada", clock) for _ in range(3)]
    theirs = await begin(cast, "flo", clock)
    ada, group_id = cast.ids["ada"], cast.group_id
    with pytest.raises(UnknownSession):
        await sessions.end(cast.house, group_id, ada, theirs.session_id, now=clock())

    await sessions.end(cast.house, group_id, ada, mine[0].session_id, now=clock())
    with pytest.raises(UnknownSession):
        await sessions.end(cast.house, group_id, ada, mine[0].session_id, now=clock())
    listed = await sessions.list_sessions(cast.house, group_id, ada, now=clock())
    assert {row.session_id for row in listed} == {mine[1].session_id, mine[2].session_id}

    assert await sessions.end_all(cast.house, group_id, ada, now=clock(), besides=mine[2].session_id) == 1
    assert await is_alive(found, group_id, mine[1].secret) is None
    assert await is_alive(found, group_id, mine[2].secret)
    assert await sessions.end_all(cast.house, group_id, ada, now=clock()) == 1
    assert await is_alive(found, group_id, theirs.secret)


async def test_what_nobody_can_use_any_more_is_swept(cast: Cast, clock: Clock) -> None:
    await begin(cast, "ada", clock)
    clock.now += 31 * DAY

    await begin(cast, "flo", clock)

    async with cast.house.database.write_door(cast.group_id) as connection:
        assert await connection.fetchval("SELECT count(*) FROM people.sessions") == 1
        await connection.execute("ROLLBACK")


async def test_two_proofs_at_once_turn_a_session_once(cast: Cast, clock: Clock) -> None:
    ada = await begin(cast, "ada", clock)
    turned = await prove(cast, clock, ada, strong=False)
    async with cast.house.database.tx(cast.group_id) as tx:
        assert not await turn_session(
            tx, cast.group_id, ada.session_id, old=b"x" * 32, new=b"y" * 32, strong=True, now=clock()
        )
    assert turned.secret


async def test_somebody_whose_last_way_in_goes_does_not_sign_in_any_more(cast: Cast, clock: Clock) -> None:
    from timebank.services.members import add_member, find_member
    from timebank.store import members as members_store

    member_id = await add_member(cast.house, cast.group_id, "Gil", now=clock())

    async def signs_in() -> bool:
        async with cast.house.database.read(cast.group_id) as tx:
            row = await members_store.find_member(tx, cast.group_id, member_id)
            assert row is not None
            return row.signs_in

    assert (await find_member(cast.house, cast.group_id, now=clock(), member_id=member_id)).nickname == "Gil"
    assert not await signs_in()
    session = await sessions.begin(
        cast.house, cast.group_id, member_id, way="card", strong=False, now=clock()
    )
    assert await signs_in()
    await sessions.end(cast.house, cast.group_id, member_id, session.session_id, now=clock())
    assert not await signs_in()
