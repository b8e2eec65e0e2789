"""kill -9 between any two steps of an export, then a restart: one file comes, of what was recorded."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from bot.sandbox.world import LOBBY

from .life import Point
from .town import Town, town

AT_ONCE = 2
MANAGER = "U09MANAGER"


def sent(t: Town) -> list[str]:
    """The ids of the files that the manager has."""
    messages = t.slack.workspace.dm(MANAGER)
    return [file["id"] for message in messages for file in message.files]


async def told(folder: Path, at: Point | None) -> tuple[list[str], int]:
    """Ask for an export, and see that it is there once; the diary, and how often the bot died."""
    async with town(folder, at) as t:
        hand = t.slack.as_user(MANAGER)
        await t.insist(lambda: hand.command("/audit", "export", channel=LOBBY))
        await t.until(lambda: bool(sent(t)))
        for _ in range(2):  # nothing more comes
            t.clock.skip(31_000)
            await t.quiet()
        assert await t.stop() == 0
        (id,) = sent(t)
        content = t.slack.files.known[id].content
        assert content is not None
        kinds = [kind for (kind,) in t.query("SELECT kind FROM entries WHERE stream = 'audit'")]
        assert kinds == ["Queried", "Exported"]
        ((body,),) = t.query("SELECT body FROM entries WHERE kind = 'Exported'")
        assert hashlib.sha256(content).hexdigest().encode() in body
        return t.diary, t.deaths


def points(diary: list[str]) -> list[Point]:
    found = []
    for line in diary:
        when, _, rest = line.partition(" ")
        what, _, n = rest.rpartition(" #")
        found.append(Point(when, what, int(n)))
    return found


def worth_it(found: list[Point]) -> list[Point]:
    """A few: around what makes the file, and what sends it."""
    around = ("Queried", "Exported", "finish", "_delivered", "completeUpload")
    return [p for p in found if p.when == "after" and any(one in p.what for one in around)]


async def die_at(tmp_path: Path, chosen: list[Point]) -> None:
    assert chosen
    room = asyncio.Semaphore(AT_ONCE)

    async def one(n: int, at: Point) -> str | None:
        async with room:
            try:
                _, deaths = await told(tmp_path / f"{n}", at)
            except (AssertionError, ValueError) as e:
                return f"{at}: {e!r}"
        return None if deaths == 1 else f"{at}: it was not passed"

    results = await asyncio.gather(*(one(n, at) for n, at in enumerate(chosen)))
    assert not [r for r in results if r]


async def test_an_export_comes_once_though_the_bot_was_killed(tmp_path: Path) -> None:
    diary, _ = await told(tmp_path / "clean", None)
    await die_at(tmp_path, worth_it(points(diary)))


@pytest.mark.slow
async def test_an_export_comes_once_wherever_the_bot_died(tmp_path: Path) -> None:
    diary, _ = await told(tmp_path / "clean", None)
    await die_at(tmp_path, points(diary))
