"""The same story without an address: every delivery comes through a socket that the bot opened."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.core.request import Phase
from bot.sandbox.clock import SandboxClock
from bot.sandbox.world import world
from stories.telling import AGENT, LENA, MINUTE, OMAR, TESSA, Story, labels, text_of


@pytest.fixture
async def s(clock: SandboxClock, tmp_path: Path) -> AsyncIterator[Story]:
    async with world(clock, tmp_path / "db", socket=True) as w:
        await w.slack.sockets.connected()
        yield Story(w)


async def test_the_whole_story_through_a_socket(s: Story) -> None:
    await s.file("@president")
    assert await s.approve(AGENT) == "You filed R-1: somebody else has to decide on it."
    await s.approve(TESSA)
    assert "is cooling off" in await s.approve(LENA)
    await s.click(OMAR, "details")
    assert labels(s.ws.views(OMAR)[-1]) == {"Veto"}
    await s.skip(30 * MINUTE)
    await s.calm()
    assert s.deactivated("acct-1000")
    await s.restore(OMAR)
    assert not s.deactivated("acct-1000")
    assert "*Restored* after" in s.says()
    await s.hand(TESSA).open_home()
    await s.settle()
    home = s.ws.home(TESSA)
    assert home is not None
    assert "Nothing is open." in text_of(home)
    assert all(d.body == b"" and d.envelope_id for d in s.w.slack.deliveries)


async def test_an_envelope_that_comes_twice_counts_once(s: Story) -> None:
    await s.file()
    await s.approve(TESSA)
    await s.choose(TESSA, "Retract")
    kinds = await s.kinds()
    for delivery in [d for d in s.w.slack.deliveries if d.kind != "command"]:
        assert (await s.w.slack.redeliver(delivery)).status == 200
    await s.calm()
    assert await s.kinds() == kinds
    assert await s.kinds("R-2") == []


async def test_a_veto_by_command_and_a_changed_group(s: Story) -> None:
    await s.cooling_off()
    s.ws.set_usergroup("S01TS", [OMAR])
    await s.calm()
    assert (await s.kinds())[-1] == "Reopened"
    await s.type(OMAR, "veto R-1")
    await s.submit(OMAR, {"reason.value": "No."})
    assert await s.phase() is Phase.VETOED


async def test_after_a_broken_connection_it_goes_on(s: Story) -> None:
    await s.file()
    await s.w.slack.sockets.disconnect()
    await s.w.slack.sockets.connected()
    assert "is cooling off" in await s.approve(TESSA)
