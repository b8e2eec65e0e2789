"""Checkpoints leave the house, and what is strict waits until they have."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

from bot.anchoring import EVERY
from bot.anchors.directory import Directory
from bot.audit.held import signed_heads
from bot.core.request import Phase
from bot.ledger import checkpoint
from bot.ledger.checkpoint import Checkpoint, short
from bot.sandbox.clock import SandboxClock
from bot.sandbox.slack import Error
from bot.sandbox.slack.records import Message
from bot.sandbox.world import ANCHORS, ORIGIN, REVIEW, world
from bot.store import ledger, tree
from bot.store.anchors import Anchored, anchored, keep_anchored
from bot.store.tx import Tx
from stories.telling import (
    AGENT,
    LENA,
    MAX,
    MINUTE,
    PRESIDENT,
    SECOND,
    TESSA,
    Outside,
    Story,
    keys_of,
    policy,
    text_of,
)


def kept(s: Story) -> list[Checkpoint]:
    """The checkpoints in the channel, as whoever sits in it can read them."""
    found = []
    for message in s.ws.messages(ANCHORS):
        note = message.blocks[1]["elements"][0]["elements"][0]["text"]
        found.append(checkpoint.read(note.encode(), s.w.bot.anchoring.known, ORIGIN))
    return found


async def root(s: Story, size: int) -> bytes:
    def script(tx: Tx) -> bytes:
        return tree.root_at(tx, size)

    return await s.w.store.run(script)


async def quorum(s: Story) -> str:
    """The president's account, with its quorum; its id."""
    id = await s.file("@president")
    for reviewer in (TESSA, LENA):
        await s.approve(reviewer, id)
    return id


async def test_a_checkpoint_over_the_quorum_is_kept_before_the_start(s: Story) -> None:
    id = await quorum(s)
    events = await s.w.store.run(lambda tx: ledger.events(tx, id))
    (reached,) = [seq for seq, event in events if event.kind == "QuorumReached"]
    assert kept(s)[-1].size >= reached
    assert kept(s)[-1].root == await root(s, kept(s)[-1].size)
    await s.type(MAX, id, command="/audit")
    assert "to run, once an anchor keeps its quorum" in text_of(s.ws.ephemerals(MAX)[-1])
    await s.skip(30 * MINUTE)
    assert await s.phase() is Phase.EXECUTED


async def test_a_checkpoint_is_posted_each_minute_while_the_log_grows_and_not_else(
    s: Story,
) -> None:
    await s.file("@pres1dent")
    await s.skip(EVERY)
    before = len(kept(s))
    assert kept(s)[-1].size == await s.w.store.run(lambda tx: ledger.last_seq(tx, "R-1"))
    for _ in range(3):
        await s.skip(EVERY)
    assert len(kept(s)) == before
    assert min(s.w.bot.anchoring._due.values()) > s.w.clock.now()  # nor does it look all the time
    await s.file("@ada")
    await s.skip(EVERY)
    assert len(kept(s)) == before + 1


async def test_without_its_anchor_a_strict_request_waits_and_the_card_says_so(s: Story) -> None:
    s.w.slack.fail("webhook", *[Error("no_service")] * 999)
    await quorum(s)
    await s.skip(31 * MINUTE)
    assert await s.phase() is Phase.READY
    said = text_of(s.card())
    assert "no anchor keeps a checkpoint over its quorum yet" in said
    assert "the webhook answers 404: no_service" in said
    s.mend("webhook")
    await s.skip(EVERY + 2 * SECOND)
    await s.skip(2 * SECOND)
    assert await s.phase() is Phase.EXECUTED


async def test_who_writes_to_the_database_cannot_say_that_it_is_anchored(s: Story) -> None:
    s.w.slack.fail("webhook", *[Error("no_service")] * 999)
    await quorum(s)
    size = await s.w.store.run(lambda tx: ledger.last_seq(tx, "R-1"))
    forged = Anchored("channel", size, await root(s, size), 0, "nowhere", b"nothing")
    await s.w.store.run(lambda tx: keep_anchored(tx, forged))
    await s.w.store.run(lambda tx: keep_anchored(tx, replace(forged, anchor="directory")))
    await s.skip(31 * MINUTE)
    await s.skip(EVERY)
    assert await s.phase() is Phase.READY
    assert "no anchor keeps a checkpoint over its quorum yet" in text_of(s.card())


async def test_what_was_anchored_before_a_restart_is_so_after_it(
    clock: SandboxClock, tmp_path: Path, outside: Outside
) -> None:
    slack, platform = outside
    async with world(clock, tmp_path / "db", slack=slack, platform=platform) as w:
        await quorum(Story(w))
    slack.fail("webhook", *[Error("no_service")] * 999)  # nothing new is anchored any more
    async with world(clock, tmp_path / "db", slack=slack, platform=platform) as w:
        s = Story(w)
        await s.skip(30 * MINUTE)
        await s.calm()
        assert await s.phase() is Phase.EXECUTED


async def test_a_log_that_was_set_back_is_told_by_what_its_anchor_keeps(
    clock: SandboxClock, tmp_path: Path
) -> None:
    (tmp_path / "kept").mkdir()
    anchors = [Directory(tmp_path / "kept", clock)]
    alone = policy(channels={"review": REVIEW})
    async with world(clock, tmp_path / "db", policy=alone, anchors=anchors) as w:
        await w.settled()
    for suffix in ("", ".key"):
        shutil.copy(tmp_path / f"db{suffix}", tmp_path / f"older{suffix}")
    async with world(clock, tmp_path / "db", policy=alone, anchors=anchors) as w:
        await Story(w).file()
        await Story(w).skip(EVERY)
    async with world(clock, tmp_path / "older", policy=alone, anchors=anchors) as w:
        await w.settled()
        (trouble,) = w.bot.anchoring.troubles
    assert "it keeps a checkpoint over 2 entries, and the log has 1: it was cut off" in trouble


async def test_it_waits_until_its_run_by_and_expires_then(s: Story) -> None:
    s.w.slack.fail("webhook", *[Error("no_service")] * 999)
    await quorum(s)
    await s.skip(30 * MINUTE)
    await s.skip(59 * MINUTE)
    assert await s.phase() is Phase.READY
    await s.skip(2 * MINUTE)
    assert await s.phase() is Phase.EXPIRED
    assert not s.deactivated(PRESIDENT)


async def test_what_is_not_strict_does_not_wait(s: Story) -> None:
    s.w.slack.fail("webhook", *[Error("no_service")] * 999)
    await s.file("@pres1dent")
    await s.approve(TESSA)
    await s.skip(6 * MINUTE)
    assert await s.phase() is Phase.EXECUTED


MARK = re.compile(r"#(\d+) · root ([A-Za-z0-9+/]{12})")


def told_in(message: Message) -> list[str]:
    """The seq of the entries that a reply tells of."""
    return [key.split("/")[1] for key in keys_of(message)]


async def test_every_card_receipt_and_notice_names_its_place_and_the_root(s: Story) -> None:
    await quorum(s)
    await s.skip(31 * MINUTE)
    told = [s.card(), *s.thread_messages()]
    for person in (AGENT, TESSA, LENA):
        told += s.dms(person)
    assert len(told) > 8
    for message in told:
        places = MARK.findall(text_of(message))
        assert [seq for seq, _ in places] == told_in(message) or len(places) == 1
        for seq, top in places:
            assert short(await root(s, int(seq))) == top


async def test_what_each_anchor_keeps_is_known(s: Story) -> None:
    await quorum(s)
    (found,) = await s.w.store.run(anchored)
    newest = kept(s)[-1]
    assert (found.anchor, found.size, found.root) == ("channel", newest.size, newest.root)
    assert found.place == ANCHORS
    (head,) = signed_heads([found.signed], s.w.bot.anchoring.known, ORIGIN)
    assert head == newest


async def test_a_log_that_was_rewritten_is_not_signed_any_more(s: Story) -> None:
    await s.file("@pres1dent")
    await s.skip(EVERY)
    count = len(kept(s))

    def rewrite(tx: Tx) -> None:
        tx.execute("DROP TRIGGER tree_is_final /*pg ON tree */")
        tx.execute("UPDATE tree SET hash = :none WHERE level = 0 AND idx = 0", none=bytes(32))
        tx.execute("UPDATE tree SET hash = :none WHERE level > 0", none=bytes(32))

    await s.w.store.run(rewrite)
    await s.file("@ada")
    await s.skip(EVERY)
    assert len(kept(s)) == count
    (trouble,) = s.w.bot.anchoring.troubles
    assert "are not those that it keeps a checkpoint of" in trouble


async def test_a_top_tier_that_does_not_wait_says_so_on_its_card(
    clock: SandboxClock, tmp_path: Path
) -> None:
    alone = policy(channels={"review": REVIEW})
    async with world(clock, tmp_path / "nolone.db", policy=alone) as w:
        s = Story(w)
        await s.file("@president")
        assert "does not wait until somebody outside keeps" in text_of(s.card())
        assert s.ws.messages(ANCHORS) == []
