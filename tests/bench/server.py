"""A server under test, in a process of its own: the bot, or the least that Bolt can do.

Reads what it needs as JSON from its first argument; prints the port that it listens on.
"""

import asyncio
import json
import resource
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from aiohttp import web
from pydantic import BaseModel, SecretStr
from slack_bolt.async_app import AsyncApp

from bot.core.actions import ActionKind, Order, Receipt
from bot.core.commands import Approve, File, Veto
from bot.core.events import Grounds
from bot.core.policy import Policy
from bot.core.reasons import ReasonCode
from bot.core.subject import AccountState, Observed, Snapshot, SubjectId
from bot.engine import Done
from bot.platforms import demo
from bot.sandbox.clock import SandboxClock
from bot.settings import Settings
from bot.slack.client import Client
from bot.slack.effects import SlackMessenger
from bot.slack.views.ids import ref
from bot.store.sqlite import SqliteStore
from bot.wiring import Bot, bot, serve_http

REVIEWERS = [f"U02REV{n:02}" for n in range(16)]
AGENTS = [f"U01AGENT{n:02}" for n in range(16)]
COOL_OFF = 1_000


class Given(BaseModel):
    kind: str  # bot, bare
    folder: Path
    slack_url: str
    slack_token: str
    slack_secret: str
    platform_url: str
    platform_token: str
    epoch: int  # ms: what the time was when the monotonic clock said `began`
    began: float
    speed: float = 1.0  # of the time that the bot goes by


def clock(epoch: int, began: float, speed: float) -> SandboxClock:
    """The same in every process of this machine."""
    return SandboxClock(lambda: epoch + int((time.monotonic() - began) * 1000 * speed))


def policy() -> Policy:
    said = {
        "version": 1,
        "workspace": "T01TEST",
        "channels": {"review": "C02REV"},
        "people": {
            "agents": {"users": AGENTS},
            "managers": {"users": ["U09MANAGER"]},
            "reviewers": {"trust-safety": {"usergroup": "S01TS"}},
        },
        "tiers": [
            {
                "name": "standard",
                "quorum": {"approvals": 1},
                "cool_off": COOL_OFF,
                "open_for": 28_800_000,
                "run_within": 3_600_000,
            }
        ],
    }
    return Policy.model_validate_json(json.dumps(said))


class Timed(demo.Demo):
    """Notes when it is called, and how long it takes to answer."""

    def note(self) -> None:
        self.spent: dict[str, float] = {}
        self.applied_at = asyncio.get_running_loop().create_future()

    async def _spend(self, name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        began = time.perf_counter()
        try:
            return await call()
        finally:
            self.spent.setdefault(name, time.perf_counter() - began)

    async def fetch(self, subject: SubjectId) -> Snapshot | None:
        found: Snapshot | None = await self._spend(
            "fetch", lambda: super(Timed, self).fetch(subject)
        )
        return found

    async def observe(self, subject: SubjectId) -> Observed:
        seen: Observed = await self._spend("observe", lambda: super(Timed, self).observe(subject))
        return seen

    async def apply(self, order: Order) -> Receipt:
        if not self.applied_at.done():
            self.applied_at.set_result(time.perf_counter())
        return await super().apply(order)


class Bench:
    """The bot's server, and what only a benchmark may ask of it."""

    def __init__(self, made: Bot, store: SqliteStore, there: Timed, clock: SandboxClock) -> None:
        self.bot, self.store, self.there, self.clock = made, store, there, clock
        self.answered_at = self.woken_at = 0.0
        self.called = self.held = False
        made.web.middlewares.append(self._note_answers)
        begin = made.worker.round

        async def round() -> None:
            if self.called:
                self.called, self.woken_at = False, time.perf_counter()
            await begin()

        def call(done: Done) -> None:
            self.called = True

        made.engine.committed.append(call)

        made.worker.round = round  # type: ignore[method-assign]
        for name in ("hold", "seed", "settle", "elapse", "memory", "churn"):
            made.web.router.add_post(f"/bench/{name}", getattr(self, name))

    @web.middleware
    async def _note_answers(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        answer = await handler(request)
        if request.path == "/slack/events":
            self.answered_at = time.perf_counter()
        return answer

    async def _file(self, n: int) -> str:
        subject = SubjectId(platform="demo", id=f"acct-{n}")
        found = Snapshot(
            subject=subject,
            handle=f"account{n}",
            at=self.clock.now(),
            state=AccountState.ACTIVE,
            followers=10,
            roles=frozenset(),
            legal_hold=False,
        )
        grounds = Grounds(what_happened="Sells pills to whoever will have them.")
        command = File(AGENTS[0], ActionKind.DEACTIVATE, subject, ReasonCode.SPAM, grounds)
        done = await self.bot.engine.handle(command, f"form/{n}/{self.clock.now()}", found)
        assert done.request is not None
        return str(ref(done.request))

    async def _forget_outbox(self) -> None:
        def forget(tx: Any) -> None:
            tx.execute("DELETE FROM outbox")

        await self.store.run(forget)

    async def hold(self, request: web.Request) -> web.Response:
        """From now on the worker does nothing."""
        self.held = True
        for task in asyncio.all_tasks():
            if task.get_name() == "worker":
                task.cancel()
        return web.json_response({})

    async def seed(self, request: web.Request) -> web.Response:
        """File on so many accounts that nobody knows, and tell nobody."""
        first, n = int(request.query["first"]), int(request.query["n"])
        refs = [await self._file(first + i) for i in range(n)]
        await self._forget_outbox()
        await self.bot.engine.around([*REVIEWERS, *AGENTS], "C02REV")
        return web.json_response(refs)

    async def settle(self, request: web.Request) -> web.Response:
        await self.bot.background.drain(5)
        if not self.held:
            await self.bot.worker.settled()
        return web.json_response({})

    async def elapse(self, request: web.Request) -> web.Response:
        """Let the cool-off end; what passed until the platform was called (ms)."""
        woken = max(0.0, self.woken_at - self.answered_at)
        await self.bot.engine.around([*REVIEWERS, *AGENTS], "C02REV")
        self.there.note()
        began = time.perf_counter()
        self.clock.skip(COOL_OFF)
        applied = await asyncio.wait_for(self.there.applied_at, 10)
        spent = {name: s * 1000 for name, s in self.there.spent.items()}
        return web.json_response(
            {"woken": woken * 1000, "applied": (applied - began) * 1000, **spent}
        )

    async def memory(self, request: web.Request) -> web.Response:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return web.json_response({"mb": pages * resource.getpagesize() / 2**20})

    async def churn(self, request: web.Request) -> web.Response:
        """File, approve and veto, so many times, in the engine; nobody is told."""
        first, n = int(request.query["first"]), int(request.query["n"])
        for i in range(first, first + n):
            id, round, digest8 = (await self._file(i)).split(".")
            await self.bot.engine.handle(Approve(REVIEWERS[0], id, int(round), digest8), f"a/{i}")
            await self.bot.engine.handle(Veto(REVIEWERS[1], id, "No."), f"v/{i}")
            if i % 100 == 0:
                await self._forget_outbox()
        await self._forget_outbox()
        return web.json_response({})


def settings(given: Given) -> Settings:
    return Settings(
        slack_bot_token=SecretStr(given.slack_token),
        slack_signing_secret=SecretStr(given.slack_secret),
        slack_api_url=given.slack_url,
        nolone_platforms=("demo",),
        nolone_origin="bench",
    )


SlackMessenger.rates = {}  # how fast Slack lets one post is another matter than how fast we are


async def serve_bot(given: Given) -> None:
    time_ = clock(given.epoch, given.began, given.speed)
    store = SqliteStore(given.folder / "nolone.db")
    store.migrate()
    there = Timed(
        demo.Settings(url=given.platform_url, token=SecretStr(given.platform_token)), time_
    )
    there.note()
    async with bot(
        settings(given), store=store, clock=time_, platforms={"demo": there}, policy=policy()
    ) as made:
        Bench(made, store, there, time_)
        _, port = await serve_http(made, "127.0.0.1", 0)
        print(port, flush=True)
        await asyncio.Event().wait()


async def serve_bare(given: Given) -> None:
    """A listener that inserts a row, as durably, through one writer thread, and acknowledges."""
    thread = ThreadPoolExecutor(1)

    def open_() -> sqlite3.Connection:
        db = sqlite3.connect(given.folder / "bare.db", isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE clicks (id INTEGER PRIMARY KEY, who TEXT, what TEXT, at TEXT)")
        return db

    db = thread.submit(open_).result()

    def insert(*row: str) -> None:
        db.execute("INSERT INTO clicks (who, what, at) VALUES (?, ?, ?)", row)

    app = AsyncApp(
        client=Client(given.slack_token, given.slack_url),
        signing_secret=given.slack_secret,
        process_before_response=True,
    )

    @app.action("approve")
    async def approve(ack: Any, body: dict[str, Any]) -> None:
        action = body["actions"][0]
        loop = asyncio.get_running_loop()
        row = (body["user"]["id"], action["value"], action["action_ts"])
        await loop.run_in_executor(thread, insert, *row)
        await ack()

    runner = web.AppRunner(app.web_app("/slack/events"), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    said = Given.model_validate_json(sys.argv[1])
    asyncio.run({"bot": serve_bot, "bare": serve_bare}[said.kind](said))
