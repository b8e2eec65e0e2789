"""A world to tell stories in: the real bot over real HTTP, with time that moves when told to."""

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bot.sandbox.clock import SandboxClock
from bot.sandbox.platform import SandboxPlatform
from bot.sandbox.slack import FakeSlack
from bot.sandbox.world import World, people, world
from bot.store.postgres import PostgresStore
from stories.telling import START, Outside, Story
from tests.postgres import database_url

HERE = Path(__file__).parent


@pytest.fixture
def clock() -> SandboxClock:
    return SandboxClock(lambda: START)


# Those told on PostgreSQL in each run of the slow part; the others are told there by `make test-long`.
ON_BOTH = {
    f"test_{name}.py"
    for name in ("deliveries", "execution", "flood", "readyz", "restore", "undelivered", "whole")
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        given = getattr(item, "callspec", None)
        on = given.params.get("w") if given is not None else None
        if on == "postgres" and item.path.parent == HERE and item.path.name not in ON_BOTH:
            item.add_marker(pytest.mark.long)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
async def w(
    clock: SandboxClock, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[World]:
    store = PostgresStore(database_url()) if request.param == "postgres" else None
    async with world(clock, tmp_path / "nolone.db", store=store) as made:
        yield made


# What Slack says to something that is badly made; a story lets it fail in other ways.
BADLY_MADE = {
    "block_mismatch",
    "invalid_arguments",
    "invalid_blocks",
    "invalid_blocks_format",
    "metadata_too_large",
    "msg_blocks_too_long",
    "msg_too_long",
    "no_text",
    "push_limit_reached",
    "unknown_method",
    "view_too_large",
}


@pytest.fixture
def s(w: World, caplog: pytest.LogCaptureFixture) -> Iterator[Story]:
    """The story; at its end nothing in it was badly made, and nothing failed unseen."""
    story = Story(w)
    yield story
    for call in w.slack.calls:
        error = (call.response or {}).get("error")
        assert error not in BADLY_MADE, call
        assert call.method != "response_url" or (call.response or {}).get("status") != 400, call
    unseen = [r for r in caplog.get_records("call") if r.levelno >= logging.ERROR]
    assert [
        r.getMessage() for r in unseen if r.name in ("bot.worker", "bot.slack.background")
    ] == []


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
