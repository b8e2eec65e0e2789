"""One life of the bot, in a process of its own: the real thing, but for a point at which it dies.

Nothing in `bot` knows of that. Here the store, the Slack client and the platform are wrapped, so that
before and after each commit and each call outside the process can kill itself, as `kill -9` does.
"""

import asyncio
import os
import signal
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from aiohttp import web
from pydantic import SecretStr

from bot import policyfile
from bot.core.actions import Order, Receipt
from bot.core.subject import Observed, Snapshot, SubjectId
from bot.platforms import demo
from bot.sandbox.clock import SandboxClock
from bot.sandbox.world import POLICY
from bot.settings import Settings
from bot.store import outbox
from bot.store.sqlite import Outcome, Script, SqliteStore
from bot.store.tx import Tx
from bot.wiring import bot, facts_of, serve_http

T = TypeVar("T")


class Point(NamedTuple):
    """The `n`th time that `what` is about to be done (`before`), or was (`after`)."""

    when: str
    what: str
    n: int

    def __str__(self) -> str:
        return f"{self.when} {self.what} #{self.n}"


@dataclass(frozen=True)
class Surroundings:
    """What the bot finds when it is started."""

    database: Path
    diary: Path  # each point that is passed, a line
    slack_url: str
    slack_token: str
    slack_secret: str
    platform_url: str
    platform_token: str
    now: int


class Death:
    """Passes the points of a life, and ends it at the one that was chosen, or after so many."""

    def __init__(self, at: Point | int | None, diary: Path) -> None:
        self._at = at
        self._passed: Counter[tuple[str, str]] = Counter()
        self._diary = os.open(diary, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._lock = threading.Lock()  # the store has a thread of its own

    def passes(self, when: str, what: str) -> None:
        with self._lock:
            self._passed[when, what] += 1
            point = Point(when, what, self._passed[when, what])
            os.write(self._diary, f"{point}\n".encode())
            if self._at in (point, self._passed.total()):
                os.kill(os.getpid(), signal.SIGKILL)

    async def around(self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        self.passes("before", what)
        result = await call()
        self.passes("after", what)
        return result


class MortalStore(SqliteStore):
    """May die before and after each commit that changes something. None is shared, so that each is
    of one step, and comes again when the story is told again."""

    together = 1

    def __init__(self, path: Path, death: Death) -> None:
        self._death = death
        super().__init__(path)

    def _transact(self, scripts: Sequence[Script]) -> Sequence[Outcome]:
        (script,) = scripts
        db = self._db.conn
        changes = db.total_changes
        what = ""

        def watched(tx: Tx) -> object:
            nonlocal what
            (row,) = tx.query("SELECT coalesce(max(seq), 0) AS seq FROM entries")
            result = script(tx)
            if db.total_changes > changes:
                what = f"commit {_name(script, tx, row['seq'])}"
                self._death.passes("before", what)
            return result

        outcomes = super()._transact([watched])
        if what:
            self._death.passes("after", what)
        return outcomes


def _name(script: Callable[..., object], tx: Tx, newest: int) -> str:
    """A script by the events that it appended, or else by who asked for it."""
    rows = tx.query("SELECT kind FROM entries WHERE seq > :newest ORDER BY seq", newest=newest)
    kinds = "+".join(row["kind"] for row in rows)
    return kinds or getattr(script, "func", script).__qualname__.partition(".<locals>")[0]


class MortalPlatform(demo.Demo):
    """May die before and after each call of the platform."""

    death: Death

    async def find(self, handle: str) -> Snapshot | None:
        return await self.death.around("find", lambda: super(MortalPlatform, self).find(handle))

    async def fetch(self, subject: SubjectId) -> Snapshot | None:
        return await self.death.around("fetch", lambda: super(MortalPlatform, self).fetch(subject))

    async def apply(self, order: Order) -> Receipt:
        return await self.death.around("apply", lambda: super(MortalPlatform, self).apply(order))

    async def observe(self, subject: SubjectId) -> Observed:
        return await self.death.around(
            "observe", lambda: super(MortalPlatform, self).observe(subject)
        )


def live(around: Surroundings, at: Point | int | None, told: Connection) -> None:
    """Run the bot until SIGTERM, or until it dies `at` a point. Tells the port that it listens on."""
    asyncio.run(_live(around, Death(at, around.diary), told))


async def _live(around: Surroundings, death: Death, told: Connection) -> None:
    clock = SandboxClock(lambda: around.now)
    store = MortalStore(around.database, death)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with AsyncExitStack() as stack:
        stack.callback(store.close)
        store.migrate()
        there = MortalPlatform(
            demo.Settings(url=around.platform_url, token=SecretStr(around.platform_token)), clock
        )
        there.death = death
        stack.push_async_callback(there.aclose)
        settings = Settings(
            slack_bot_token=SecretStr(around.slack_token),
            slack_signing_secret=SecretStr(around.slack_secret),
            slack_api_url=around.slack_url,
            nolone_platforms=(there.name,),
            nolone_origin="sandbox",
        )
        platforms = {there.name: there}
        policy = policyfile.load(POLICY, platforms=facts_of(platforms))
        # without anchors, whose work is between no two steps of a request: see the stories about them
        alone = policy.channels.model_copy(update={"anchors": None})
        policy = policy.model_copy(update={"channels": alone})
        made = await stack.enter_async_context(
            bot(settings, store=store, clock=clock, platforms=platforms, policy=policy)
        )
        call = made.client.api_call

        async def mortal_call(method: str, **args: Any) -> Any:
            return await death.around(method, lambda: call(method, **args))

        made.client.api_call = mortal_call  # type: ignore[method-assign]

        async def settle(request: web.Request) -> web.Response:
            """Make it the time that is said, do all that is due, and say what is left to do."""
            clock.skip(int(request.query["now"]) - clock.now())
            await made.background.drain(5)
            await made.worker.settled()
            return web.json_response([dict(row) for row in await store.run(outbox.backlog)])

        made.web.router.add_post("/settle", settle)
        runner, port = await serve_http(made, "127.0.0.1", 0)
        stack.push_async_callback(runner.cleanup)
        told.send(port)
        await stop.wait()
