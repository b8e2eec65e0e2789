"""An export of the trail, from the command to the file: it comes once, and is what was recorded."""

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bot.audit import verifying
from bot.audit.exporting import LARGEST
from bot.core.events import Exported, Queried
from bot.sandbox.clock import SandboxClock
from bot.sandbox.slack import Error, FakeSlack, RateLimited, ServerError, TimedOut
from bot.sandbox.slack.files import File
from bot.sandbox.slack.records import Message
from bot.sandbox.world import people, world
from bot.store import ledger, outbox
from bot.store.tx import StoreError, Tx
from stories.telling import AGENT, MAX, MINUTE, OMAR, SECOND, TESSA, Story

COMING = "The file comes to you by direct message."


def shared(s: Story, to: str = MAX) -> list[Message]:
    """The messages with a file that this person has."""
    return [m for m in s.ws.dm(to) if m.files]


def the_file(s: Story) -> File:
    (message,) = shared(s)
    (file,) = message.files
    return s.w.slack.files.known[file["id"]]


async def recorded(s: Story) -> list[tuple[int, Exported]]:
    events = await s.w.store.run(lambda tx: ledger.events(tx, ledger.AUDIT))
    return [(seq, e) for seq, e in events if isinstance(e, Exported)]


async def nothing_waits(s: Story) -> None:
    assert await s.w.store.run(lambda tx: tx.query("SELECT key FROM outbox")) == []


def asked(s: Story, method: str) -> int:
    return sum(call.method == method for call in s.w.slack.calls)


async def test_a_manager_is_sent_the_trail_as_a_file_with_its_digest(s: Story) -> None:
    await s.executed()
    assert await s.type(MAX, "export", "/audit") == COMING
    await s.calm()
    ((seq, event),) = await recorded(s)
    file = the_file(s)
    assert file.content is not None
    assert hashlib.sha256(file.content).hexdigest() == event.digest
    assert file.name == file.title == f"nolone-audit-{seq}-{event.digest[:8]}.jsonl"
    (message,) = shared(s)
    for said in (file.name, event.digest, event.root, f"entry #{seq}", f"up to #{event.size}"):
        assert said in message.text
    lines = [json.loads(line) for line in file.content.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, event.size + 1))
    assert len(lines) == event.entries == event.size == seq - 1
    assert lines[-1]["kind"] == "Queried"
    assert lines[-1]["data"]["query"] == {"text": "export"}
    assert (event.by, event.query.open.text, event.format) == (MAX, "export", "jsonl")
    await nothing_waits(s)


async def test_the_query_is_an_entry_before_the_file_is_made(s: Story) -> None:
    await s.type(MAX, "export format:csv", "/audit")
    events = await s.w.store.run(lambda tx: ledger.events(tx, ledger.AUDIT))
    assert [e.kind for _, e in events] == ["Queried", "Exported"]
    (_, queried), (_, exported) = events
    assert isinstance(queried, Queried)
    assert queried.export
    assert isinstance(exported, Exported)
    assert exported.format == "csv"


@pytest.mark.parametrize("who", [AGENT, TESSA])
async def test_nobody_but_a_manager_is_sent_anything(s: Story, who: str) -> None:
    said = await s.type(who, "export", "/audit")
    assert "Only managers" in said
    await s.calm()
    assert await recorded(s) == []
    assert s.w.slack.files.known == {}


async def test_who_is_no_manager_any_more_is_not_given_the_file(s: Story) -> None:
    """It is asked for and made at different times; who may have it is decided at both."""
    worker = s.w.bot.worker
    held = worker._exports.command

    async def fired(event: Queried):  # type: ignore[no-untyped-def] # what happens in between
        s.ws.user_change(MAX, deleted=True)
        await s.w.slack.settled()
        return await held(event)

    worker._exports.command = fired  # type: ignore[method-assign]
    await s.hand(MAX).command("/audit", "export", channel="C03LOBBY")
    await s.settle()
    for _ in range(15):
        await s.skip(MINUTE)
    assert await recorded(s) == []
    assert s.w.slack.files.known == {}
    await nothing_waits(s)


async def test_the_command_delivered_again_sends_no_second_file(s: Story) -> None:
    await s.type(MAX, "export", "/audit")
    await s.calm()
    (delivery,) = [d for d in s.w.slack.deliveries if d.kind == "command"]
    await s.w.slack.redeliver(delivery)
    await s.calm()
    assert len(await recorded(s)) == 1
    assert len(shared(s)) == 1


UPLOADS = ("files.getUploadURLExternal", "upload", "files.completeUploadExternal")


@pytest.mark.parametrize("method", ["conversations.open", *UPLOADS])
@pytest.mark.parametrize(
    "fault",
    [
        ServerError(503),
        ServerError(503, acted=True),
        TimedOut(),
        TimedOut(acted=True),
        RateLimited(2),
        Error("internal_error"),
    ],
    ids=str,
)
async def test_whatever_fails_on_the_way_one_file_comes(
    s: Story, method: str, fault: ServerError | TimedOut | RateLimited | Error
) -> None:
    s.w.slack.fail(method, fault)
    await s.type(MAX, "export", "/audit")
    for _ in range(8):
        await s.skip(15 * SECOND)
    assert len(shared(s)) == 1
    assert len(await recorded(s)) == 1
    await nothing_waits(s)


async def test_what_did_not_arrive_whole_is_not_completed(s: Story) -> None:
    s.w.slack.fail("upload", ServerError(502))
    await s.type(MAX, "export", "/audit")
    assert asked(s, "files.completeUploadExternal") == 0
    (row,) = await s.w.store.run(outbox.backlog)
    assert row["error"] == "Slack answers HTTP 502 to the file"
    await s.skip(MINUTE)
    assert asked(s, "files.completeUploadExternal") == 1
    assert len(shared(s)) == 1


async def test_a_file_that_slack_shares_late_is_not_sent_again(s: Story) -> None:
    """Its yes was lost, and at the first look nothing is there yet."""
    s.w.slack.files.slow = True
    s.w.slack.fail("files.completeUploadExternal", TimedOut(acted=True))
    await s.type(MAX, "export", "/audit")
    await s.skip(31 * SECOND)
    assert shared(s) == []
    s.w.slack.files.share()
    for _ in range(4):
        await s.skip(31 * SECOND)
    assert len(shared(s)) == 1
    assert asked(s, "files.completeUploadExternal") == 1
    await nothing_waits(s)


async def test_a_bot_that_is_killed_while_it_sends_sends_no_second_file(
    clock: SandboxClock, tmp_path: Path
) -> None:
    slack = FakeSlack(clock)
    people(slack.workspace)
    await slack.start()
    async with world(clock, tmp_path / "db", slack=slack) as w:
        s = Story(w)
        slack.fail("files.completeUploadExternal", TimedOut(acted=True))
        await s.type(MAX, "export", "/audit")
        assert len(shared(s)) == 1
    async with world(clock, tmp_path / "db", slack=slack) as w:
        s = Story(w)
        for _ in range(4):
            await s.skip(31 * SECOND)
        assert len(shared(s)) == 1
        assert asked(s, "files.completeUploadExternal") == 1
        await nothing_waits(s)
    await slack.stop()


async def test_what_is_not_as_it_was_recorded_is_not_sent_and_said(s: Story) -> None:
    await s.executed()
    s.w.slack.fail("conversations.open", ServerError(503))
    await s.type(MAX, "export", "/audit")
    assert shared(s) == []
    ((_, event),) = await recorded(s)
    await s.w.store.run(
        lambda tx: tx.execute("DELETE FROM openings WHERE seq = 2 AND field = 'grounds'")
    )
    await s.skip(MINUTE)
    assert shared(s) == []
    assert s.w.slack.files.known == {}
    (told,) = s.dms(MAX)
    assert f"{event.digest[:8]}.jsonl` was not sent" in told.text
    assert "Values were erased in between" in told.text
    await nothing_waits(s)


async def test_who_cannot_be_written_to_holds_nobody_up(s: Story) -> None:
    s.w.slack.fail("conversations.open", Error("user_disabled"))
    await s.type(MAX, "export", "/audit")
    await s.calm()
    assert shared(s) == []
    await nothing_waits(s)


async def test_the_file_may_be_of_some_time_only(s: Story) -> None:
    await s.file()
    await s.skip(2 * 60 * MINUTE)
    await s.file("@ada")
    await s.type(MAX, "export since:1h format:csv", "/audit")
    await s.calm()
    content = the_file(s).content
    assert content is not None
    ((_, event),) = await recorded(s)
    assert 0 < event.entries < event.size
    assert "R-2" in content.decode()
    assert "R-1," not in content.decode()
    (message,) = shared(s)
    assert f"{event.entries} entries since 20" in message.text


async def test_without_a_key_tiles_are_refused_with_the_remedy(s: Story) -> None:
    s.w.bot.worker._exports._signers = ()
    said = await s.type(MAX, "export format:tiles", "/audit")
    assert "NOLONE_SIGNING_KEY_FILE" in said
    assert await recorded(s) == []


async def test_the_tiles_come_signed_in_one_archive_and_verify(s: Story, tmp_path: Path) -> None:
    await s.executed()
    assert "whole trail" in await s.type(MAX, "export format:tiles since:1d", "/audit")
    assert await s.type(MAX, "export format:tiles", "/audit") == COMING
    await s.calm()
    ((_, event),) = await recorded(s)
    file = the_file(s)
    assert file.content is not None
    assert hashlib.sha256(file.content).hexdigest() == event.digest
    with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
        archive.extractall(tmp_path / "received")
    public = [key.public for key in s.w.bot.worker._exports._signers]
    found = verifying.export(tmp_path / "received", public, [])
    assert not found.wrong, found.text
    assert f"{event.size} entries verified" in found.text
    assert f"root {event.root}" in found.text
    assert "proof/R-1.tlog-proof" in archive.namelist()


async def test_what_is_too_large_is_refused_with_the_remedy(
    s: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.audit.exporting.LARGEST", 1024 * 1024)
    await s.executed()
    assert await s.type(MAX, "export", "/audit") == COMING
    monkeypatch.setattr("bot.audit.exporting.LARGEST", 0)
    said = await s.type(MAX, "export", "/audit")
    assert "since: and until:" in said
    assert "nolone audit export" in said
    assert len(await recorded(s)) == 1
    assert LARGEST > 1024 * 1024


async def test_each_export_is_a_file_of_its_own(s: Story) -> None:
    for _ in range(2):
        await s.type(MAX, "export", "/audit")
        await s.calm()
    first, second = shared(s)
    assert first.files[0]["name"] != second.files[0]["name"]
    assert shared(s, OMAR) == []


async def test_an_export_that_was_recorded_and_not_crossed_off_is_not_recorded_twice(
    clock: SandboxClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = outbox.finish
    stopped: list[str] = []

    def stop_once(tx: Tx, task: outbox.Task, *more: Any) -> bool:
        if task.what == "export" and not stopped:
            stopped.append(task.key)
            raise StoreError("the disk is full")
        return finish(tx, task, *more)

    monkeypatch.setattr(outbox, "finish", stop_once)
    async with world(clock, tmp_path / "db") as w:
        s = Story(w)
        await s.type(MAX, "export", "/audit")
        for _ in range(3):
            await s.skip(31 * SECOND)
        assert stopped
        assert len(await recorded(s)) == 1
        assert len(shared(s)) == 1
        await nothing_waits(s)
