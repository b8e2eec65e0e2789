"""A world to tell stories in: the real bot over real HTTP, with time that moves when told to."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.sandbox.clock import SandboxClock
from bot.sandbox.world import World, world

START = 1_790_000_000_000  # an instant in 2026


@pytest.fixture
def clock() -> SandboxClock:
    return SandboxClock(lambda: START)


@pytest.fixture
async def w(clock: SandboxClock, tmp_path: Path) -> AsyncIterator[World]:
    async with world(clock, tmp_path / "nolone.db") as made:
        yield made
