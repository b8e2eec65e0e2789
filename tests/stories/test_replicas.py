"""Several replicas on one PostgreSQL: any takes any delivery, one acts, and another takes over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.core.request import Phase
from bot.sandbox.clock import SandboxClock
from bot.sandbox.world import World, world
from bot.store import due, ledger
from bot.store.postgres import PostgresStore
from bot.store.tx import Tx
from bot.worker import LEASE
from stories.telling import AGENT, FORM, LENA, MINUTE, OMAR, SECOND, TESSA, Outside, Story, policy
from tests.postgres import database_url


@dataclass
class Town:
    """Two replicas, and the Slack and the platform that both serve."""

    a: World
    b: World
    outside: Outside
    s: Story

    def to(self, replica: World) -> None:
        """Slack delivers to this one from now on."""
        self.outside.slack.deliver_to(f"{replica.url}/slack/events")

    async def both(self) -> None:
        """Have both do what is due at the same time."""
        await self.outside.slack.settled()
        await asyncio.gather(*(self.s.with_time(asyncio.create_task(w.settled())) for w in self))
        await self.outside.slack.settled()

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter((self.a, self.b))

    async def skip(self, ms: int) -> None:
        self.a.clock.skip(ms)
        await self.both()


@pytest.fixture
async def town(clock: SandboxClock, tmp_path: Path, outside: Outside) -> AsyncIterator[Town]:
    url = database_url()
    async with AsyncExitStack() as stack:
        worlds = [
            await stack.enter_async_context(
                world(
                    clock,
                    tmp_path / "nolone.db",  # whose key both have
                    store=PostgresStore(url),
                    slack=outside.slack,
                    platform=outside.platform,
                )
            )
            for _ in range(2)
        ]
        made = Town(*worlds, outside, Story(worlds[0]))
        made.s.settle = made.both  # type: ignore[method-assign]
        made.to(made.a)
        yield made


async def test_a_request_may_go_through_another_replica_at_each_step(town: Town) -> None:
    s = town.s
    await s.look_up("@president")
    town.to(town.b)
    await s.hand(AGENT).submit(FORM)
    await town.both()
    town.to(town.a)
    await s.approve(TESSA)
    town.to(town.b)
    await s.approve(LENA)
    await town.both()
    assert await s.kinds() == ["Filed", "Approved", "Approved", "QuorumReached"]
    town.to(town.a)
    await s.veto(OMAR)
    await town.both()
    assert (await s.kinds())[-1] == "Vetoed"
    assert len(s.cards()) == 1


async def test_a_click_that_reaches_both_counts_once(town: Town) -> None:
    s = town.s
    await s.file("@president")
    town.to(town.b)
    answer = await s.hand(TESSA).click(s.card(), "approve_form")
    assert answer.status == 200
    await town.both()
    await s.hand(TESSA).submit({})
    delivery = town.outside.slack.deliveries[-1]
    town.to(town.a)
    await town.outside.slack.redeliver(delivery)
    await town.both()
    assert (await s.kinds()).count("Approved") == 1


async def test_what_is_due_is_done_by_one_of_them(town: Town) -> None:
    s = town.s
    ids = [await s.cooling_off(handle) for handle in ("@pres1dent", "@ada", "@jonas_b")]
    await town.skip(5 * MINUTE)
    await town.skip(2 * SECOND)
    for id in ids:
        assert await s.kinds(id) == [
            "Filed",
            "Approved",
            "QuorumReached",
            "ExecutionStarted",
            "Executed",
        ]
        assert len(s.cards(id)) == 1
    keys = [effect.key for effect in town.outside.platform.effects]
    assert sorted(keys) == sorted(f"sandbox/{id}/1" for id in ids)


async def test_another_takes_over_within_a_lease_and_a_second(town: Town) -> None:
    s = town.s
    await s.cooling_off()
    then = town.a.clock.now() + 5 * MINUTE

    def take(tx: Tx) -> list[str]:  # as one that dies right after it
        return due.due_requests(tx, then, then + LEASE)

    assert await town.b.store.run(take) == ["R-1"]
    await town.skip(5 * MINUTE)
    assert await s.phase() is Phase.READY  # it is held by the dead one
    await town.skip(LEASE + SECOND)
    await town.skip(2 * SECOND)
    assert (await s.kinds())[-1] == "Executed"


async def test_one_that_is_stopped_ends_what_it_has_begun_and_hands_the_rest_back(
    town: Town,
) -> None:
    s = town.s
    await s.cooling_off()
    town.b.bot.worker._finishing = True  # the other takes it all
    town.outside.platform.faults.hangs_after = True
    town.a.clock.skip(5 * MINUTE)
    for _ in range(100):
        await asyncio.sleep(0.05)
        if town.outside.platform.effects:
            break
    leased = "SELECT id FROM outbox WHERE leased_until > 0"
    assert await town.b.store.run(lambda tx: tx.query(leased))
    await town.a.bot.worker.finish(0.1)
    town.a.bot.working.cancel()
    await asyncio.gather(town.a.bot.working, return_exceptions=True)
    assert await town.b.store.run(lambda tx: tx.query(leased)) == []
    town.outside.platform.faults.clear()
    town.b.bot.worker._finishing = False
    for _ in range(5):
        await town.b.settled()
        town.b.clock.skip(SECOND)
    assert (await s.kinds())[-1] == "Executed"
    assert len(town.outside.platform.effects) == 1  # it looked first, and did nothing again


async def test_a_policy_that_one_adopted_is_gone_by_by_all(town: Town) -> None:
    s = town.s
    await s.file()
    await town.a.bot.engine.adopt(policy(standard={"quorum": {"approvals": 2}}))
    await town.skip(31 * MINUTE)
    town.to(town.b)
    id = await s.file("@ada")
    assert (await s.request(id)).pinned.approvals == 2


async def test_a_decision_is_never_taken_by_a_policy_that_another_has_replaced(
    town: Town,
) -> None:
    engine = town.b.bot.engine
    before = engine.policy_version
    await town.a.bot.engine.adopt(policy(standard={"quorum": {"approvals": 2}}))
    assert engine.policy_version == before  # it has not looked yet
    town.to(town.b)
    await town.s.look_up()
    await town.s.hand(AGENT).submit(FORM)
    assert engine.policy_version == before + 1


async def test_two_that_start_with_the_same_new_policy_adopt_it_once(town: Town) -> None:
    new = policy(standard={"quorum": {"approvals": 2}})
    await asyncio.gather(*(w.bot.engine.adopt(new) for w in town))
    stream = await town.a.store.run(lambda tx: ledger.events(tx, ledger.POLICY))
    assert len(stream) == 2


async def test_why_a_start_waits_is_on_the_card_whoever_renders_it(town: Town) -> None:
    s = town.s
    await s.cooling_off()
    town.outside.platform.faults.down = True
    await town.skip(5 * MINUTE)
    await town.skip(2 * SECOND)
    why = await s.waiting()
    assert why
    for w in town:
        found = await w.bot.engine.assessment("R-1")
        assert found is not None
        assert found[1].waiting == why


async def test_what_one_brought_to_an_anchor_lets_the_other_start(town: Town) -> None:
    s = town.s
    await s.file("@president")
    await s.approve(TESSA)
    await s.approve(LENA)
    await town.a.bot.anchoring.round()
    town.a.bot.worker._finishing = True  # and it takes nothing any more
    town.a.clock.skip(30 * MINUTE)
    for _ in range(5):
        await town.b.settled()
        town.a.clock.skip(SECOND)
    assert (await s.kinds())[-1] == "Executed"
