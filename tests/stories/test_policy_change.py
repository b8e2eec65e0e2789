"""A changed policy file takes effect late and loudly."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from bot.core.events import PolicyAdopted
from bot.core.request import Phase
from bot.sandbox.clock import SandboxClock
from bot.sandbox.world import POLICY as FILE
from bot.sandbox.world import REVIEW, world
from bot.store import ledger
from bot.wiring import facts_of, watch_policy
from stories.telling import (
    AGENT,
    HOUR,
    MAX,
    MINUTE,
    OMAR,
    SECOND,
    TESSA,
    Outside,
    Story,
    policy,
    text_of,
)

LOOSER = {"standard": {"cool_off": "1m"}}


async def adoptions(s: Story) -> list[PolicyAdopted]:
    stream = await s.w.store.run(lambda tx: ledger.events(tx, ledger.POLICY))
    return [e for _, e in stream if isinstance(e, PolicyAdopted)]


def posts(s: Story) -> list[str]:
    return [m.text for m in s.ws.messages(REVIEW) if "policy changed" in m.text]


async def test_the_first_policy_is_an_entry_and_no_message(s: Story) -> None:
    await s.settle()
    (first,) = await adoptions(s)
    assert first.effective == first.at
    assert s.ws.messages(REVIEW) == []


async def test_a_change_is_an_entry_and_a_post_that_says_what_changed(s: Story) -> None:
    await s.file()
    await s.w.bot.engine.adopt(policy(**LOOSER))
    await s.calm()
    _, second = await adoptions(s)
    assert second.effective == second.at + 30 * MINUTE  # the longest cool-off there was
    (post,) = posts(s)
    assert "Tier standard: cool-off loosened, 5 min → 1 min." in post
    assert f"In force from *<!date^{second.effective // 1000}^" in post
    assert "Open requests keep their terms." in post


async def test_it_is_in_force_when_the_longest_cool_off_is_over_and_not_before(s: Story) -> None:
    await s.file()
    await s.w.bot.engine.adopt(policy(**LOOSER))
    await s.file("@ada")
    assert (await s.request("R-2")).pinned.cool_off == 5 * MINUTE
    await s.skip(30 * MINUTE)
    await s.file("@jonas_b")
    assert (await s.request("R-3")).pinned.cool_off == MINUTE
    assert (await s.request("R-1")).pinned.cool_off == 5 * MINUTE
    await s.approve(TESSA)
    await s.skip(2 * MINUTE)
    assert await s.phase("R-1") is Phase.COOLING_OFF  # open requests keep their terms


async def test_nobody_becomes_an_agent_or_a_reviewer_at_once(s: Story) -> None:
    await s.file()
    await s.w.bot.engine.adopt(policy(people={"agents": {"users": [AGENT, MAX]}}))
    assert "Only agents can file requests." in await s.type(MAX, "@ada")
    await s.skip(30 * MINUTE)
    assert await s.type(MAX, "@ada") == ""


async def test_before_anything_was_filed_it_is_in_force_at_once(s: Story) -> None:
    await s.w.bot.engine.adopt(policy(**LOOSER))
    await s.calm()
    assert "It is in force." in posts(s)[0]
    await s.file()
    assert (await s.request()).pinned.cool_off == MINUTE


async def test_the_same_policy_again_is_nothing_new(s: Story) -> None:
    await s.file()
    await s.w.bot.engine.adopt(policy())
    await s.calm()
    assert len(await adoptions(s)) == 1
    assert posts(s) == []


async def test_a_change_that_waits_survives_a_restart(
    clock: SandboxClock, tmp_path: Path, outside: Outside
) -> None:
    slack, platform = outside
    async with world(clock, tmp_path / "db", slack=slack, platform=platform) as w:
        await Story(w).file()
    for _ in range(2):
        async with world(
            clock, tmp_path / "db", slack=slack, platform=platform, policy=policy(**LOOSER)
        ) as w:
            s = Story(w)
            await s.calm()
            assert len(await adoptions(s)) == 2
            assert w.bot.engine.policy.tiers[-1].cool_off == 5 * MINUTE
        clock.skip(10 * MINUTE)
    clock.skip(10 * MINUTE)
    async with world(
        clock, tmp_path / "db", slack=slack, platform=platform, policy=policy(**LOOSER)
    ) as w:
        s = Story(w)
        await s.calm()
        assert w.bot.engine.policy.tiers[-1].cool_off == MINUTE
        (post,) = posts(s)
        assert "Tier standard: cool-off loosened, 5 min → 1 min." in post


async def test_a_file_that_changes_is_read_again(s: Story, tmp_path: Path) -> None:
    await s.file()
    path = tmp_path / "policy.yaml"
    path.write_text(FILE.read_text())
    facts = facts_of(s.w.bot.engine.platforms)
    watching = asyncio.create_task(watch_policy(s.w.bot.engine, path, facts, s.w.clock))
    await asyncio.sleep(0)
    path.write_text(FILE.read_text().replace("cool_off: 5m", "cool_off: 2m"))
    await passes(s, 10 * SECOND)
    assert [a.changes.open.text for a in await adoptions(s)][1:] == [
        "Tier standard: cool-off loosened, 5 min → 2 min."
    ]
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_a_broken_file_is_reported_and_not_taken(
    s: Story, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(FILE.read_text())
    facts = facts_of(s.w.bot.engine.platforms)
    watching = asyncio.create_task(watch_policy(s.w.bot.engine, path, facts, s.w.clock))
    await asyncio.sleep(0)
    path.write_text(FILE.read_text().replace("approvals: 1}", "approvals: 0}"))
    with caplog.at_level(logging.ERROR):
        await passes(s, 10 * SECOND)
    assert "the changed policy is not taken; the one before stays" in caplog.text
    assert "approvals" in caplog.text
    assert len(await adoptions(s)) == 1
    path.write_text(FILE.read_text().replace("cool_off: 5m", "cool_off: 3m"))
    await passes(s, 10 * SECOND)
    assert len(await adoptions(s)) == 2  # mended, it is taken
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def passes(s: Story, ms: int) -> None:
    await s.skip(ms)
    for _ in range(20):
        await asyncio.sleep(0.005)
    await s.calm()


async def test_a_reviewer_removed_by_the_policy_no_longer_counts(s: Story) -> None:
    changed: dict[str, Any] = {
        "people": {"reviewers": {"trust-safety": {"users": [OMAR]}, "legal": {"users": [MAX]}}}
    }
    await s.cooling_off("@ada")
    await s.w.bot.engine.adopt(policy(**changed))
    await s.until_ready()
    assert s.deactivated("acct-1002")  # until the change is in force, Tessa counts
    await s.file()
    await s.skip(HOUR)
    assert await s.approve(TESSA, "R-2") == "Only reviewers can approve: legal, trust-safety."
    assert "Deactivate" in text_of(s.card())
