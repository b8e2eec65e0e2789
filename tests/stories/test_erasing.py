"""What of an erased account is still to be read in Slack: nothing in the channel, and who decided."""

import asyncio
import json

from bot.audit.erasing import erase_on_host
from bot.ledger.verify import Fault
from bot.sandbox.slack import Error, TimedOut
from bot.sandbox.world import REVIEW, World
from bot.slack.views.verify import _MEANS
from bot.store import outbox
from bot.store.database import open_visit
from bot.store.erase import Found
from bot.worker import LOOK_ANYWAY
from stories.telling import AGENT, HOUR, LENA, MAX, OMAR, SECOND, TESSA, Story, labels, text_of

WORDS = ("pres1dent", "acct-1001", "Sells pills", "evidence.example", "TICKET-77", "seen as")
FORM = {"what": "Sells pills.", "evidence": "https://evidence.example/42", "ticket": "TICKET-77"}


def erase(w: World, name: str = "@pres1dent") -> Found:
    """As the command line does it, beside the bot that runs."""
    visit = open_visit(w.store.address)
    try:
        now = w.clock.now()
        return visit.run_now(lambda tx: erase_on_host(tx, "dpo", name, "Art. 17", now))
    finally:
        visit.close()


def in_channel(s: Story) -> str:
    """Everything that stands in the review channel, texts and blocks."""
    messages = [*s.ws.messages(REVIEW)]
    messages += [m for card in s.ws.messages(REVIEW) for m in s.ws.replies(REVIEW, card.ts)]
    return json.dumps([(m.text, m.blocks) for m in messages], ensure_ascii=False)


async def executed_and_restored(s: Story) -> None:
    await s.executed(**FORM)
    await s.restore(OMAR, reason="Sells pills no more.")
    await s.calm()
    await s.skip(25 * HOUR)


async def seen(s: Story, word: str) -> None:
    for _ in range(100):
        if word in in_channel(s):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{word} did not come")


async def test_the_bot_that_runs_sees_it_by_itself_within_a_minute(s: Story) -> None:
    await executed_and_restored(s)
    assert all(word in in_channel(s) for word in WORDS)
    assert LOOK_ANYWAY < 60 * SECOND
    await asyncio.sleep(0.2)  # the worker waits
    erase(s.w)
    s.w.clock.skip(LOOK_ANYWAY)  # and nobody calls it
    await seen(s, "(erased)")


async def test_cards_and_threads_say_who_decided_and_not_on_whom(s: Story) -> None:
    await executed_and_restored(s)
    before = [m.ts for m in s.thread_messages()]
    told = in_channel(s)
    assert [word for word in WORDS if word not in told] == []
    erase(s.w)
    await s.calm()
    await s.calm()
    told = in_channel(s)
    assert [word for word in WORDS if word in told] == []
    assert [m.ts for m in s.thread_messages()] == before  # none is new, and none is lost
    card = s.says()
    assert f"<@{AGENT}> asks to deactivate *(erased)* for *impersonation*:" in card
    assert "by host:dpo: who decided, and when, stays." in card
    assert f"Approved by <@{TESSA}>" in card
    assert "*Restored* after " in card
    assert labels(s.card()) == {"Details"}
    assert labels(s.card("R-2")) == {"Details"}
    assert any("*Deactivated*: the effect was seen." in line for line in s.thread())


async def test_verify_counts_in_slack_what_was_erased(s: Story) -> None:
    await s.file(**FORM)
    await s.veto(TESSA, reason="No.")
    erase(s.w)
    await s.calm()
    assert await s.type(MAX, "verify", "/audit") != ""
    for _ in range(100):
        shown = [m.blocks for m in s.ws.ephemerals(MAX)]
        if "values erased under 1 entry" in str(shown):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(shown)


def test_whatever_can_be_wrong_is_explained_in_slack() -> None:
    assert set(_MEANS) == set(Fault)


async def test_a_vetoed_one_keeps_who_vetoed(s: Story) -> None:
    await s.file(**FORM)
    await s.veto(TESSA, reason="She is TICKET-77's aunt.")
    erase(s.w)
    await s.calm()
    await s.calm()
    assert f"*Vetoed* by <@{TESSA}>: (erased)" in s.thread()
    assert f"*Vetoed* by <@{TESSA}>" in s.says()
    assert "aunt" not in in_channel(s)


async def test_its_details_and_its_status_can_be_looked_at(s: Story) -> None:
    await executed_and_restored(s)
    erase(s.w)
    await s.calm()
    await s.calm()
    assert await s.click(LENA, "details") == ""
    details = text_of(s.ws.views(LENA)[-1])
    assert "*Deactivate (erased)* · executed" in details
    assert "host:dpo erased what it was about: Art. 17" in details
    assert [word for word in WORDS if word in details] == []
    said = await s.type(LENA, "status R-1")
    assert said.startswith("*R-1* Deactivate (erased) · executed")


async def test_a_restore_click_that_comes_late_is_refused_in_words(s: Story) -> None:
    await s.executed(reason="child-safety")
    card = s.card()
    erase(s.w)
    assert "What R-1 was about is erased: use /request-restore" in await s.click(
        OMAR, "restore", card
    )
    # the account itself can be given back as any other
    id = await s.file("@pres1dent", command="/request-restore")
    assert await s.kinds(id) == ["Filed"]


async def test_a_bot_with_a_request_in_memory_forgets_it(s: Story) -> None:
    await s.file(**FORM)
    await s.veto(TESSA, reason="No.")
    assert s.w.bot.engine._folded["R-1"].known.value is not None
    erase(s.w)
    await s.calm()
    assert s.w.bot.engine._folded["R-1"].known.value is None
    assert s.w.bot.engine._folded["R-1"].erasure is not None


async def test_what_was_deleted_in_slack_holds_nothing_up(s: Story) -> None:
    await s.file(**FORM)
    await s.veto(TESSA, reason="No.")
    for message in s.thread_messages():
        s.ws.delete_message(REVIEW, message.ts)
    erase(s.w)
    await s.calm()
    await s.calm()
    assert await s.w.store.run(outbox.backlog) == []
    assert s.thread() == []


async def test_slack_that_fails_is_tried_again(s: Story) -> None:
    await s.file(**FORM)
    await s.veto(TESSA, reason="Sells pills herself.")
    s.w.slack.fail("chat.update", *[Error("internal_error")] * 3)
    erase(s.w)
    for _ in range(8):
        await s.skip(10 * SECOND)
    assert "pills" not in in_channel(s)


async def test_a_reply_whose_answer_was_lost_is_changed_when_it_is_found(s: Story) -> None:
    await s.file(**FORM)
    s.w.slack.fail("chat.postMessage", *[TimedOut(acted=True)] * 2)  # the reply, and the notice
    assert await s.click(TESSA, "veto") == ""
    await s.hand(TESSA).submit({"reason.value": "Sells pills herself."})
    s.w.slack.fail("conversations.replies", *[Error("missing_scope")] * 99)  # not found yet
    await s.settle()
    assert "Sells pills herself." in in_channel(s)
    erase(s.w)
    s.mend("conversations.replies")
    for _ in range(8):
        await s.skip(10 * SECOND)
    assert "pills" not in in_channel(s)
    assert s.thread().count(f"*Vetoed* by <@{TESSA}>: (erased)") == 1
