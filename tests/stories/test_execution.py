"""What becomes of an order: seen, not seen, already so, refused, unknown; and never twice."""

import asyncio
from pathlib import Path

import pytest

from bot import wiring
from bot.core.request import Phase
from bot.sandbox.clock import SandboxClock
from bot.sandbox.world import world
from stories.telling import (
    ADA,
    AGENT,
    GUEST,
    HOUR,
    LENA,
    MINUTE,
    OMAR,
    PRES1DENT,
    SECOND,
    TESSA,
    Outside,
    Story,
    labels,
    text_of,
)


def impatient(s: Story, seconds: float = 0.2) -> None:
    """Let the bot give up sooner on a platform that says nothing."""
    platform = s.w.bot.engine.platforms["demo"]
    platform.inner._http._timeout = seconds  # type: ignore[attr-defined]


# --- seen -----------------------------------------------------------------------------------------


async def test_an_effect_that_is_seen_is_verified(s: Story) -> None:
    await s.executed()
    assert (await s.kinds())[-2:] == ["ExecutionStarted", "Executed"]
    ending = (await s.request()).ending
    assert ending is not None
    assert ending.outcome == "verified"
    assert "*Deactivated* <!date^" in s.says()
    assert "the effect was seen (public profile page)" in s.says()
    assert s.thread()[-1] == (
        "*Deactivated*: the effect was seen (the platform answered “POST deactivate: 200, "
        "deactivated”; seen as deactivated in the public profile page)."
    )
    assert "the effect was seen" in s.dms(AGENT)[-1].text
    (effect,) = s.w.platform.effects
    assert (effect.account_id, effect.key, effect.by) == (PRES1DENT, "sandbox/R-1/1", "nolone")


async def test_what_somebody_else_did_meanwhile_is_not_called_ours(s: Story) -> None:
    await s.cooling_off()
    s.w.platform.deactivate(PRES1DENT, by="staff@pipit.example")
    await s.until_ready()
    assert await s.phase() is Phase.EXECUTED
    assert [e.by for e in s.w.platform.effects] == ["staff@pipit.example"]
    assert "it was so already, by somebody else" in s.says()
    assert "by staff@pipit.example" in s.thread()[-1]
    assert labels(s.card()) == {"Details"}  # nothing of ours to restore


async def test_a_slow_platform_is_waited_for(s: Story) -> None:
    await s.cooling_off()
    s.w.platform.faults.slow = 0.05
    await s.until_ready()
    assert await s.phase() is Phase.EXECUTED


async def test_an_error_after_the_deed_is_looked_behind(s: Story) -> None:
    await s.cooling_off()
    s.w.platform.faults.fail_after = 500
    await s.until_ready()
    assert await s.phase() is Phase.EXECUTED
    assert "the effect was seen" in s.says()
    assert len(s.w.platform.effects) == 1


async def test_a_platform_that_hangs_after_the_deed_is_looked_behind(s: Story) -> None:
    await s.cooling_off()
    impatient(s)
    s.w.platform.faults.hangs_after = True
    await s.until_ready()
    assert await s.phase() is Phase.EXECUTED
    assert len(s.w.platform.effects) == 1


async def test_an_effect_that_shows_late_is_waited_for(s: Story) -> None:
    await s.cooling_off()
    s.w.platform.faults.lies = True
    s.w.clock.skip(5 * MINUTE)
    doing = asyncio.create_task(s.w.settled())
    while s.w.platform._calls == {}:
        await asyncio.sleep(0.01)
    assert await s.phase() is Phase.EXECUTING
    s.w.clock.skip(5 * SECOND)
    s.w.platform.deactivate(PRES1DENT, by="nolone", key="sandbox/R-1/1")
    await s.with_time(doing)
    assert await s.phase() is Phase.EXECUTED


# --- not seen -------------------------------------------------------------------------------------


async def test_a_200_without_an_effect_is_a_failure_with_what_is_known(s: Story) -> None:
    await s.cooling_off()
    s.w.platform.faults.lies = True
    await s.until_ready()
    assert await s.phase() is Phase.FAILED
    assert not s.deactivated()
    assert "the platform answered, and nothing changed" in s.says()
    assert "Nothing is tried again: file it anew if need be." in s.says()
    assert "the platform answered, and nothing changed" in text_of(s.dms(AGENT)[-1])
    assert labels(s.card()) == {"Details"}
    s.w.platform.faults.clear()
    await s.skip(HOUR)
    assert s.w.platform.effects == []
    assert await s.file() == "R-2"


async def test_a_platform_that_locks_the_wrong_account_is_found_out(s: Story) -> None:
    await s.cooling_off()
    s.w.platform.faults.wrong_account = ADA
    await s.until_ready()
    assert await s.phase() is Phase.FAILED
    assert s.deactivated(ADA)
    assert not s.deactivated()
    assert "the platform answered, and nothing changed" in s.thread()[-1]


async def test_a_refusal_of_the_platform_is_told_in_its_words(s: Story) -> None:
    await s.cooling_off()
    s.w.platform.faults.only_writes = True
    s.w.platform.faults.fail = 400
    await s.until_ready()
    assert await s.phase() is Phase.FAILED
    assert "demo: could not deactivate an account: it refuses (400 out_of_order)" in s.says()


async def test_what_certainly_was_not_done_is_tried_again_after_another_check(s: Story) -> None:
    await s.cooling_off()
    s.w.platform.faults.only_writes = True
    s.w.platform.faults.throttle_ms = 2000
    await s.until_ready()
    kinds = await s.kinds()
    assert kinds[3:5] == ["ExecutionStarted", "AttemptEnded"]
    assert s.w.platform.effects == []
    s.w.platform.faults.clear()
    await s.skip(2 * MINUTE)
    await s.calm()
    assert await s.phase() is Phase.EXECUTED
    assert (await s.kinds())[-2:] == ["ExecutionStarted", "Executed"]
    assert len(s.w.platform.effects) == 1
    assert any("(attempt 2)" in line for line in s.thread()) or kinds.count("AttemptEnded") > 1


async def test_between_two_attempts_a_veto_still_stops_it(s: Story) -> None:
    await s.cooling_off()
    s.w.platform.faults.only_writes = True
    s.w.platform.faults.throttle_ms = 2000
    await s.skip(5 * MINUTE)
    assert await s.phase() is Phase.READY
    assert "Veto" in labels(s.card())
    await s.type_while(OMAR, "veto R-1")
    await s.submit(OMAR, {"reason.value": "Stop."})
    s.w.platform.faults.clear()
    await s.skip(HOUR)
    assert await s.phase() is Phase.VETOED
    assert s.w.platform.effects == []


# --- unknown --------------------------------------------------------------------------------------


async def unknown(s: Story, acted: bool) -> None:
    """A request whose platform fell silent as it was asked; `acted`: after it had done it."""
    await s.cooling_off()
    impatient(s)
    faults = s.w.platform.faults
    faults.hangs_after, faults.lies = True, not acted
    s.w.clock.skip(5 * MINUTE)
    doing = asyncio.create_task(s.settle())
    while not s.w.platform._calls:
        await asyncio.sleep(0.005)
    faults.down = True
    await doing
    await s.calm()
    assert await s.phase() is Phase.UNKNOWN


async def test_what_cannot_be_seen_is_unknown_and_says_so(s: Story) -> None:
    await unknown(s, acted=True)
    assert "*Effect unknown* since <!date^" in s.says()
    assert "It is looked at again and again, and never sent again." in s.says()
    assert labels(s.card()) == {"Check again", "Details"}
    assert "What came of it is not known" in s.dms(AGENT)[-1].text
    assert "is not known" in s.thread()[-1]


async def test_it_stays_claimed_while_it_is_unknown(s: Story) -> None:
    await unknown(s, acted=True)
    s.w.platform.faults.clear()
    s.w.platform.restore(PRES1DENT, by="staff")  # so that nothing but the claim is against it
    assert "R-1 already concerns this account" in text_of(await s.look_up())


async def test_it_is_found_later_and_was_sent_once(s: Story) -> None:
    await unknown(s, acted=True)
    s.w.platform.faults.clear()
    await s.skip(10 * SECOND)
    await s.calm()
    assert await s.phase() is Phase.EXECUTED
    assert "the effect was seen" in s.says()
    assert len(s.w.platform.effects) == 1


async def test_check_again_looks_at_once_and_sends_nothing(s: Story) -> None:
    await unknown(s, acted=True)
    await s.calm()
    s.w.platform.faults.clear()
    said = await s.click(TESSA, "check")
    assert said == "R-1 is being looked at now; the card shows what is seen."
    assert await s.phase() is Phase.EXECUTED
    assert len(s.w.platform.effects) == 1
    assert labels(s.card()) == {"Restore", "Details"}


async def test_an_old_card_that_asks_to_check_again_is_told_how_it_ended(s: Story) -> None:
    await unknown(s, acted=True)
    behind = s.hand(TESSA).look(s.card())
    s.w.platform.faults.clear()
    await s.skip(10 * SECOND)
    await s.calm()
    await s.hand(TESSA).click(behind, "check", stale=True)
    await s.settle()
    assert s.words(TESSA)[-1] == "R-1, Deactivate @pres1dent, is executed."


async def test_what_never_happened_fails_once_it_can_be_seen_and_is_not_sent_again(
    s: Story,
) -> None:
    await unknown(s, acted=False)
    s.w.platform.faults.clear()
    await s.skip(10 * SECOND)
    assert await s.phase() is Phase.UNKNOWN  # it may still be on its way
    await s.skip(2 * MINUTE)
    await s.calm()
    assert await s.phase() is Phase.FAILED
    assert "nothing changed on the platform" in s.says()
    assert s.w.platform.effects == []


async def settle(s: Story, who: str, effect: str, reason: str = "Seen by eye.") -> str:
    await s.click(who, "details")
    view = s.ws.views(who)[-1]
    if "Settle" not in labels(view):
        return "no button"
    await s.click(who, "settle", view)
    return await s.submit(who, {"effect.value": effect, "reason.value": reason})


async def test_after_a_day_two_reviewers_settle_it(s: Story) -> None:
    await unknown(s, acted=True)
    assert await settle(s, TESSA, "yes") == "no button"
    await s.skip(24 * HOUR)
    assert await settle(s, AGENT, "yes") == "no button"
    said = await settle(s, TESSA, "yes")
    assert "R-1, Deactivate @pres1dent, is unknown" in said
    assert "<@U02REV> says that it took effect: Seen by eye." in s.thread()[-1]
    assert await settle(s, TESSA, "yes") == "no button"
    assert await s.phase() is Phase.UNKNOWN
    await settle(s, OMAR, "yes", "So do I.")
    assert await s.phase() is Phase.EXECUTED
    assert "what came of it was never seen" in s.says()
    assert labels(s.card()) == {"Restore", "Details"}


async def test_two_who_disagree_settle_nothing(s: Story) -> None:
    await unknown(s, acted=True)
    await s.skip(24 * HOUR)
    await settle(s, TESSA, "yes")
    await settle(s, OMAR, "no")
    assert await s.phase() is Phase.UNKNOWN
    await settle(s, LENA, "no", "The page is there.")
    assert await s.phase() is Phase.FAILED
    assert "The page is there" in s.says()


# --- once, and never too late ---------------------------------------------------------------------


async def test_a_bot_that_stops_after_sending_finds_the_effect_and_sends_nothing(
    clock: SandboxClock, tmp_path: Path, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "DRAIN_WITHIN", 0)  # what is under way is not waited for
    slack, platform = outside
    async with world(clock, tmp_path / "db", slack=slack, platform=platform) as w:
        s = Story(w)
        await s.cooling_off()
        platform.faults.hangs_after = True
        clock.skip(5 * MINUTE)
        while not platform.effects:
            await asyncio.sleep(0.005)
        assert await s.phase() is Phase.EXECUTING
    platform.faults.clear()
    async with world(clock, tmp_path / "db", slack=slack, platform=platform) as w:
        s = Story(w)
        await s.settle()
        await s.calm()
        assert await s.phase() is Phase.EXECUTED
        ending = (await s.request()).ending
        assert ending is not None
        assert ending.outcome == "verified"
        assert len(platform.effects) == 1
        assert len(s.cards()) == 1


async def test_a_bot_that_stops_before_sending_does_not_send_too_late(
    clock: SandboxClock, tmp_path: Path, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "DRAIN_WITHIN", 0)  # what is under way is not waited for
    slack, platform = outside
    async with world(clock, tmp_path / "db", slack=slack, platform=platform) as w:
        s = Story(w)
        await s.cooling_off()
        platform.faults.slow = 0.1
        clock.skip(5 * MINUTE)
        while await s.phase() is not Phase.EXECUTING:
            await asyncio.sleep(0.005)
        first = await s.request()
    assert first.execution is not None
    assert platform.effects == []
    platform.faults.clear()
    clock._skipped += 31 * SECOND
    async with world(clock, tmp_path / "db", slack=slack, platform=platform) as w:
        s = Story(w)
        await s.settle()
        await s.skip(5 * SECOND)
        await s.calm()
        kinds = await s.kinds()
        assert kinds[3:] == ["ExecutionStarted", "AttemptEnded", "ExecutionStarted", "Executed"]
        assert any("its time to be sent was over" in line for line in s.thread())
        assert len(platform.effects) == 1


async def test_what_may_be_on_its_way_is_not_called_undone(
    clock: SandboxClock, tmp_path: Path, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "DRAIN_WITHIN", 0)
    slack, platform = outside
    async with world(clock, tmp_path / "db", slack=slack, platform=platform) as w:
        s = Story(w)
        await s.cooling_off()
        platform.faults.only_writes, platform.faults.slow = True, 1.5  # it acts when nobody waits
        clock.skip(5 * MINUTE)
        sent = "SELECT 1 AS yes FROM outbox WHERE what = 'execute' AND tried > 0"
        while not await w.store.run(lambda tx: tx.query(sent)):
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)
    clock._skipped += 31 * SECOND  # the order is over
    async with world(clock, tmp_path / "db", slack=slack, platform=platform) as w:
        s = Story(w)
        await s.settle()
        assert platform.effects == []
        assert await s.phase() is Phase.UNKNOWN
        while not platform.effects:
            await asyncio.sleep(0.05)
        await s.skip(10 * SECOND)
        assert await s.phase() is Phase.EXECUTED
        assert len(platform.effects) == 1


async def test_nor_after_the_time_to_run_is_over(
    clock: SandboxClock, tmp_path: Path, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "DRAIN_WITHIN", 0)  # what is under way is not waited for
    slack, platform = outside
    async with world(clock, tmp_path / "db", slack=slack, platform=platform) as w:
        s = Story(w)
        await s.cooling_off()
        platform.faults.slow = 0.1
        clock.skip(5 * MINUTE)
        while await s.phase() is not Phase.EXECUTING:
            await asyncio.sleep(0.005)
    platform.faults.clear()
    clock._skipped += 2 * HOUR
    async with world(clock, tmp_path / "db", slack=slack, platform=platform) as w:
        s = Story(w)
        await s.settle()
        await s.skip(5 * SECOND)
        await s.calm()
        assert await s.phase() is Phase.EXPIRED
        assert platform.effects == []


@pytest.mark.parametrize("restarts", [1, 3])
async def test_however_often_it_is_restarted_it_is_done_once(
    clock: SandboxClock, tmp_path: Path, outside: Outside, restarts: int
) -> None:
    slack, platform = outside
    async with world(clock, tmp_path / "db", slack=slack, platform=platform) as w:
        s = Story(w)
        await s.cooling_off()
    clock.skip(5 * MINUTE)
    for _ in range(restarts):
        async with world(clock, tmp_path / "db", slack=slack, platform=platform) as w:
            await asyncio.sleep(0.02)
    async with world(clock, tmp_path / "db", slack=slack, platform=platform) as w:
        s = Story(w)
        await s.settle()
        await s.skip(MINUTE)
        await s.calm()
        assert await s.phase() is Phase.EXECUTED
        assert [e.key for e in platform.effects] == ["sandbox/R-1/1"]
        lines = s.thread()
        assert len(lines) == len(set(lines))
        assert len(s.cards()) == 1


async def test_what_is_unknown_can_be_restored_and_is_then_never_known(s: Story) -> None:
    await unknown(s, acted=True)
    s.w.platform.faults.down = False
    s.w.platform.faults.fail = 503  # it can be reached, and says nothing
    await s.click(TESSA, "details")
    view = s.ws.views(TESSA)[-1]
    assert "Restore" in labels(view)
    await s.click(TESSA, "restore", view)
    await s.submit(TESSA, {"reason.value": "To be safe."})
    assert await s.phase("R-2") is Phase.READY
    s.w.platform.faults.clear()
    for _ in range(4):
        await s.skip(30 * SECOND)
    await s.calm()
    assert await s.phase("R-2") is Phase.EXECUTED
    assert not s.deactivated()
    assert await s.phase("R-1") is Phase.EXECUTED
    assert "what came of it was never seen" in s.says("R-1")
    assert [e.action for e in s.w.platform.effects] == ["deactivate", "restore"]


async def test_check_again_is_for_those_who_may_look(s: Story) -> None:
    await unknown(s, acted=True)
    assert "it is a guest" in await s.click(GUEST, "check")


async def test_an_order_whose_lease_was_lost_is_not_sent(s: Story) -> None:
    """Whoever holds the row now sends it; here that is nobody until the lease ends."""
    await s.cooling_off()
    s.w.platform.faults.slow = 0.1
    s.w.clock.skip(5 * MINUTE)
    while await s.phase() is not Phase.EXECUTING:
        await asyncio.sleep(0.005)
    leased = "SELECT 1 AS yes FROM outbox WHERE what = 'execute' AND leased_until > 0"
    while not await s.w.store.run(lambda tx: tx.query(leased)):
        await asyncio.sleep(0.005)
    another = "UPDATE outbox SET fence = fence + 1, leased_until = :until WHERE what = 'execute'"
    until = s.w.clock.now() + 20 * SECOND
    assert await s.w.store.run(lambda tx: tx.execute(another, until=until)) == 1
    while any(task.get_name().startswith("execute of") for task in asyncio.all_tasks()):
        await asyncio.sleep(0.01)
    assert s.w.platform.effects == []
    assert await s.phase() is Phase.EXECUTING
    s.w.platform.faults.clear()
    await s.skip(20 * SECOND)
    assert await s.phase() is Phase.EXECUTED
    assert len(s.w.platform.effects) == 1
