"""A backup is restored, and the world has gone on since: nothing runs again, nor past a veto."""

import sqlite3
from contextlib import closing
from pathlib import Path

from bot import backups
from bot.core.request import Phase
from bot.sandbox.clock import SandboxClock
from bot.sandbox.slack.api import Error
from bot.sandbox.world import world
from stories.telling import (
    AGENT,
    HOUR,
    MINUTE,
    OMAR,
    PRES1DENT,
    SECOND,
    TESSA,
    Outside,
    Story,
    labels,
)

SET_BACK = "an older state of the trail was restored"


class Kept:
    """A database, and the backup of it that is restored into a new one."""

    def __init__(self, folder: Path, clock: SandboxClock) -> None:
        self.database, self.file = folder / "db", folder / "backup"
        self.restored = folder / "restored.db"
        self._clock = clock

    def back_up(self) -> None:
        with backups.visit(f"sqlite:///{self.database}") as source:
            assert backups.back_up(source, self.file).findings == ()

    def restore(self) -> tuple[str, ...]:
        with backups.visit(f"sqlite:///{self.file}") as source:
            done = backups.restore(source, f"sqlite:///{self.restored}", "root", self._clock.now())
        return done.set_back


async def goes_on(s: Story) -> None:
    """Let everything happen that still would."""
    await s.settle()
    await s.calm()
    for _ in range(4):
        await s.skip(31 * SECOND)
    await s.skip(6 * MINUTE)
    await s.skip(HOUR)
    await s.calm()


async def test_a_veto_that_was_given_after_the_backup_is_not_run_over(
    clock: SandboxClock, tmp_path: Path, outside: Outside
) -> None:
    slack, platform = outside
    kept = Kept(tmp_path, clock)
    async with world(clock, kept.database, slack=slack, platform=platform) as w:
        s = Story(w)
        await s.cooling_off()
        kept.back_up()
        await s.veto(OMAR)
        assert await s.phase() is Phase.VETOED
    assert kept.restore() == ("R-1",)
    async with world(clock, kept.restored, slack=slack, platform=platform) as w:
        s = Story(w)
        await goes_on(s)
        assert platform.effects == []
        assert await s.phase() is Phase.LAPSED
        assert SET_BACK in s.says()
        assert labels(s.card()) == {"Details"}
        assert SET_BACK in s.thread()[-1]
        assert SET_BACK in s.dms(AGENT)[-1].text
        # whoever means it files it anew, and it takes a quorum of its own
        id = await s.cooling_off()
        assert (id, await s.phase(id)) == ("R-2", Phase.COOLING_OFF)


async def test_what_was_executed_and_undone_after_the_backup_is_not_executed_again(
    clock: SandboxClock, tmp_path: Path, outside: Outside
) -> None:
    slack, platform = outside
    kept = Kept(tmp_path, clock)
    async with world(clock, kept.database, slack=slack, platform=platform) as w:
        s = Story(w)
        await s.cooling_off()
        kept.back_up()
        await s.until_ready()
        await s.restore(TESSA)
        await s.skip(5 * SECOND)
    effects = [e.action for e in platform.effects]
    assert effects == ["deactivate", "restore"]
    assert kept.restore() == ("R-1",)
    async with world(clock, kept.restored, slack=slack, platform=platform) as w:
        s = Story(w)
        await goes_on(s)
        assert [e.action for e in platform.effects] == effects
        assert platform.accounts[PRES1DENT].state == "active"


async def order_is_durable(s: Story, clock: SandboxClock) -> None:
    """Until the instant between the order's entry and its sending."""
    await s.cooling_off()
    s.w.bot.working.cancel()
    clock.skip(5 * MINUTE)
    await s.w.bot.worker._look_at("R-1")
    assert await s.phase() is Phase.EXECUTING


async def test_an_order_in_a_backup_is_never_sent_and_its_effect_is_looked_for(
    clock: SandboxClock, tmp_path: Path, outside: Outside
) -> None:
    slack, platform = outside
    kept = Kept(tmp_path, clock)
    async with world(clock, kept.database, slack=slack, platform=platform) as w:
        await order_is_durable(Story(w), clock)
        kept.back_up()
    assert kept.restore() == ("R-1",)  # within the time that the order may be sent
    async with world(clock, kept.restored, slack=slack, platform=platform) as w:
        s = Story(w)
        await goes_on(s)
        assert platform.effects == []
        assert await s.phase() is Phase.FAILED
        assert (await s.kinds())[-2:] == ["ExecutionUnknown", "ExecutionFailed"]


async def test_an_order_that_was_carried_out_since_is_seen(
    clock: SandboxClock, tmp_path: Path, outside: Outside
) -> None:
    slack, platform = outside
    kept = Kept(tmp_path, clock)
    async with world(clock, kept.database, slack=slack, platform=platform) as w:
        await order_is_durable(Story(w), clock)
        kept.back_up()
    async with world(clock, kept.database, slack=slack, platform=platform) as w:
        s = Story(w)
        await s.settle()
        await s.calm()
        assert len(platform.effects) == 1
    kept.restore()
    async with world(clock, kept.restored, slack=slack, platform=platform) as w:
        s = Story(w)
        await goes_on(s)
        assert len(platform.effects) == 1
        assert await s.phase() is Phase.EXECUTED


async def test_what_was_told_after_the_backup_is_not_told_again(
    clock: SandboxClock, tmp_path: Path, outside: Outside
) -> None:
    slack, platform = outside
    kept = Kept(tmp_path, clock)
    async with world(clock, kept.database, slack=slack, platform=platform) as w:
        s = Story(w)
        slack.fail("chat.postMessage", *[Error("channel_not_found")] * 1000)
        await s.look_up()
        await s.hand(AGENT).submit({"reason.value": "impersonation", "what.value": "Pretends."})
        await s.w.slack.settled()
        kept.back_up()
        with closing(sqlite3.connect(kept.file)) as db:
            ((waiting,),) = db.execute("SELECT count(*) FROM outbox")
        assert waiting >= 2  # the card and the line in its thread
        s.mend("chat.postMessage")
        await s.skip(2 * MINUTE)
        await s.calm()
        await s.approve(TESSA)
        told = [m.text for m in s.thread_messages()]
        assert len(told) == len(set(told)) >= 2
    kept.restore()
    async with world(clock, kept.restored, slack=slack, platform=platform) as w:
        s = Story(w)
        await goes_on(s)
        lines = [m.text for m in s.thread_messages()]  # of the one card there is
        assert lines[:-1] == told
        assert SET_BACK in lines[-1]
