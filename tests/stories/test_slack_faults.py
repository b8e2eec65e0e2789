"""Slack failing before and after it acted: one card, a whole thread, nothing told twice."""

from pathlib import Path
from typing import Any

import pytest

from bot.core.request import Phase
from bot.sandbox.clock import SandboxClock
from bot.sandbox.slack import Error, FakeSlack, RateLimited, ServerError, TimedOut
from bot.sandbox.world import REVIEW, people, world
from bot.store import outbox
from stories.telling import (
    AGENT,
    HOUR,
    LENA,
    MINUTE,
    OMAR,
    SECOND,
    START,
    TESSA,
    Outside,
    Story,
    keys_of,
    labels,
)

FAULTS = {
    "429": RateLimited(2),
    "5xx before": ServerError(503, acted=False),
    "5xx after": ServerError(503, acted=True),
    "time-out before": TimedOut(acted=False),
    "time-out after": TimedOut(acted=True),
    "internal_error": Error("internal_error"),
}


async def told_once(s: Story) -> None:
    """Of every row there is one message, and what it should hold is in it."""
    for _ in range(90):
        if not await s.w.store.run(lambda tx: tx.query("SELECT 1 AS x FROM outbox")):
            break
        await s.skip(SECOND)
    messages = [m for c in s.ws.channels.values() for m in c.messages.values()]
    keys = [key for m in messages for key in keys_of(m)]
    assert len(keys) == len(set(keys)), keys
    rows = await s.w.store.run(lambda tx: tx.query("SELECT key FROM posts"))
    assert {row["key"] for row in rows} == set(keys)
    kinds = await s.kinds()
    assert len(s.thread()) == len(kinds)
    order = [int(key.split("/")[1]) for m in s.thread_messages() for key in keys_of(m)]
    assert order == sorted(order)


async def run(s: Story) -> None:
    await s.hand(TESSA).click(s.card(), "approve")
    await s.settle()
    await s.skip(MINUTE)
    await s.skip(MINUTE)
    await s.skip(3 * MINUTE)
    await told_once(s)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("nth", range(6))
async def test_whichever_post_fails_everything_is_told_once(s: Story, fault: str, nth: int) -> None:
    await s.look_up()
    s.w.slack._api._faults["chat.postMessage"] = _after(nth, FAULTS[fault])
    answer = await s.hand(AGENT).submit(
        {"reason.value": "impersonation", "what.value": "Pretends."}
    )
    assert answer.status == 200
    await s.settle()
    for _ in range(5):
        await s.skip(2 * SECOND)
    await run(s)
    assert await s.phase() is Phase.EXECUTED
    assert len(s.w.platform.effects) == 1
    assert s.card().text == "R-1: Deactivate @pres1dent, executed."


class _After:
    """The faults of a method: the `nth` call fails, and no other."""

    def __init__(self, nth: int, fault: Any) -> None:
        self.left = nth
        self.fault: Any = fault

    def __bool__(self) -> bool:
        self.left -= 1
        return self.left < 0 and self.fault is not None

    def popleft(self) -> Any:
        fault, self.fault = self.fault, None
        return fault


def _after(nth: int, fault: Any) -> Any:
    return _After(nth, fault)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("nth", range(3))
async def test_whichever_update_of_the_card_fails_it_is_right_in_the_end(
    s: Story, fault: str, nth: int
) -> None:
    await s.file()
    s.w.slack._api._faults["chat.update"] = _after(nth, FAULTS[fault])
    await run(s)
    assert await s.phase() is Phase.EXECUTED
    assert s.card().text == "R-1: Deactivate @pres1dent, executed."


async def test_a_card_whose_answer_was_lost_is_found_again_after_a_restart(
    clock: SandboxClock, tmp_path: Path, outside: Outside
) -> None:
    slack, platform = outside
    async with world(clock, tmp_path / "db", slack=slack, platform=platform) as w:
        s = Story(w)
        await s.look_up()
        slack.fail("chat.postMessage", TimedOut(acted=True))
        await s.hand(AGENT).submit({"reason.value": "spam", "what.value": "Spam."})
        await s.settle()
        assert len(s.cards()) == 1
    async with world(clock, tmp_path / "db", slack=slack, platform=platform) as w:
        s = Story(w)
        await s.skip(MINUTE)
        await told_once(s)
        assert len(s.cards()) == 1


async def test_among_many_messages_a_lost_card_is_still_found(s: Story) -> None:
    await s.look_up()
    s.w.slack.fail("chat.postMessage", TimedOut(acted=True))
    await s.hand(AGENT).submit({"reason.value": "spam", "what.value": "Spam."})
    await s.settle()
    for n in range(150):
        s.ws.post(REVIEW, f"talk {n}", user=OMAR)
    await s.skip(MINUTE)
    await told_once(s)
    assert len(s.cards()) == 1


async def test_among_many_replies_a_lost_one_is_still_found(s: Story) -> None:
    await s.file()
    for n in range(250):
        s.ws.post(REVIEW, f"talk {n}", user=OMAR, thread_ts=s.card().ts)
    s.w.slack.fail("chat.postMessage", TimedOut(acted=True), TimedOut(acted=True))
    await s.hand(TESSA).click(s.card(), "approve")
    await s.settle()
    for _ in range(20):
        await s.skip(2 * SECOND)
    ours = [key for m in s.thread_messages() for key in keys_of(m)]
    assert len(ours) == len(set(ours)) == 3


async def test_where_the_history_cannot_be_read_nothing_is_posted_twice(s: Story) -> None:
    """Held, and shown: a second card would be worse than none."""
    await s.look_up()
    s.w.slack.fail("chat.postMessage", TimedOut(acted=True))
    s.w.slack.fail("conversations.history", *[Error("missing_scope")] * 99)
    await s.hand(AGENT).submit({"reason.value": "spam", "what.value": "Spam."})
    await s.settle()
    for _ in range(10):
        await s.skip(30 * SECOND)
    assert len(s.cards()) == 1
    (row, *_) = await s.w.store.run(
        lambda tx: tx.query("SELECT key, error FROM outbox ORDER BY id")
    )
    assert row == {"key": "R-1/card", "error": "missing_scope"}
    s.mend("conversations.history")
    await s.skip(MINUTE)
    await told_once(s)
    assert len(s.cards()) == 1


async def test_while_slack_is_down_nothing_is_started_and_nothing_is_lost(s: Story) -> None:
    await s.file()
    for method in ("chat.postMessage", "chat.update"):
        s.w.slack.fail(method, *[ServerError(503)] * 500)
    await s.hand(TESSA).click(s.card(), "approve")
    await s.settle()
    await s.skip(10 * MINUTE)
    assert await s.phase() is Phase.READY
    assert s.w.platform.effects == []
    for method in ("chat.postMessage", "chat.update"):
        s.mend(method)
    for _ in range(4):
        await s.skip(MINUTE)
    await told_once(s)
    assert await s.phase() is Phase.EXECUTED


@pytest.mark.parametrize("nth", range(10))
async def test_a_person_who_cannot_be_told_holds_nothing_up(s: Story, nth: int) -> None:
    """Whichever message it hits: a person's is given up, the channel's are tried again."""
    await s.file("@president")
    s.w.slack._api._faults["chat.postMessage"] = _after(nth, Error("cannot_dm_bot"))
    await s.approve(TESSA)
    await s.approve(LENA)
    await s.skip(31 * MINUTE)
    await s.calm()
    assert await s.phase() is Phase.EXECUTED
    assert len(s.thread()) == len(await s.kinds())
    assert len(s.dms(TESSA)) + len(s.dms(OMAR)) + len(s.dms(LENA)) + len(s.dms(AGENT)) in (5, 6)
    assert await s.w.store.run(lambda tx: tx.query("SELECT key FROM outbox")) == []


async def test_a_reviewer_who_was_deleted_is_not_told_and_nothing_waits_for_them(
    s: Story,
) -> None:
    await s.file("@president")
    s.ws.open_dm(OMAR)
    s.ws.user_change(OMAR, deleted=True)
    await s.approve(TESSA)
    await s.approve(LENA)
    await s.skip(MINUTE)
    await s.calm()
    rows = await s.w.store.run(lambda tx: tx.query("SELECT key FROM outbox"))
    assert rows == []
    assert s.dms(OMAR) == []
    assert len(s.dms(TESSA)) == 2


async def test_an_archived_channel_holds_the_messages_until_it_is_back(s: Story) -> None:
    await s.file()
    s.ws.archive(REVIEW)
    await s.hand(TESSA).click(s.card(), "approve")
    await s.settle()
    await s.skip(2 * HOUR)
    s.ws.archive(REVIEW, archived=False)
    for _ in range(3):
        await s.skip(MINUTE)
    await told_once(s)
    assert await s.phase() is Phase.EXPIRED  # its time to run went by unseen
    assert "Expired" in s.says()
    assert labels(s.card()) == {"Details"}


async def test_a_revoked_token_is_shown_and_comes_right_by_itself(s: Story) -> None:
    await s.file()
    s.w.slack.set_token_error("token_revoked")
    await s.hand(TESSA).command("/request-deactivate", "status", channel="C03LOBBY")
    await s.w.store.run(lambda tx: tx.execute("UPDATE requests SET waiting = NULL"))
    await s.skip(9 * HOUR)
    assert await s.phase() is Phase.EXPIRED
    rows = await s.w.store.run(lambda tx: tx.query("SELECT error FROM outbox WHERE error <> ''"))
    assert {row["error"] for row in rows} == {"token_revoked"}
    s.w.slack.set_token_error(None)
    for _ in range(3):
        await s.skip(MINUTE)
    await told_once(s)


async def test_one_message_a_second_is_kept(s: Story) -> None:
    for handle in ("@pres1dent", "@ada", "@jonas_b"):
        await s.look_up(handle)
        await s.hand(AGENT).submit({"reason.value": "spam", "what.value": "Spam."})
    await s.calm()
    limited = [
        c
        for c in s.w.slack.calls
        if c.response is not None and c.response.get("error") == "ratelimited"
    ]
    assert len(limited) <= 6
    for id in ("R-1", "R-2", "R-3"):
        assert len(s.thread(id)) == 1


async def test_a_quorum_that_was_lost_before_it_was_told_is_told_so(s: Story) -> None:
    """Reviewers' direct messages were late: the warning must not fail, nor say what is over."""
    await s.file("@president")
    await s.approve(LENA)
    s.w.slack.fail("chat.postMessage", *[ServerError(503)] * 40)
    await s.approve(TESSA)
    await s.choose(LENA, "Retract")
    for _ in range(60):
        await s.skip(MINUTE // 6)
    await told_once(s)
    assert s.dms(OMAR)[-1].text == (
        "Since its quorum: R-1, Deactivate @president, is open, still needs legal."
    )


async def test_a_lost_card_is_found_though_our_clock_is_hours_ahead_of_slacks(
    clock: SandboxClock, tmp_path: Path
) -> None:
    """As after a machine's clock was set while no process ran."""
    behind = SandboxClock(lambda: START - 14 * HOUR)
    slack = FakeSlack(behind)
    people(slack.workspace)
    await slack.start()
    async with world(clock, tmp_path / "db", slack=slack) as w:
        s = Story(w)
        await s.file()
        behind.skip(MINUTE)
        await s.look_up("@ada")
        slack.fail("chat.postMessage", TimedOut(acted=True))
        await s.hand(AGENT).submit({"reason.value": "spam", "what.value": "Spam."})
        for _ in range(5):
            behind.skip(SECOND)
            await s.skip(SECOND)
        assert len(s.cards("R-2")) == 1
        assert await w.store.run(lambda tx: outbox.post(tx, "R-2/card")) is not None
    await slack.stop()
