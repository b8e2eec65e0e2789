"""What Slack does not take: each kind of refusal has its fate, and the card says what came late."""

import pytest

from bot.core.request import Phase
from bot.sandbox.slack import Error, ServerError, TimedOut
from bot.sandbox.world import REVIEW
from bot.store import outbox
from stories.telling import (
    HOUR,
    LENA,
    MINUTE,
    OMAR,
    SECOND,
    TESSA,
    Story,
    keys_of,
)


async def errors(s: Story) -> set[str]:
    return {row["error"] for row in await s.w.store.run(outbox.backlog) if row["error"]}


async def veto(s: Story, by: str = OMAR) -> None:
    """With no time for anything to be told again."""
    await s.hand(by).click(s.card(), "veto")
    await s.hand(by).submit({"reason.value": "Wrong account."})
    await s.skip(2 * SECOND)


async def test_a_locked_thread_holds_the_replies_and_the_card_says_so(s: Story) -> None:
    await s.file()
    channel = s.ws.channels[REVIEW]
    channel.locked_threads.add(s.card().ts)
    await s.hand(TESSA).click(s.card(), "approve")
    await s.skip(2 * SECOND)
    assert await errors(s) == {"restricted_action_thread_locked"}
    assert "*Not delivered:* 1 message since" in s.says()
    assert "restricted_action_thread_locked" in s.says()
    await s.skip(6 * MINUTE)
    assert await s.phase() is Phase.READY  # nobody was told of the quorum: nothing is started
    channel.locked_threads.clear()
    await s.skip(MINUTE)
    await s.calm()
    assert await s.phase() is Phase.EXECUTED
    assert len(s.thread()) == len(await s.kinds())
    assert "Not delivered" not in s.says()
    assert "*Late:* 2 messages could not be delivered from" in s.says()


async def test_after_an_outage_the_card_says_what_came_late_and_why(s: Story) -> None:
    await s.file()
    s.w.slack.set_token_error("token_revoked")
    await s.skip(9 * HOUR)  # it expires, and nobody can be told
    assert await errors(s) == {"token_revoked"}
    s.w.slack.set_token_error(None)
    await s.skip(MINUTE)
    await s.calm()
    assert await s.phase() is Phase.EXPIRED
    assert "could not be delivered from" in s.says()
    assert "token_revoked" in s.says()
    assert await errors(s) == set()


async def test_a_short_trouble_is_not_called_late(s: Story) -> None:
    await s.file()
    s.w.slack.fail("chat.postMessage", ServerError(503), ServerError(503))
    await s.approve(TESSA)
    await s.skip(30 * SECOND)
    await s.calm()
    assert len(s.thread()) == 3
    assert "Late" not in s.says()
    assert "Not delivered" not in s.says()


async def test_a_message_that_was_given_up_stands_on_the_card(s: Story) -> None:
    await s.file("@president")
    s.ws.open_dm(OMAR)
    s.ws.user_change(OMAR, deleted=True)
    await s.approve(TESSA)
    await s.approve(LENA)
    await s.calm()
    assert "*Not delivered:* 1 message, given up" in s.says()
    assert "channel_not_found" in s.says()
    assert await s.w.store.run(outbox.backlog) == []


@pytest.mark.parametrize(
    ("error", "words", "left"),
    [
        ("edit_window_closed", "is too old for Slack to let it be changed", 1),
        ("message_not_found", "was deleted in Slack", 1),
        ("cant_update_message", "is another app's, and cannot be changed any more", 2),
    ],
)
async def test_a_card_that_cannot_be_changed_gives_way_to_another_that_says_so(
    s: Story, error: str, words: str, left: int
) -> None:
    """Only another app's message cannot be taken away."""
    await s.file()
    old = s.card()
    if error == "cant_update_message":
        old.user = "U99OTHER"
    elif error == "message_not_found":
        s.ws.delete_message(REVIEW, old.ts)
    else:
        s.ws.edit_window = HOUR
        await s.skip(2 * HOUR)
    await s.hand(OMAR).command("/request-deactivate", "veto R-1", channel="C03LOBBY")
    await s.hand(OMAR).submit({"reason.value": "Wrong account."})
    await s.calm()
    standing = s.cards()
    assert len(standing) == left
    newest = max(standing, key=lambda m: m.ts)
    assert newest.ts != old.ts
    assert "vetoed" in newest.text
    assert f"The card before this one {words}." in newest.text
    await s.w.store.run(lambda tx: outbox.refresh_card(tx, "R-1", s.w.clock.now()))
    await s.calm()
    newest = max(s.cards(), key=lambda m: m.ts)
    assert len(s.cards()) == left
    assert f"The card before this one {words}." in str(newest.blocks)  # and goes on saying so


async def test_a_new_card_whose_answer_was_lost_is_found_and_not_the_old_one(s: Story) -> None:
    await s.file()
    s.card().user = "U99OTHER"
    s.w.slack.fail("chat.postMessage", TimedOut(acted=True))
    await s.hand(OMAR).command("/request-deactivate", "veto R-1", channel="C03LOBBY")
    s.w.slack.fail("chat.delete", TimedOut(acted=False))
    await s.hand(OMAR).submit({"reason.value": "Wrong account."})
    await s.calm()
    await s.skip(MINUTE)
    await s.calm()
    assert len(s.cards()) == 2
    assert "vetoed" in max(s.cards(), key=lambda m: m.ts).text


HELD = ["ekm_access_denied", "restricted_action_read_only_channel", "message_limit_exceeded"]


@pytest.mark.parametrize("error", [*HELD, "msg_too_long", "update_failed", "a_new_error"])
async def test_what_slack_refuses_is_tried_until_it_is_taken(s: Story, error: str) -> None:
    await s.file()
    for method in ("chat.postMessage", "chat.update"):
        s.w.slack.fail(method, *[Error(error)] * 3)
    await veto(s)
    assert any(error in e for e in await errors(s))
    for _ in range(12):
        await s.skip(30 * SECOND)
    await s.calm()
    assert len(s.thread()) == 2
    assert s.card().text == "R-1: Deactivate @pres1dent, vetoed."
    s.w.slack.calls.clear()  # the story looks for what was badly made: here it was said to be


@pytest.mark.parametrize("acted", [True, False])
async def test_replies_in_one_message_are_found_again_together(s: Story, acted: bool) -> None:
    """The quorum and the approval that brought it, in a message whose answer was lost."""
    await s.file()
    await s.skip(MINUTE)  # there is leave to send at once
    s.w.slack.fail("chat.postMessage", *[TimedOut(acted=acted)] * 2)  # the reply, the receipt
    await s.hand(TESSA).click(s.card(), "approve")
    await s.settle()
    await s.hand(LENA).click(s.card(), "veto")
    await s.hand(LENA).submit({"reason.value": "Wrong account."})
    for _ in range(6):
        await s.skip(3 * SECOND)
    await s.calm()
    told = [key for m in s.thread_messages() for key in keys_of(m)]
    assert len(told) == len(set(told)) == len(await s.kinds()) == 4
    rows = await s.w.store.run(lambda tx: tx.query("SELECT key FROM posts"))
    assert set(told) <= {row["key"] for row in rows}
