"""`/audit verify`: the manager is told in words whether the trail is what it was."""

import asyncio
import contextlib
import logging
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from bot.audit import keys, watching
from bot.core.commands import Query
from bot.core.events import Queried
from bot.ledger.checkpoint import Checkpoint
from bot.ledger.entry import LedgerBroken
from bot.ledger.note import SigningKey
from bot.ledger.verify import Kept, Verified
from bot.ports import AnchorError, Consistency, Contradicted, Published, SeenMore
from bot.sandbox.clock import SandboxClock
from bot.sandbox.slack import Error
from bot.sandbox.world import ORIGIN, REVIEW, World, world
from bot.store import ledger
from bot.store.anchors import Anchored, keep_anchored
from bot.store.sqlite import SqliteVisit
from bot.store.trail import Trail
from bot.store.tx import R, Tx
from stories.telling import AGENT, LOBBY, MAX, OMAR, Story, policy, text_of
from tests.trail.test_tamper import DELETE, EDIT, TRUNCATE, regrow

OTHER = SigningKey.made(ORIGIN)
UNANCHORED = policy(channels={"review": REVIEW})  # the shelves are all the anchors there are


class Shelf:
    """An anchor that keeps what is put on it, and takes nothing by itself."""

    def __init__(self, name: str = "#anchors", weak: str | None = None) -> None:
        self.name = name
        self.weak = weak
        self.kept: list[bytes] = []
        self.trouble: AnchorError | None = None

    async def publish(self, head: Checkpoint, signed: bytes, since: Consistency) -> Published:
        raise AnchorError("it is closed")

    async def latest(self, kept: bytes | None) -> Sequence[bytes]:
        if self.trouble is not None:
            raise self.trouble
        return self.kept

    async def aclose(self) -> None:
        pass


async def anchor(w: World, *shelves: Shelf) -> Checkpoint:
    """Have what there is now kept by these."""

    def head(tx: Tx) -> Checkpoint:
        trail = Trail(tx)
        return Checkpoint(ORIGIN, trail.size, trail.root(trail.size))

    made = await w.store.run(head)
    signed = made.sign(signers(w))
    for shelf in shelves:
        shelf.kept.insert(0, signed)
        place = "https://sandbox.slack.com/archives/C03ANC/p1"
        noted = Anchored(shelf.name, made.size, made.root, w.clock.now(), place, signed)
        await w.store.run(lambda tx, noted=noted: keep_anchored(tx, noted))
    return made


def signers(w: World) -> Sequence[SigningKey]:
    return keys.signing(w.database.with_suffix(".key"), ORIGIN)


def tamper(w: World, *statements: str | Callable[[sqlite3.Connection], object]) -> None:
    with contextlib.closing(sqlite3.connect(w.database)) as db, db:
        for name in ("entries_are_kept", "entries_are_final", "tree_is_kept", "tree_is_final"):
            db.execute(f"DROP TRIGGER IF EXISTS {name}")
        for one in statements:
            if isinstance(one, str):
                db.executescript(one)
            else:
                one(db)


def entries(w: World) -> int:
    with contextlib.closing(sqlite3.connect(w.database)) as db:
        ((n,),) = db.execute("SELECT count(*) FROM entries")
    return int(n)


async def ask(s: Story, who: str = MAX) -> str:
    """Ask, and be answered at once; the whole answer, with its sentence first."""
    answer = await s.hand(who).command("/audit", "verify", channel=LOBBY)
    assert (answer.status, answer.error) == (200, None), answer
    assert isinstance(answer.body, dict), answer
    said = s.ws.ephemerals(who)[-1]
    return f"{said.text}\n{text_of(said)}"


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def weak() -> Shelf:
    return Shelf("#review", weak="the bot posts there itself, and could delete it")


@pytest.fixture
async def w(clock: SandboxClock, tmp_path: Path, shelf: Shelf, weak: Shelf) -> AsyncIterator[World]:
    async with world(
        clock, tmp_path / "nolone.db", policy=UNANCHORED, anchors=[shelf, weak]
    ) as made:
        yield made


@pytest.fixture
def held_up(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Until it is set, the reading of everything takes."""
    go = threading.Event()

    def verify_trail(tx: Tx, against: Sequence[Kept]) -> Verified:
        assert go.wait(30)
        return real(tx, against)

    real = watching.verify_trail
    monkeypatch.setattr(watching, "verify_trail", verify_trail)
    monkeypatch.setattr("bot.slack.verifying.AT_ONCE", 0.3)
    return go


# --- as it should be -------------------------------------------------------------------------


async def test_the_manager_is_told_how_far_it_is_verified_and_anchored(
    s: Story, shelf: Shelf
) -> None:
    await s.file()
    head = await anchor(s.w, shelf)
    s.w.clock.skip(1_000)
    await s.type(MAX, "R-1", "/audit")
    said = await ask(s)
    n = head.size + 2  # with both queries
    assert said.startswith(
        f"{n} entries verified, anchored to #{head.size} in #anchors at "
        f"<!date^{(s.w.clock.now() - 1_000) // 1000}^"
    )
    assert f", 2 newer not yet anchored\n:white_check_mark: *{n} entries verified*, anch" in said
    assert "<https://sandbox.slack.com/archives/C03ANC/p1|where it stands>" in said
    assert f"over {n} entries · this query is an entry of the trail" in said


async def test_the_question_is_an_entry_before_it_is_answered(s: Story) -> None:
    before = entries(s.w)
    said = await ask(s)
    assert said.startswith(f"{before + 1} entries verified")
    asked = await s.w.store.run(lambda tx: ledger.events(tx, ledger.AUDIT)[-1][1])
    assert isinstance(asked, Queried)
    assert (asked.by, asked.query.open.text) == (MAX, "verify")


async def test_only_managers_are_answered(s: Story) -> None:
    before = entries(s.w)
    said = await s.type(AGENT, "verify", "/audit")
    assert "managers" in said
    assert "verified" not in said
    assert entries(s.w) == before


async def test_a_trail_that_nobody_else_keeps_proves_little_and_it_is_said(s: Story) -> None:
    said = await ask(s)
    assert "verified, anchored nowhere" in said
    assert "whoever has the machine and the key could have rewritten all of it" in said
    assert "*#anchors* keeps no checkpoint of this trail yet" in said


async def test_a_weaker_anchor_is_called_weaker(s: Story, weak: Shelf) -> None:
    await anchor(s.w, weak)
    said = await ask(s)
    assert "in #review" in said
    assert "weaker: the bot posts there itself, and could delete it" in said


async def test_of_two_anchors_that_cover_the_same_the_stronger_is_named(
    s: Story, shelf: Shelf, weak: Shelf
) -> None:
    await anchor(s.w, weak, shelf)
    assert "in #anchors at" in (await ask(s)).split("\n")[0]


# --- as it should not be ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (EDIT, "edited. The first that is wrong is entry 5."),
        (DELETE, "missing. The first that is wrong is entry 5."),
    ],
)
async def test_what_was_done_to_the_database_is_named(
    s: Story, shelf: Shelf, caplog: pytest.LogCaptureFixture, how: str, said: str
) -> None:
    await s.executed()
    await anchor(s.w, shelf)
    tamper(s.w, how)
    found = await ask(s)
    assert found.startswith(f"The trail is not as it was: {said}")
    assert "*What to do*  Stop nothing and change nothing yet." in found
    mine = [r for r in caplog.records if r.name == "bot.audit.watching"]
    errors = [r.getMessage() for r in mine if r.levelno == logging.ERROR]
    assert len(errors) == 1
    assert errors[0].startswith("the trail is not as it was: ")


def rewrite(db: sqlite3.Connection) -> None:
    """Another approved it, and everything is made to fit."""
    ((seq, body),) = db.execute("SELECT seq, body FROM entries WHERE kind = 'Approved'")
    body = body.replace(b"U02REV", OMAR.encode())
    db.execute("UPDATE entries SET actor = ?, body = ? WHERE seq = ?", (OMAR, body, seq))
    db.execute("UPDATE involved SET person = ? WHERE role = 'Approved'", (OMAR,))
    regrow(db)


async def test_what_was_made_to_fit_only_an_anchor_tells(s: Story, shelf: Shelf) -> None:
    await s.cooling_off()
    tamper(s.w, rewrite)
    assert "verified, anchored nowhere" in await ask(s)


async def test_what_was_made_to_fit_the_anchor_tells(s: Story, shelf: Shelf) -> None:
    await s.cooling_off()
    head = await anchor(s.w, shelf)
    tamper(s.w, rewrite)
    said = await ask(s)
    assert said.startswith("The trail is not as it was: forked.")
    assert f"What #anchors keeps is over {head.size} entries, and those here are others" in said


async def test_a_rewritten_trail_that_was_anchored_again_is_told_by_the_older_checkpoint(
    s: Story, shelf: Shelf
) -> None:
    await s.cooling_off()
    await anchor(s.w, shelf)
    tamper(s.w, rewrite)
    await s.type(MAX, "", "/audit")
    await anchor(s.w, shelf)  # with the real key
    assert (await ask(s)).startswith("The trail is not as it was: forked.")


async def test_an_older_copy_put_in_its_place_is_told_by_the_anchor(
    s: Story, shelf: Shelf, tmp_path: Path
) -> None:
    await s.file()
    await s.w.store.run(lambda tx: None)
    older = tmp_path / "older.db"
    with (
        contextlib.closing(sqlite3.connect(s.w.database)) as db,
        contextlib.closing(sqlite3.connect(older)) as copy,
    ):
        db.backup(copy)
    await s.approve("U02REV")
    head = await anchor(s.w, shelf)
    known = [key.public for key in signers(s.w)]
    again = watching.Watch(Copy(older), s.w.clock, ORIGIN, known, lambda: [shelf])
    found = await again.verify().found()
    assert found is not None
    (finding,) = found.verified.findings
    assert finding.fault == "checkpoint ahead of the log"
    assert f"over {head.size} entries" in finding.said


class Copy:
    """A database that no bot runs on."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def run(self, script: Callable[[Tx], R]) -> R:
        return self.look_now(script)

    def look_now(self, script: Callable[[Tx], R]) -> R:
        visit = SqliteVisit(self.path)
        try:
            return visit.look(script)
        finally:
            visit.close()


async def test_a_trail_that_takes_no_more_entries_is_verified_all_the_same(
    s: Story, caplog: pytest.LogCaptureFixture
) -> None:
    await s.executed()
    tamper(s.w, TRUNCATE.replace("20", "6"))
    said = await ask(s)
    assert said.startswith("The trail is not as it was: truncated.")
    assert "This question is not recorded: the trail takes no more entries" in said
    answer = await s.hand(MAX).command("/audit", "R-1", channel=LOBBY)
    assert answer.status == 500  # nothing else is answered that cannot be recorded
    with pytest.raises(LedgerBroken):
        await s.w.bot.working
    caplog.clear()


# --- anchors that are not as they should be -----------------------------------------------------


async def test_an_anchor_that_cannot_be_read_is_replaced_by_our_note_and_it_is_said(
    s: Story, shelf: Shelf
) -> None:
    head = await anchor(s.w, shelf)
    shelf.trouble = AnchorError("Slack could not be reached")
    said = await ask(s)
    assert "verified, anchored nowhere" in said
    assert f"*#anchors*: by our own note it took a checkpoint over #{head.size}" in said
    assert ":warning: it could not be read: Slack could not be reached" in said


async def test_our_note_tells_a_trail_that_was_rewritten_carelessly(s: Story, shelf: Shelf) -> None:
    await s.cooling_off()
    await anchor(s.w, shelf)
    shelf.trouble = AnchorError("Slack could not be reached")
    tamper(s.w, rewrite)
    assert "What our note of what #anchors took is over" not in (said := await ask(s))
    assert "Our note of what #anchors took is over" in said


async def test_a_checkpoint_that_the_anchor_gives_back_no_more_is_missed(
    s: Story, shelf: Shelf
) -> None:
    await anchor(s.w, shelf)
    head = await anchor_again(s, shelf)
    shelf.kept.pop(0)
    said = await ask(s)
    assert (
        f":warning: it took a checkpoint over {head.size} entries, and gives back one over" in said
    )
    shelf.kept.clear()
    assert f"it took a checkpoint over {head.size} entries, and gives none back" in await ask(s)


async def anchor_again(s: Story, shelf: Shelf) -> Checkpoint:
    await s.type(MAX, "", "/audit")
    return await anchor(s.w, shelf)


async def test_an_anchor_that_has_seen_another_log_is_believed(s: Story, shelf: Shelf) -> None:
    await anchor(s.w, shelf)
    shelf.trouble = Contradicted("it has seen another log of that size")
    said = await ask(s)
    assert said.startswith("The trail is not as it was: forked.")
    assert "#anchors: it has seen another log of that size" in said


async def test_an_anchor_that_has_seen_more_entries_than_there_are_is_believed(
    s: Story, shelf: Shelf
) -> None:
    await anchor(s.w, shelf)
    there = entries(s.w) + 1  # with the question
    shelf.trouble = SeenMore("it has seen more", there + 1)
    said = await ask(s)
    assert said.startswith("The trail is not as it was: checkpoint ahead of the log.")
    assert f"#anchors has seen {there + 1} entries, and the log has {there}" in said
    shelf.trouble = SeenMore("it has seen more than is noted here", there)
    said = await ask(s)
    assert "entries verified, anchored nowhere" in said
    assert ":warning: it has seen more than is noted here" in said


async def test_what_another_key_signed_counts_for_nothing(s: Story, shelf: Shelf) -> None:
    other = Checkpoint(ORIGIN, 1, bytes(32)).sign([OTHER])
    elsewhere = Checkpoint("elsewhere", 1, bytes(32)).sign(signers(s.w))
    shelf.kept = [other, elsewhere, b"hello"]
    said = await ask(s)
    assert "verified, anchored nowhere" in said
    assert "keeps no checkpoint of this trail yet" in said


# --- what takes longer -------------------------------------------------------------------------


async def test_what_takes_longer_is_said_so_far_and_the_rest_when_it_is_known(
    s: Story, shelf: Shelf, held_up: threading.Event
) -> None:
    head = await anchor(s.w, shelf)
    first = await ask(s)
    assert first.startswith(
        f"What is newer than the anchored #{head.size} is verified (1 entry), and the tree before"
    )
    assert f"All {head.size + 1} entries are being read" in first
    held_up.set()
    await s.settle()
    assert s.words(MAX)[-1].startswith(
        f"{head.size + 1} entries verified, anchored to #{head.size}"
    )


async def test_a_bot_that_stops_says_where_the_rest_is_to_be_had(
    s: Story, held_up: threading.Event
) -> None:
    await s.executed()
    tamper(s.w, TRUNCATE.replace("20", "6"))
    said = await ask(s)
    assert said.startswith("The trail is not as it was. What is wrong with it is being found out.")
    assert "`nolone audit verify` on its machine" in said
    held_up.set()
    await s.w.bot.background.drain(5)


async def test_clicks_go_on_meanwhile(s: Story, held_up: threading.Event) -> None:
    said = await ask(s)
    answer = await s.hand(AGENT).command("/request-deactivate", "status", channel=LOBBY)
    before = entries(s.w)
    await s.w.bot.engine.handle(Query(MAX, "since:1d", 0))
    assert (answer.status, entries(s.w)) == (200, before + 1)
    assert f"All {before} entries are being read" in said
    held_up.set()
    await s.settle()
    assert s.words(MAX)[-1].startswith(f"{before} entries verified")


async def test_whoever_asks_meanwhile_is_answered_by_the_one_under_way(
    s: Story, held_up: threading.Event
) -> None:
    await ask(s)
    second = await ask(s)
    assert "Somebody asked for this before you, and it answers you too" in second
    (thread,) = (t for t in threading.enumerate() if t.name == "verify")
    assert thread.daemon  # the end of the process would wait for it
    held_up.set()
    await s.settle()
    said = [m for m in s.words(MAX) if "entries verified" in m]
    assert len(said) == 2
    assert said[0] == said[1]


async def test_when_the_answer_has_no_address_any_more_it_comes_by_dm(
    s: Story, held_up: threading.Event
) -> None:
    await ask(s)
    s.w.slack.fail("response_url", Error("expired_url"))
    held_up.set()
    await s.settle()
    assert "entries verified" in s.ws.dm(MAX)[-1].text


async def test_the_first_answer_already_says_when_something_is_wrong(
    s: Story, shelf: Shelf, held_up: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    await s.executed()
    tamper(s.w, EDIT)
    assert (await ask(s)).startswith("The trail is not as it was. What is wrong with it is being")
    held_up.set()
    await s.settle()
    assert s.words(MAX)[-1].startswith("The trail is not as it was: edited.")
    caplog.clear()


async def test_the_bot_ends_without_waiting_for_it(
    clock: SandboxClock, tmp_path: Path, held_up: threading.Event
) -> None:
    async with asyncio.timeout(10), world(clock, tmp_path / "other.db", policy=UNANCHORED) as made:
        await ask(Story(made))
        made.bot.background._tasks.clear()  # who would be answered is not waited for here
    held_up.set()


# --- what is found at once ------------------------------------------------------------------------


async def found_at_once(w: World, *heads: Checkpoint) -> watching.Since:
    return await w.store.run(lambda tx: watching.since(tx, heads))


async def test_at_once_only_what_is_newer_than_the_anchored_is_read(s: Story) -> None:
    await s.executed()
    head = await anchor(s.w)
    await s.type(MAX, "", "/audit")
    assert await found_at_once(s.w, head) == watching.Since(head.size + 1, head.size, True)
    tamper(s.w, EDIT)  # of an entry before it, which is read later
    assert (await found_at_once(s.w, head)).in_order
    assert not (await found_at_once(s.w)).in_order


@pytest.mark.parametrize(
    "how",
    [
        "UPDATE entries SET body = CAST('{}' AS BLOB) WHERE seq = (SELECT max(seq) FROM entries)",
        "DELETE FROM entries WHERE seq = (SELECT max(seq) FROM entries)",
        "UPDATE tree SET hash = zeroblob(32) WHERE level = 1 AND idx = (SELECT max(idx) FROM tree"
        " WHERE level = 1)",
        "DELETE FROM tree",
    ],
)
async def test_at_once_a_newer_entry_that_is_not_in_the_tree_is_found(s: Story, how: str) -> None:
    await s.file()
    head = await anchor(s.w)
    for _ in range(4):
        await s.type(MAX, "", "/audit")
    tamper(s.w, "PRAGMA foreign_keys = OFF", how)
    assert not (await found_at_once(s.w, head)).in_order


async def test_at_once_another_root_is_found_and_so_is_a_log_that_is_shorter(s: Story) -> None:
    head = await anchor(s.w)
    assert (await found_at_once(s.w, head)).in_order
    other = Checkpoint(ORIGIN, head.size, bytes(32))
    longer = Checkpoint(ORIGIN, head.size + 1, head.root)
    assert not (await found_at_once(s.w, other)).in_order
    assert not (await found_at_once(s.w, longer)).in_order
