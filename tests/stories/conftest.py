"""A world to tell stories in: the real bot over real HTTP, with time that moves when told to."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.sandbox.clock import SandboxClock
from bot.sandbox.platform import SandboxPlatform
from bot.sandbox.slack import FakeSlack
from bot.sandbox.world import World, people, world
from stories.telling import START, Outside, Story


@pytest.fixture
def clock() -> SandboxClock:
    return SandboxClock(lambda: START)


@pytest.fixture
async def w(clock: SandboxClock, tmp_path: Path) -> AsyncIterator[World]:
    async with world(clock, tmp_path / "nolone.db") as made:
        yield made


@pytest.fixture
def s(w: World) -> Story:
    return Story(w)


@pytest.fixture
async def outside(clock: SandboxClock) -> AsyncIterator[Outside]:
    """Slack and the platform, which go on when the bot is stopped."""
    slack, platform = FakeSlack(clock), SandboxPlatform(clock)
    people(slack.workspace)
    await slack.start()
    await platform.start()
    yield Outside(slack, platform)
    await platform.stop()
    await slack.stop()
