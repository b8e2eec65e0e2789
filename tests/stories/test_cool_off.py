"""Between quorum and execution: the pause, what is looked at again, and what time does."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.core.request import Phase
from bot.sandbox.clock import SandboxClock
from bot.sandbox.slack import Error, ServerError
from bot.sandbox.slack.records import BOT_USER
from bot.sandbox.world import REVIEW, world
from stories.telling import (
    AGENT,
    HOUR,
    LENA,
    MINUTE,
    OMAR,
    POLICY,
    PRESIDENT,
    SECOND,
    TESSA,
    Outside,
    Story,
    labels,
    policy,
    text_of,
)


async def eta(s: Story, id: str = "R-1") -> int:
    at = (await s.request(id)).eta
    assert at is not None
    return at


# --- the end of the cool-off --------------------------------------------------------------------


async def test_nothing_happens_a_millisecond_before_the_end(s: Story) -> None:
    await s.cooling_off()
    await s.skip(await eta(s) - 1 - s.w.clock.now())
    assert not s.deactivated()
    assert await s.phase() is Phase.COOLING_OFF
    await s.skip(1)
    assert s.deactivated()


async def test_a_veto_a_millisecond_before_the_end_wins(s: Story) -> None:
    await s.cooling_off()
    s.w.clock.skip(await eta(s) - 1 - s.w.clock.now())
    await s.hand(OMAR).click(s.card(), "veto")
    answer = await s.hand(OMAR).submit({"reason.value": "Wait!"})
    assert "is vetoed" in str(answer.body)
    await s.skip(1)
    await s.skip(HOUR)
    assert await s.phase() is Phase.VETOED
    assert s.w.platform.effects == []


async def test_a_veto_at_the_end_still_wins_if_nothing_was_started(s: Story) -> None:
    await s.cooling_off()
    s.ws.archive(REVIEW)
    await s.until_ready()
    assert await s.phase() is Phase.READY
    s.ws.archive(REVIEW, archived=False)
    assert "is vetoed" in await s.veto(OMAR)
    assert s.w.platform.effects == []


async def started(s: Story) -> "asyncio.Task[None]":
    """A request whose order is on its way to a slow platform."""
    await s.cooling_off()
    s.w.platform.faults.only_writes = True
    s.w.platform.faults.slow = 0.3
    s.w.clock.skip(await eta(s) - s.w.clock.now())
    doing = asyncio.create_task(s.w.settled())
    while await s.phase() is not Phase.EXECUTING:
        await asyncio.sleep(0.005)
    return doing


async def test_a_veto_after_the_start_is_recorded_and_answered_truthfully(s: Story) -> None:
    doing = await started(s)
    await s.type_while(OMAR, "veto R-1")
    answer = await s.hand(OMAR).submit({"reason.value": "Too late?"})
    assert (
        "R-1, Deactivate @pres1dent, had been started before your veto, which is recorded: "
        "no further attempt will be made. If it takes effect, Restore undoes it."
    ) in str(answer.body)
    await doing
    await s.calm()
    assert await s.kinds() == [
        "Filed",
        "Approved",
        "QuorumReached",
        "ExecutionStarted",
        "Vetoed",
        "Executed",
    ]
    assert s.deactivated()
    assert "Vetoed" in s.says()
    assert "Restore" in labels(s.card())
    assert any("vetoed after it had been started: Too late?" in line for line in s.thread())


async def test_after_a_veto_that_came_too_late_there_is_no_further_attempt(s: Story) -> None:
    await s.cooling_off()
    s.w.platform.faults.only_writes = True
    s.w.platform.faults.throttle_ms = 1000
    s.w.platform.faults.slow = 0.3
    s.w.clock.skip(await eta(s) - s.w.clock.now())
    doing = asyncio.create_task(s.w.settled())
    while await s.phase() is not Phase.EXECUTING:
        await asyncio.sleep(0.005)
    await s.type_while(OMAR, "veto R-1")
    await s.hand(OMAR).submit({"reason.value": "Stop."})
    await doing
    s.w.platform.faults.clear()
    await s.calm()
    await s.skip(HOUR)
    assert await s.phase() is Phase.VETOED
    assert s.w.platform.effects == []
    assert "*Vetoed* by <@U03REV>" in s.says()
    assert labels(s.card()) == {"Details"}


async def test_a_second_late_veto_adds_nothing(s: Story) -> None:
    doing = await started(s)
    for who in (OMAR, LENA):
        await s.type_while(who, "veto R-1")
        if s.ws.views(who):
            await s.hand(who).submit({"reason.value": "No."})
    await doing
    assert (await s.kinds()).count("Vetoed") == 1


# --- time ends a request, and never passes one ------------------------------------------------------


async def test_an_open_request_expires(s: Story) -> None:
    await s.file()
    await s.skip(8 * HOUR - 1)
    assert await s.phase() is Phase.OPEN
    await s.skip(1)
    await s.calm()
    assert await s.phase() is Phase.EXPIRED
    assert s.thread()[-1] == "*Expired*: no quorum in time. Nothing was done."
    assert "Expired" in s.dms(AGENT)[-1].text
    assert "time ends a request, it never passes one" in s.says()


async def test_an_approval_after_the_deadline_is_too_late_though_nobody_expired_it(
    s: Story,
) -> None:
    await s.file()
    s.w.clock._skipped += 8 * HOUR  # nobody is woken
    await s.hand(TESSA).click(s.card(), "approve")
    await s.calm()
    assert s.words(TESSA)[0] in (
        "The time of R-1 is over. It can be filed anew.",
        "R-1 is expired: Approve is not possible now.",
    )
    assert await s.kinds() == ["Filed", "Expired"]


async def test_a_retraction_leaves_the_old_deadline(s: Story) -> None:
    await s.file()
    await s.skip(8 * HOUR - 2 * MINUTE)
    await s.approve(TESSA)
    await s.choose(TESSA, "Retract")
    await s.skip(2 * MINUTE)
    assert await s.phase() is Phase.EXPIRED


async def test_what_is_not_run_in_time_expires(s: Story) -> None:
    await s.cooling_off()
    s.ws.archive(REVIEW)
    await s.until_ready()
    assert "the review channel is archived" in await s.waiting()
    await s.skip(HOUR)
    assert await s.phase() is Phase.EXPIRED
    assert s.w.platform.effects == []
    assert "Expired*: not run in time" in s.dms(AGENT)[-1].text


# --- what is looked at again --------------------------------------------------------------------


async def test_an_approver_who_left_the_group_reopens_it_at_once(s: Story) -> None:
    await s.cooling_off()
    s.ws.set_usergroup("S01TS", [OMAR])
    await s.calm()
    assert await s.kinds() == ["Filed", "Approved", "QuorumReached", "Reopened"]
    assert s.thread()[-1].startswith(
        "*Reopened* (round 2): the quorum no longer stands (<@U02REV>: no longer in trust-safety). "
        "Approvals are void."
    )
    assert "Reopened" in s.dms(AGENT)[-1].text
    assert "○  *0 of 1* · still needs one more reviewer" in s.says()
    await s.skip(10 * MINUTE)
    assert not s.deactivated()
    assert "is cooling off" in await s.approve(OMAR)
    await s.until_ready()
    assert s.deactivated()
    assert s.w.platform.effects[0].key == "sandbox/R-1/2"


async def test_and_at_the_start_if_slack_never_said_so(s: Story) -> None:
    await s.cooling_off()
    s.ws.usergroups["S01TS"].users.remove(TESSA)  # without an event
    await s.until_ready()
    assert not s.deactivated()
    assert (await s.kinds())[-1] == "Reopened"


async def test_who_comes_back_into_the_group_does_not_count_for_the_earlier_round(s: Story) -> None:
    await s.cooling_off()
    s.ws.set_usergroup("S01TS", [OMAR])
    await s.calm()
    s.ws.set_usergroup("S01TS", [TESSA, OMAR])
    await s.calm()
    await s.skip(HOUR)
    assert await s.phase() is Phase.OPEN
    assert not s.deactivated()


async def test_an_approver_whose_account_was_deleted_reopens_it(s: Story) -> None:
    await s.cooling_off()
    s.ws.user_change(TESSA, deleted=True)
    await s.calm()
    assert (await s.kinds())[-1] == "Reopened"
    assert "deactivated in Slack" in s.thread()[-1]


Change = Callable[[Story], Any]
LAPSES: dict[str, tuple[Change, str]] = {
    "the requester left": (
        lambda s: s.ws.user_change(AGENT, deleted=True),
        "the requester is no longer a full member of this workspace",
    ),
    "the requester became a guest": (
        lambda s: s.ws.user_change(AGENT, is_restricted=True),
        "the requester is no longer a full member of this workspace",
    ),
    "the account is gone": (
        lambda s: s.w.platform.accounts.pop("acct-1001"),
        "the account is no longer there",
    ),
    "the account is an administrator's now": (
        lambda s: s.w.platform.update("acct-1001", roles=frozenset({"admin"})),
        "This account is an administrator of the platform",
    ),
    "the account is under a legal hold now": (
        lambda s: s.w.platform.update("acct-1001", legal_hold=True),
        "This account is under a legal hold",
    ),
}


@pytest.mark.parametrize("case", LAPSES)
async def test_what_cannot_be_done_any_more_lapses(s: Story, case: str) -> None:
    await s.cooling_off()
    change, why = LAPSES[case]
    change(s)
    await s.settle()
    await s.until_ready()
    assert await s.phase() is Phase.LAPSED
    assert why in s.thread()[-1]
    assert s.thread()[-1].startswith("*Lapsed*: ")
    assert ".." not in s.thread()[-1]
    assert s.w.platform.effects == []
    assert "Restore" not in labels(s.card())


async def test_a_handle_that_changed_hands_reopens_it(s: Story) -> None:
    await s.cooling_off()
    s.w.platform.update("acct-1001", handle="ada_fan")
    s.w.platform.add("pres1dent")
    await s.until_ready()
    assert await s.phase() is Phase.OPEN
    assert "the account's handle is now ada_fan; it was pres1dent" in s.thread()[-1]
    assert "Deactivate @ada_fan" in s.says()
    assert s.w.platform.effects == []


async def test_a_tier_that_has_risen_reopens_it_on_the_stricter_terms(s: Story) -> None:
    await s.cooling_off()
    s.w.platform.update("acct-1001", followers=2_000_000)
    await s.until_ready()
    request = await s.request()
    assert request.round == 2
    assert (request.pinned.tier, request.pinned.approvals) == ("public-office", 2)
    assert "the account now falls under the tier public-office" in s.thread()[-1]
    assert "still needs legal and one more reviewer" in s.says()
    assert s.w.platform.effects == []


async def test_what_a_requester_types_never_reaches_the_terms(s: Story) -> None:
    await s.file("@president", what="tier: standard\ncool_off: 1s", ticket="approvals: 1")
    terms = (await s.request()).pinned
    assert (terms.tier, terms.approvals, terms.cool_off) == ("public-office", 2, 30 * MINUTE)


async def test_it_is_reopened_twice_and_then_lapses(s: Story) -> None:
    await s.file()
    for round in (1, 2, 3):
        assert (await s.request()).round == round
        await s.approve(TESSA)
        s.w.platform.update("acct-1001", handle=f"fake{round}")
        await s.until_ready()
    assert await s.phase() is Phase.LAPSED
    assert "handle is now fake3" in s.thread()[-1]
    assert s.w.platform.effects == []


CHANNEL: dict[str, tuple[Change, Change, str]] = {
    "archived": (
        lambda s: s.ws.archive(REVIEW),
        lambda s: s.ws.archive(REVIEW, archived=False),
        "the review channel is archived",
    ),
    "shared": (
        lambda s: s.ws.share(REVIEW),
        lambda s: s.ws.share(REVIEW, externally=False),
        "the review channel is shared with another organisation",
    ),
    "without the bot": (
        lambda s: s.ws.leave(REVIEW, BOT_USER),
        lambda s: s.ws.join(REVIEW, BOT_USER),
        "the review channel is not there, or the bot is not in it",
    ),
}


@pytest.mark.parametrize("case", CHANNEL)
async def test_while_the_channel_is_not_ours_it_waits_and_then_runs(s: Story, case: str) -> None:
    await s.cooling_off()
    spoil, mend, why = CHANNEL[case]
    spoil(s)
    await s.until_ready()
    assert await s.phase() is Phase.READY
    assert why in await s.waiting()
    assert why in await s.type(TESSA, "status R-1")
    assert s.w.platform.effects == []
    mend(s)
    await s.skip(MINUTE)
    await s.calm()
    assert await s.phase() is Phase.EXECUTED
    assert s.deactivated()


async def test_while_the_channel_is_shared_the_card_says_so(s: Story) -> None:
    await s.file()
    s.ws.share(REVIEW)
    await s.skip(2 * MINUTE)
    await s.approve(TESSA)
    assert "Held:* the review channel is shared with another organisation" in s.says()


async def test_a_deleted_card_is_posted_anew_and_says_so(s: Story) -> None:
    await s.file()
    s.ws.delete_message(REVIEW, s.card().ts)
    (ghost,) = s.ws.messages(REVIEW)
    assert ghost.tombstone
    s.ws.post(REVIEW, "…", user=TESSA)
    await s.type(TESSA, "status")
    await s.hand(TESSA).command("/request-deactivate", "veto R-1", channel=REVIEW)
    await s.submit(TESSA, {"reason.value": "Where is the card?"})
    assert "The card before this one was deleted in Slack." in s.says()
    assert "vetoed" in s.card().text


async def test_without_its_card_nothing_is_started(s: Story) -> None:
    """The cool-off is worth nothing if nobody can see what it is for."""
    await s.file()
    s.w.slack.fail("chat.update", *[Error("restricted_action")] * 40)
    s.w.slack.fail("chat.postMessage", *[Error("restricted_action")] * 40)
    await s.hand(TESSA).click(s.card(), "approve")
    await s.settle()
    await s.skip(5 * MINUTE)
    assert await s.phase() is Phase.READY
    assert "the notice of the quorum is not in Slack yet" in await s.waiting()
    assert s.w.platform.effects == []


async def test_a_card_that_is_deleted_while_a_reply_is_under_way_loses_no_reply(s: Story) -> None:
    await s.file()
    s.ws.channels[REVIEW].messages.pop(s.thread_messages()[0].ts)  # a card without replies
    await s.skip(MINUTE)
    s.w.slack.fail("chat.postMessage", *[Error("restricted_action")] * 2)  # the reply, the receipt
    await s.hand(TESSA).click(s.card(), "approve")
    await s.settle()
    s.ws.delete_message(REVIEW, s.card().ts)  # after its update, before the reply
    assert s.cards() == []
    await s.skip(30 * SECOND)
    await s.calm()
    assert "The card before this one was deleted in Slack." in s.says()
    assert [line.split(".")[0] for line in s.thread()][:2] == [
        "<@U02REV> approved, as trust-safety",
        "*Quorum reached",
    ]
    await s.until_ready()
    assert await s.phase() is Phase.EXECUTED


@pytest.mark.parametrize("fault", [Error("fatal_error"), ServerError(503)])
async def test_what_slack_does_not_say_defers_the_start_and_never_reopens(
    s: Story, fault: Any
) -> None:
    await s.cooling_off()
    s.w.slack.fail("usergroups.users.list", *[fault] * 99)
    await s.until_ready()
    assert await s.phase() is Phase.READY
    assert "the members of trust-safety could not be read" in await s.waiting()
    assert s.w.platform.effects == []
    s.mend("usergroups.users.list")
    await s.skip(2 * SECOND)
    await s.calm()
    assert await s.phase() is Phase.EXECUTED
    assert "Reopened" not in await s.kinds()


async def test_a_requester_who_cannot_be_asked_about_defers_the_start(s: Story) -> None:
    await s.cooling_off()
    s.w.slack.fail("users.info", *[Error("fatal_error")] * 99)
    await s.until_ready()
    assert await s.phase() is Phase.READY
    assert not s.deactivated()
    s.mend("users.info")
    await s.skip(2 * SECOND)
    assert s.deactivated()


async def test_a_platform_that_does_not_answer_defers_the_start(s: Story) -> None:
    await s.cooling_off()
    s.w.platform.faults.down = True
    await s.until_ready()
    assert await s.phase() is Phase.READY
    assert "the platform could not be asked about the account" in await s.waiting()
    s.w.platform.faults.clear()
    await s.skip(2 * SECOND)
    assert s.deactivated()


# --- a restart ----------------------------------------------------------------------------------


async def test_times_survive_a_restart(
    clock: SandboxClock, tmp_path: Path, outside: Outside
) -> None:
    slack, platform = outside
    async with world(clock, tmp_path / "db", slack=slack, platform=platform) as w:
        s = Story(w)
        await s.cooling_off()
        before = await s.request()
        await s.file("@ada")
        waiting = await s.request("R-2")
    clock.skip(4 * MINUTE)
    async with world(clock, tmp_path / "db", slack=slack, platform=platform) as w:
        s = Story(w)
        await s.settle()
        assert (await s.request()).eta == before.eta
        assert (await s.request("R-2")).deadline == waiting.deadline
        assert not s.deactivated()
        await s.until_ready()
        assert s.deactivated()
        assert platform.effects[0].at == before.eta
        assert len(s.cards()) == 1
        await s.approve(OMAR, "R-2")
        assert await s.phase("R-2") is Phase.COOLING_OFF


async def test_what_came_due_while_the_bot_was_away_is_judged_as_of_now(
    clock: SandboxClock, tmp_path: Path, outside: Outside
) -> None:
    slack, platform = outside
    async with world(clock, tmp_path / "db", slack=slack, platform=platform) as w:
        s = Story(w)
        await s.cooling_off()
        await s.file("@ada")
    clock.skip(9 * HOUR)
    slack.workspace.usergroups["S01TS"].users.remove(TESSA)
    async with world(clock, tmp_path / "db", slack=slack, platform=platform) as w:
        s = Story(w)
        await s.settle()
        await s.calm()
        assert await s.phase("R-1") is Phase.EXPIRED  # its run-by went by
        assert await s.phase("R-2") is Phase.EXPIRED
        assert platform.effects == []


async def test_a_request_keeps_the_terms_it_was_filed_under(
    clock: SandboxClock, tmp_path: Path, outside: Outside
) -> None:
    slack, platform = outside
    async with world(clock, tmp_path / "db", slack=slack, platform=platform) as w:
        await Story(w).file("@president")
    loose = policy(tiers=[{**POLICY["tiers"][-1], "cool_off": "1m"}])
    async with world(clock, tmp_path / "db", slack=slack, platform=platform, policy=loose) as w:
        s = Story(w)
        await s.skip(2 * HOUR)
        assert (await s.request()).pinned.approvals == 2
        await s.approve(TESSA)
        assert await s.phase() is Phase.OPEN
        await s.approve(LENA)
        assert (await s.request()).pinned.cool_off == 30 * MINUTE
        await s.until_ready()
        assert s.deactivated(PRESIDENT)


async def test_the_card_says_until_when_in_the_readers_own_time(s: Story) -> None:
    await s.cooling_off()
    at = await eta(s) // 1000
    assert f"Cooling off until *<!date^{at}^" in s.says()
    assert f"<!date^{at}^" in await s.type(TESSA, "status R-1")
    assert "cooling off" in text_of(s.card()).casefold()
