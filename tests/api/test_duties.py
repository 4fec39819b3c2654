"""One person must not become two: a duty takes a second steward's yes, and somebody who saw whose it is."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.cast import Cast, Stage, cast, house, stage, today
from tests.database import Dsn, connected
from timebank.errors import CardForDuty
from timebank.services import cards, duties, sessions, totp
from timebank.services.house import House
from timebank.services.members import NewMember, add_members, revoke_role
from timebank.services.sessions import Sessions, SignedIn
from timebank.services.verify import verify_group
from timebank.store.migrate import SUPERUSER

__all__ = ["cast", "house", "stage", "today"]

pytestmark = pytest.mark.database


async def give(stage: Stage, name: str, member: str, *roles: str) -> httpx.Response:
    return await stage.post(name, f"/members/{stage.cast.ids[member]}/roles", {"give": list(roles)})


async def sign(stage: Stage, name: str, duty: str) -> httpx.Response:
    return await stage.post(name, f"/duties/{duty}/sign", None)


async def roles_of(stage: Stage, member: str) -> list[str]:
    listed = (await stage.get("bo", "/members")).json()["members"]
    return next(each["roles"] for each in listed if each["id"] == str(stage.cast.ids[member]))


async def the_only_steward(cast: Cast) -> None:
    """Leave bo as the only one."""
    await revoke_role(cast.house, cast.group_id, cast.ids["di"], "steward", now=datetime.now(UTC))


class Screen:
    """Somebody in front of a page, signed in with a printed card, with an app that shows codes."""

    def __init__(self, cast: Cast, name: str) -> None:
        self.house, self.group_id, self.member_id = cast.house, cast.group_id, cast.ids[name]
        self._secret = ""
        self._app = b""

    async def visitor(self, now: datetime) -> SignedIn:
        """Return what the server finds behind the cookie."""
        return await Sessions(self.house, clock=lambda: now).find(self.group_id, self._secret)

    async def sign_in(self, code: str, now: datetime) -> None:
        """Sign in with a card."""
        made = await cards.sign_in(self.house, self.group_id, code, key=str(uuid4()), now=now)
        self._secret = made.secret

    async def set_up_app(self, now: datetime) -> None:
        """Set up an app that shows codes."""
        visitor = await self.visitor(now)
        offered = totp.offer_totp(self.house, visitor, group_name="Riverside", nickname="Ada")
        self._app = base64.b32decode(offered.secret)
        code = totp.code_at(self._app, now)
        made = await totp.add_totp(self.house, visitor, self._secret, nonce=offered.nonce, code=code, now=now)
        self._secret = made.secret

    async def prove(self, now: datetime) -> None:
        """Sign in anew and prove it with the app: a change of duties ended every session before."""
        from timebank.services.proofs import prove_by_code

        begun = await sessions.begin(
            self.house, self.group_id, self.member_id, way="card", strong=False, now=now
        )
        visitor = await Sessions(self.house, clock=lambda: now).find(self.group_id, begun.secret)
        made = await prove_by_code(self.house, visitor, begun.secret, totp.code_at(self._app, now), now=now)
        self._secret = made.secret


# ---------------------------------------------------------------- a second yes


async def test_a_duty_is_proposed_by_one_steward_and_given_by_the_yes_of_another(stage: Stage) -> None:
    said = (await give(stage, "bo", "ada", "treasurer", "auditor")).json()

    assert (said["roles"], said["proposed"]) == ([], ["auditor", "treasurer"])
    assert await roles_of(stage, "ada") == []
    assert (await stage.get("ada", "/duties")).json()["code"] == "needs_role"
    (waits,) = (await stage.get("di", "/duties")).json()["duties"]
    assert (waits["id"], waits["state"], waits["mine"]) == (said["proposal"], "open", False)

    own = await sign(stage, "bo", said["proposal"])
    assert (own.status_code, own.json()["code"]) == (403, "own_proposal")
    other = await sign(stage, "ed", said["proposal"])
    assert (other.status_code, other.json()["code"]) == (403, "needs_role")
    assert await roles_of(stage, "ada") == []

    signed = await sign(stage, "di", said["proposal"])
    assert (signed.status_code, signed.json()["roles"]) == (200, ["auditor", "treasurer"])
    assert await roles_of(stage, "ada") == ["auditor", "treasurer"]
    again = await sign(stage, "di", said["proposal"])
    assert (again.status_code, again.json()["code"]) == (409, "proposal_not_open")
    (given,) = (await stage.get("bo", "/duties")).json()["duties"]
    assert (given["state"], given["signed_by"]) == ("given", str(stage.cast.ids["di"]))
    assert (await verify_group(stage.cast.house, stage.cast.group_id)).ok


async def test_a_lone_steward_gives_a_duty_at_once_and_the_book_says_so_either_way(
    stage: Stage, fresh_dsn: Dsn
) -> None:
    await the_only_steward(stage.cast)

    said = (await give(stage, "bo", "ada", "treasurer")).json()

    assert said == {"id": str(stage.cast.ids["ada"]), "roles": ["treasurer"]}
    async with connected(fresh_dsn, SUPERUSER) as connection:
        last = await connection.fetchval(
            "SELECT convert_from(record, 'UTF8') FROM timebank.records WHERE group_id = $1"
            " ORDER BY seq DESC LIMIT 1",
            stage.cast.group_id,
        )
    assert '"role":"treasurer"' in last


async def test_who_cannot_sign_in_is_no_second_steward(house: House, stage: Stage) -> None:
    cast = stage.cast
    await the_only_steward(cast)
    (gil,) = await add_members(house, cast.group_id, [NewMember("Gil", ("steward",))], now=datetime.now(UTC))

    assert (await give(stage, "bo", "ada", "auditor")).json()["roles"] == ["auditor"]

    await cards.make_card(house, cast.group_id, gil, made_by=None, now=datetime.now(UTC))
    assert (await give(stage, "bo", "flo", "auditor")).json()["proposed"] == ["auditor"]


async def test_entering_and_inviting_give_no_duty_without_a_second_yes_either(stage: Stage) -> None:
    entered = (await stage.post("bo", "/members", {"nickname": "Rosa", "roles": ["treasurer"]})).json()
    assert (entered["roles"], entered["proposed"]) == ([], ["treasurer"])

    made = (await stage.post("bo", "/invitations", {"roles": ["auditor"]})).json()
    key = (await stage.get(None, f"/invitations/{made['secret']}")).json()["key"]
    joined = await stage.post(None, f"/invitations/{made['secret']}", {"nickname": "Uma"}, key=key)
    assert joined.status_code == 201
    uma = next(
        each
        for each in (await stage.get("bo", "/members")).json()["members"]
        if each["id"] == joined.json()["member"]
    )
    assert uma["roles"] == []

    waiting = (await stage.get("di", "/duties")).json()["duties"]
    assert [each["roles"] for each in waiting] == [["auditor"], ["treasurer"]]
    for each in waiting:
        assert (await sign(stage, "di", each["id"])).status_code == 200


async def test_a_proposal_is_taken_back_refused_or_over_and_none_of_them_is_signed(stage: Stage) -> None:
    first, second = [(await give(stage, "bo", "ada", "auditor")).json()["proposal"] for _ in range(2)]
    stranger = await stage.post("flo", f"/duties/{first}/withdraw", None)
    assert (stranger.status_code, stranger.json()["code"]) == (403, "not_your_proposal")
    for name, duty in (("bo", first), ("di", second)):
        assert (await stage.post(name, f"/duties/{duty}/withdraw", None)).json()["state"] == "withdrawn"
        assert (await sign(stage, "di", duty)).json()["code"] == "proposal_not_open"
        assert (await stage.post(name, f"/duties/{duty}/withdraw", None)).status_code == 409

    third = (await give(stage, "bo", "ada", "auditor")).json()["proposal"]
    late = datetime.now(UTC) + duties.PROPOSED_FOR + timedelta(minutes=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("timebank.store.duties.DutyRow.state_at", _at(late))
        assert (await sign(stage, "di", third)).json()["params"] == {"state": "expired"}
    assert (await sign(stage, "di", str(uuid4()))).status_code == 404
    assert await roles_of(stage, "ada") == []


def _at(moment: datetime) -> Any:
    from timebank.store.duties import DutyRow

    before = DutyRow.state_at
    return lambda row, _now: before(row, moment)


async def test_whoever_is_no_steward_any_more_has_proposed_nothing(stage: Stage) -> None:
    duty = (await give(stage, "bo", "ada", "auditor")).json()["proposal"]
    await revoke_role(
        stage.cast.house, stage.cast.group_id, stage.cast.ids["bo"], "steward", now=datetime.now(UTC)
    )

    answer = await sign(stage, "di", duty)

    assert (answer.status_code, answer.json()["params"]) == (409, {"state": "withdrawn"})


async def test_two_yeses_at_once_give_a_duty_once(stage: Stage) -> None:
    import asyncio

    duty = (await give(stage, "bo", "ada", "auditor")).json()["proposal"]

    answers = await asyncio.gather(*(sign(stage, "di", duty) for _ in range(4)))

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert await roles_of(stage, "ada") == ["auditor"]


async def test_the_database_itself_knows_no_duty_that_one_person_gave_alone(
    stage: Stage, fresh_dsn: Dsn
) -> None:
    import asyncpg

    duty = (await give(stage, "bo", "ada", "auditor")).json()["proposal"]
    async with connected(fresh_dsn, SUPERUSER) as connection:
        with pytest.raises(asyncpg.CheckViolationError, match="nobody_signs_their_own_duty"):
            await connection.execute(
                "UPDATE people.duty_proposals SET state = 'given', ended_at = now(), signed_by = proposed_by"
                " WHERE duty_id = $1",
                UUID(duty),
            )


# ---------------------------------------------------------------- the attack


async def attack(stage: Stage, moment: datetime) -> Screen:
    """Let bo print a card for ada, sign in as her, and set an app up in her name."""
    bo = await stage.cast.actor("bo")
    card = await cards.make_card_for(stage.cast.house, bo, stage.cast.ids["ada"], now=moment)
    screen = Screen(stage.cast, "ada")
    await screen.sign_in(card.code, moment)
    await screen.set_up_app(moment)
    return screen


async def test_a_steward_who_printed_a_card_holds_no_duty_by_it(stage: Stage) -> None:
    begun = datetime.now(UTC)
    screen = await attack(stage, begun)
    duty = (await give(stage, "bo", "ada", "treasurer")).json()["proposal"]
    assert (await sign(stage, "di", duty)).status_code == 200
    later = datetime.now(UTC) + timedelta(minutes=1)
    await screen.prove(later)

    held = await screen.visitor(later)

    assert held.strong
    assert held.duties_wait == ("treasurer",)
    assert held.actor.roles == {"member"}
    # bo sees the code, as he holds the app, and cannot use it; the other one has not seen ada.
    word = await duties.find_word(stage.cast.house, held)
    ada = stage.cast.ids["ada"]
    own = await stage.post("bo", f"/members/{ada}/vouch", {"code": word})
    assert (own.status_code, own.json()["code"]) == (403, "made_their_card")
    guessed = await stage.post("di", f"/members/{ada}/vouch", {"code": "ABCD-EFGH"})
    assert (guessed.status_code, guessed.json()["code"]) == (403, "proof_failed")
    assert (await screen.visitor(later)).actor.roles == {"member"}
    # Nor does a card after the duty was given.
    with pytest.raises(CardForDuty):
        await cards.make_card_for(stage.cast.house, await stage.cast.actor("bo"), ada, now=later)


async def test_a_lone_steward_is_not_two_people_either(stage: Stage) -> None:
    await the_only_steward(stage.cast)
    screen = await attack(stage, datetime.now(UTC))
    assert (await give(stage, "bo", "ada", "treasurer")).json()["roles"] == ["treasurer"]
    later = datetime.now(UTC) + timedelta(minutes=1)
    await screen.prove(later)

    assert (await screen.visitor(later)).duties_wait == ("treasurer",)

    await duties.vouch_as_host(stage.cast.house, stage.cast.group_id, stage.cast.ids["ada"], now=later)
    assert "treasurer" in (await screen.visitor(later)).actor.roles


async def test_whoever_shows_their_code_to_another_steward_has_their_duty(stage: Stage) -> None:
    screen = await attack(stage, datetime.now(UTC))
    ada = stage.cast.ids["ada"]
    left = await cards.make_card_for(
        stage.cast.house, await stage.cast.actor("bo"), ada, now=datetime.now(UTC)
    )
    duty = (await give(stage, "bo", "ada", "treasurer")).json()["proposal"]
    await sign(stage, "di", duty)
    later = datetime.now(UTC) + timedelta(minutes=1)
    await screen.prove(later)
    word = await duties.find_word(stage.cast.house, await screen.visitor(later))

    vouched = await stage.post("di", f"/members/{ada}/vouch", {"code": word.lower().replace("-", " ")})

    assert vouched.status_code == 200, vouched.text
    held = await screen.visitor(later)
    assert (held.duties_wait, "treasurer" in held.actor.roles) == ((), True)
    assert await duties.find_word(stage.cast.house, held) == ""
    # And cards that were printed before sign nobody in any more.
    from timebank.errors import SignInFailed

    with pytest.raises(SignInFailed):
        await cards.sign_in(stage.cast.house, stage.cast.group_id, left.code, key="x", now=later)
    assert (await verify_group(stage.cast.house, stage.cast.group_id)).ok


async def test_whoever_joined_by_themselves_waits_for_nobody(stage: Stage) -> None:
    made = (await stage.post("bo", "/invitations", {})).json()
    key = (await stage.get(None, f"/invitations/{made['secret']}")).json()["key"]
    joined = (await stage.post(None, f"/invitations/{made['secret']}", {"nickname": "Uma"}, key=key)).json()
    stage.cast.ids["uma"] = UUID(joined["member"])
    screen = Screen(stage.cast, "uma")
    await screen.sign_in(joined["card"], datetime.now(UTC))
    await screen.set_up_app(datetime.now(UTC))
    duty = (await give(stage, "bo", "uma", "auditor")).json()["proposal"]
    await sign(stage, "di", duty)
    later = datetime.now(UTC) + timedelta(minutes=1)
    await screen.prove(later)

    assert "auditor" in (await screen.visitor(later)).actor.roles
