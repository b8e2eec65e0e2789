"""Giving access back: by one click, by a request, and when neither is allowed."""

import pytest

from bot.core.request import Phase
from stories.telling import (
    AGENT,
    HOUR,
    LENA,
    MAX,
    MINUTE,
    OMAR,
    PRES1DENT,
    TESSA,
    Story,
    labels,
    text_of,
)


async def test_one_reviewer_restores_with_one_click(s: Story) -> None:
    await s.executed()
    await s.skip(11 * MINUTE)
    said = await s.restore(LENA, "It was the wrong one.")
    assert "R-2, Restore @pres1dent, is " in said
    assert not s.deactivated()
    assert await s.kinds("R-2") == ["Filed", "QuorumReached", "ExecutionStarted", "Executed"]
    assert "*Restored* after 11 min" in s.says("R-1")
    assert "by R-2" in s.says("R-1")
    assert labels(s.card("R-1")) == {"Details"}
    assert "undoing *R-1*" in s.says("R-2")
    assert "It was the wrong one." in s.says("R-2")
    assert s.thread("R-2")[0] == "<@U05LEGAL> filed R-2, a restore that takes no approval."
    assert "<!subteam" not in "".join(s.thread("R-2"))
    assert "*Restored*: the effect was seen" in s.thread("R-2")[-1]


async def test_a_restore_needs_a_reason(s: Story) -> None:
    await s.executed()
    await s.click(TESSA, "restore")
    view = s.ws.views(TESSA)[-1]
    next(b for b in view.blocks if b["type"] == "input")["optional"] = True
    said = await s.submit(TESSA, {"reason.value": " "})
    assert said.startswith("Say why the account is restored.")
    assert s.deactivated()


async def test_only_reviewers_restore_at_once(s: Story) -> None:
    await s.executed()
    for who in (AGENT, MAX):
        assert await s.click(who, "restore") == (
            "Only reviewers can restore at once: legal, trust-safety."
        )
    assert s.deactivated()


@pytest.mark.parametrize(
    "reason", ["compromised-account", "child-safety", "threats", "extremism", "legal-order"]
)
async def test_what_protects_people_is_not_undone_by_one(s: Story, reason: str) -> None:
    await s.executed(reason=reason)
    assert await s.click(OMAR, "restore") == (
        f"R-1 was for {reason}, which protects people: "
        "use /request-restore, which takes an approval."
    )


async def test_after_a_day_it_takes_two(s: Story) -> None:
    await s.executed()
    ending = (await s.request()).ending
    assert ending is not None
    await s.skip(ending.at + 24 * HOUR - 1 - s.w.clock.now())
    await s.click(OMAR, "restore")
    assert s.ws.views(OMAR)
    await s.skip(1)
    said = await s.submit(OMAR, {"reason.value": "Right after all."})
    assert said.startswith("R-1 is more than 24 hours old: use /request-restore")
    assert s.deactivated()


async def test_the_fourth_in_a_day_takes_two(s: Story) -> None:
    handles = ["@pres1dent", "@ada", "@jonas_b", "@mei.lin"]
    for n, handle in enumerate(handles, start=1):
        await s.executed(handle)
        await s.skip(MINUTE)
        id = f"R-{2 * n - 1}"
        said = await s.click(OMAR, "restore", s.card(id))
        if n < 4:
            await s.submit(OMAR, {"reason.value": "Wrong."})
            assert await s.phase(f"R-{2 * n}") is Phase.EXECUTED
    assert said == (
        "You have restored 3 accounts alone in 24 hours: "
        "use /request-restore, which takes an approval."
    )
    assert await s.click(LENA, "restore", s.card("R-7")) == ""  # somebody else still may


async def test_only_the_newest_action_is_undone(s: Story) -> None:
    await s.executed()
    behind = s.hand(OMAR).look(s.card())
    await s.restore(LENA)
    await s.skip(MINUTE)
    await s.executed()
    await s.hand(OMAR).click(behind, "restore", stale=True)
    await s.settle()
    assert s.words(OMAR)[-1] == "R-2 came after R-1 and changed the same account."
    assert s.deactivated()


async def test_a_restore_is_not_done_twice_at_once(s: Story) -> None:
    await s.executed()
    for who in (OMAR, LENA):
        await s.click(who, "restore")
    await s.submit(OMAR, {"reason.value": "Wrong."})
    said = await s.submit(LENA, {"reason.value": "Wrong."})
    assert "R-2" in said.splitlines()[0]
    assert await s.kinds("R-3") == []
    assert [e.action for e in s.w.platform.effects] == ["deactivate", "restore"]


async def test_a_restore_by_request_takes_one_approval_of_somebody_else(s: Story) -> None:
    await s.executed(reason="threats")
    await s.skip(48 * HOUR)
    id = await s.file("@pres1dent", command="/request-restore", what="Appeal upheld.")
    assert id == "R-2"
    request = await s.request("R-2")
    assert (request.undoes, request.pinned.approvals, request.pinned.cool_off) == ("R-1", 1, 0)
    assert "undoing *R-1*" in s.says("R-2")
    assert await s.approve(AGENT, "R-2") == "You filed R-2: somebody else has to decide on it."
    await s.approve(OMAR, "R-2")
    assert await s.phase("R-2") is Phase.EXECUTED
    assert not s.deactivated()
    assert "*Restored* after 2 d" in s.says("R-1")


async def test_a_reviewer_may_ask_and_not_approve_their_own(s: Story) -> None:
    await s.executed()
    await s.file("@pres1dent", by=TESSA, command="/request-restore")
    assert "You filed R-2" in await s.approve(TESSA, "R-2")
    await s.approve(LENA, "R-2")
    assert not s.deactivated()


async def test_a_restore_that_waits_survives_a_change_of_people(s: Story) -> None:
    await s.executed()
    await s.file("@pres1dent", command="/request-restore")
    s.ws.set_usergroup("S01TS", [OMAR])
    await s.calm()
    assert await s.phase("R-2") is Phase.OPEN
    await s.approve(OMAR, "R-2")
    assert await s.phase("R-2") is Phase.EXECUTED


async def test_who_may_do_neither_is_told_who_may(s: Story) -> None:
    await s.executed()
    said = await s.type(MAX, "@pres1dent", command="/request-restore")
    assert said == "Only agents and reviewers can ask for a restore. Agents are: <@U01AGENT>."


async def test_what_is_active_needs_no_restore(s: Story) -> None:
    form = await s.look_up("@pres1dent", command="/request-restore")
    assert "This account is already active" in text_of(form)
    form = await s.look_up("@nobody", command="/request-restore")
    assert "There is no such account." in text_of(form)


async def test_what_others_did_can_be_given_back_by_a_request(s: Story) -> None:
    id = await s.file("@gone", command="/request-restore")
    assert (await s.request(id)).undoes is None
    await s.approve(TESSA, id)
    assert s.w.platform.accounts["acct-1008"].state == "active"


async def test_a_restore_needs_no_channel_and_no_pause(s: Story) -> None:
    """Giving access back is always easier than taking it."""
    await s.executed()
    s.ws.share("C02REV")
    await s.skip(2 * MINUTE)
    await s.restore(OMAR)
    assert not s.deactivated()


async def test_a_restore_that_fails_says_so_and_the_account_stays_away(s: Story) -> None:
    await s.executed()
    s.w.platform.faults.lies = True
    await s.restore(OMAR)
    assert await s.phase("R-2") is Phase.FAILED
    assert s.deactivated()
    assert "Restored" not in s.says("R-1")
    assert "Restore" in labels(s.card("R-1"))
    s.w.platform.faults.clear()
    await s.restore(LENA)
    assert not s.deactivated()


async def test_an_account_that_somebody_gave_back_meanwhile(s: Story) -> None:
    await s.executed()
    s.w.platform.restore(PRES1DENT, by="staff@pipit.example")
    await s.restore(OMAR)
    ending = (await s.request("R-2")).ending
    assert ending is not None
    assert ending.outcome == "already so (somebody else's)"
    assert "it was so already, by somebody else" in s.says("R-2")
