"""What lives on while the bot dies: Slack, the platform, the time, and people who try again."""

import asyncio
import multiprocessing
import signal
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import aiohttp

from bot.sandbox.clock import SandboxClock
from bot.sandbox.platform import SandboxPlatform
from bot.sandbox.slack import FakeSlack
from bot.sandbox.slack.hands import Answer
from bot.sandbox.slack.records import Message
from bot.sandbox.world import REVIEW, people

from .life import Point, Surroundings, live

START = 1_790_000_000_000
PATIENCE = 20.0  # real s for anything that takes none

# A server that has everything imported: a life begins in milliseconds.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["bot.wiring", "bot.platforms.demo", "bot.sandbox.world"])


@dataclass
class Town:
    folder: Path
    slack: FakeSlack
    platform: SandboxPlatform
    clock: SandboxClock
    at: Point | None  # where the next life ends
    every: int | None  # or how many points each has
    lives: int = 0
    deaths: int = 0
    _process: BaseProcess | None = None
    _url: str = ""
    _session: aiohttp.ClientSession = field(default_factory=aiohttp.ClientSession)

    @property
    def database(self) -> Path:
        return self.folder / "nolone.db"

    @property
    def diary(self) -> list[str]:
        """The points that were passed, in all lives."""
        return (self.folder / "diary").read_text().splitlines()

    async def start(self) -> None:
        """Begin a life, or more of them if it ends while it begins."""
        around = Surroundings(
            self.database,
            self.folder / "diary",
            self.slack.api_url,
            self.slack.bot_token,
            self.slack.signing_secret,
            self.platform.url,
            self.platform.token,
            self.clock.now(),
        )
        here, there = _processes.Pipe(duplex=False)
        self.lives += 1
        at, self.at = self.at, None
        self._process = _processes.Process(target=live, args=(around, at or self.every, there))
        self._process.start()
        there.close()
        with here:
            try:
                port = await asyncio.wait_for(asyncio.to_thread(here.recv), PATIENCE)
            except EOFError:
                await self._again()
                return
        self._url = f"http://127.0.0.1:{port}"
        self.slack.deliver_to(f"{self._url}/slack/events")

    async def _again(self) -> None:
        """It died, as it was to; start it again."""
        code = await self._ended()
        assert code == -signal.SIGKILL, f"it did not die as it was to: {code}"
        self.deaths += 1
        assert self.deaths < 100, "it gets no further"
        await self.start()

    async def _ended(self) -> int | None:
        process = self._process
        assert process is not None, "there is no life to end"
        # only waited for in a thread: how it ended can be read once, and whoever starts a process
        # in this one reads it for all that have ended
        await asyncio.to_thread(wait, [process.sentinel], PATIENCE)
        code = process.exitcode
        if code is not None:
            process.close()
            self._process = None
        return code

    async def stop(self) -> int | None:
        """SIGTERM; the exit code."""
        assert self._process is not None, "there is no life to stop"
        self._process.terminate()
        return await self._ended()

    async def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._ended()
        await self._session.close()

    # --- time, and work ---------------------------------------------------------------------------

    async def settled(self) -> list[Any]:
        """Have everything done that is due; the outbox rows that are left."""
        while True:
            try:
                async with self._session.post(
                    f"{self._url}/settle", params={"now": str(self.clock.now())}
                ) as answer:
                    assert answer.status == 200, await answer.text()
                    left: list[Any] = await answer.json()
            except aiohttp.ClientConnectionError:
                await self._again()
                continue
            await self.slack.settled()
            return left

    async def quiet(self) -> None:
        """Let the seconds pass that it takes until nothing is left to be done outside."""
        for _ in range(90):
            if not await self.settled():
                return
            self.clock.skip(1_000)
        raise AssertionError(f"it does not come to rest: {await self.settled()}")

    async def until(self, there: Callable[[], bool]) -> None:
        for _ in range(90):
            await self.quiet()
            if there():
                return
            self.clock.skip(1_000)
        raise AssertionError("what was waited for did not come")

    # --- people ---------------------------------------------------------------------------------

    async def insist(self, act: Callable[[], Awaitable[Answer]]) -> None:
        """Do something; what was not acknowledged is delivered again, as it was."""
        answer = await act()
        delivery = self.slack.deliveries[-1]
        while answer.status == 0:
            await self._again()
            delivery = await self.slack.redeliver(delivery)
            answer = Answer(delivery.status, delivery.answer, delivery.elapsed)
        assert answer.status == 200, answer

    async def see_to(
        self,
        there: Callable[[], bool],
        act: Callable[[], Awaitable[Answer]],
        then: Callable[["Town"], Awaitable[None]],
    ) -> None:
        """Do something; anew if it was refused, as it is when Slack does not say in time who one is.

        `then` follows at once on each acknowledgement.
        """
        for _ in range(5):
            await self.insist(act)
            await then(self)
            await self.quiet()
            if there():
                return
        raise AssertionError("what was tried did not work")

    async def try_until(
        self, there: Callable[[], bool], act: Callable[[], Awaitable[Answer]]
    ) -> None:
        """Do something that changes nothing yet, anew each time, until it worked."""
        for _ in range(3):
            answer = await act()
            if answer.status == 0:
                await self._again()
            await self.settled()
            if there():
                return
        raise AssertionError("what was tried did not work")

    def cards(self) -> list[Message]:
        return self.slack.workspace.messages(REVIEW)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as db:
            return db.execute(sql).fetchall()


@asynccontextmanager
async def town(
    folder: Path, at: Point | None = None, every: int | None = None
) -> AsyncIterator[Town]:
    folder.mkdir()
    clock = SandboxClock(lambda: START)
    slack = FakeSlack(clock, burst=1_000)  # how fast one may post is another story
    people(slack.workspace)
    platform = SandboxPlatform(clock)
    await slack.start()
    await platform.start()
    made = Town(folder, slack, platform, clock, at, every)
    try:
        await made.start()
        yield made
    finally:
        await made.close()
        await platform.stop()
        await slack.stop()
