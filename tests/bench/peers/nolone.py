"""No Lone Zone without Slack, in a process of its own: engine, worker, store, and a platform whose
one act is a POST to the webhook. People are who the policy says, and every message is posted at once.

Reads what it needs as JSON from its first argument; then does each load that a line of its input asks
for, and answers with a line (see load.py).
"""

import asyncio
import contextlib
import itertools
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence

import aiohttp
from pydantic import BaseModel, SecretStr

from bot.audit.exporting import Exporter
from bot.core.actions import ActionKind, Capability, Order, Receipt, Reversibility
from bot.core.commands import Approve, File
from bot.core.events import Grounds
from bot.core.facts import Person
from bot.core.policy import Policy
from bot.core.reasons import ReasonCode
from bot.core.subject import AccountState, Observed, Snapshot, SubjectId
from bot.engine import Done, Engine
from bot.platforms.http import Http
from bot.ports import Clock, Post, Rate
from bot.slack.views.ids import ref
from bot.store.database import open_store
from bot.wiring import clock_of
from bot.worker import Worker

from .load import Load, Loaded, cpu, serve

WORKSPACE, CHANNEL = "T01TEST", "C02REV"
AGENTS = [f"U01AGENT{n:02}" for n in range(16)]
REVIEWERS = ["U02REV00", "U02REV01"]
LOOK_EVERY = 0.1  # s, at what others may have done
COOL_OFF = 1  # ms, the shortest there is


class Given(BaseModel):
    database: str  # an address, as in DATABASE_URL
    hook: str  # the webhook's address
    looks: bool  # whether the platform is looked at over HTTP before and after, as real ones are
    alone: bool = True  # no other process serves the database


def policy() -> Policy:
    said = {
        "version": 1,
        "workspace": WORKSPACE,
        "channels": {"review": CHANNEL},
        "people": {
            "agents": {"users": AGENTS},
            "managers": {"users": ["U09MANAGER"]},
            "reviewers": {"trust-safety": {"users": REVIEWERS}},
        },
        "tiers": [
            {
                "name": "standard",
                "quorum": {"approvals": 2},
                "cool_off": COOL_OFF,
                "open_for": 28_800_000,
                "run_within": 3_600_000,
            }
        ],
    }
    return Policy.model_validate_json(json.dumps(said))


class Everybody:
    """A Directory in which everybody is in good standing."""

    async def person(self, id: str) -> Person:
        return Person(id, team=WORKSPACE)

    async def members(self, usergroup: str) -> frozenset[str]:
        raise NotImplementedError  # the policy lists the people

    async def channel_flaw(self, channel: str) -> str | None:
        return None


class Nowhere:
    """A Messenger that has every message posted before it is sent."""

    rates: Mapping[str, Rate] = {}

    async def deliver(
        self, key: str, stream: str, seq: int, what: str, to: str, look: bool
    ) -> Post | None:
        return Post(CHANNEL, f"{seq}.000000")


class _Account(BaseModel):
    state: AccountState


class Hook:
    """A Platform that POSTs to a webhook.

    `looks`: it asks there what the state is, on a connection of its own each time, as the platforms
    that come with the bot do. Else it knows itself what it was answered.
    """

    name = "hook"
    capabilities: Mapping[ActionKind, Capability] = {
        ActionKind.DEACTIVATE: Capability(reversibility=Reversibility.LOSSLESS, idempotent=True)
    }
    facts: frozenset[str] = frozenset()

    def __init__(self, url: str, clock: Clock, looks: bool) -> None:
        self._url, self._clock = url, clock
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64))
        self._http = Http(self.name, url, SecretStr("-"), missing=lambda body: False)
        self._looks = looks
        self._done: set[str] = set()

    async def find(self, handle: str) -> Snapshot | None:
        return self.snapshot(handle, AccountState.ACTIVE)

    async def fetch(self, subject: SubjectId) -> Snapshot | None:
        return self.snapshot(subject.id, await self._state(subject.id))

    async def lookalikes(self, handle: str) -> Sequence[Snapshot]:
        return ()

    async def apply(self, order: Order) -> Receipt:
        headers = {"Idempotency-Key": order.key}
        url = f"{self._url}/{order.subject.id}"
        async with self._session.post(url, json={}, headers=headers) as answer:
            await answer.read()
            answer.raise_for_status()
        self._done.add(order.subject.id)
        return Receipt(answer=f"POST: {answer.status}", at=self._clock.now())

    async def observe(self, subject: SubjectId) -> Observed:
        state = await self._state(subject.id)
        return Observed(state=state, surface="the webhook", at=self._clock.now())

    async def aclose(self) -> None:
        await self._session.close()
        await self._http.aclose()

    async def _state(self, id: str) -> AccountState:
        if not self._looks:
            return AccountState.DEACTIVATED if id in self._done else AccountState.ACTIVE
        found = await self._http.read(_Account, "look at an account", id)
        assert found is not None
        return found.state

    def snapshot(self, id: str, state: AccountState) -> Snapshot:
        subject = SubjectId(platform=self.name, id=id)
        return Snapshot(subject=subject, handle=id, at=self._clock.now(), state=state)


class Nolone:
    def __init__(self, engine: Engine, platform: Hook, alone: bool) -> None:
        self._engine, self._platform, self._alone = engine, platform, alone
        self._ended: dict[str, asyncio.Event] = {}
        self._numbers = (f"n{os.getpid()}-{n}" for n in itertools.count())
        engine.committed.append(self._note)

    def _note(self, done: Done) -> None:
        if done.request is not None and done.request.ending is not None:
            self._ended.setdefault(done.request.id, asyncio.Event()).set()

    async def __call__(self, load: Load) -> Loaded:
        given: dict[str, float] = {}
        rest = iter(range(load.requests))
        began, spent = time.monotonic(), cpu()
        clients = (self._client(AGENTS[n], rest, given) for n in range(load.clients))
        await asyncio.gather(*clients)
        return Loaded(took=time.monotonic() - began, cpu=cpu() - spent, given=given)

    async def _client(
        self, agent: str, rest: "itertools.Iterator[int]", given: dict[str, float]
    ) -> None:
        for _ in rest:
            id = next(self._numbers)
            found = self._platform.snapshot(id, AccountState.ACTIVE)
            grounds = Grounds(what_happened="Sells pills to whoever will have them.")
            command = File(agent, ActionKind.DEACTIVATE, found.subject, ReasonCode.SPAM, grounds)
            filed = (await self._engine.handle(command, f"file/{id}", found)).request
            assert filed is not None
            on = ref(filed)
            for n, reviewer in enumerate(REVIEWERS):
                given[id] = time.monotonic()
                await self._engine.handle(Approve(reviewer, *on), f"approve/{id}/{n}")
            await self._end(filed.id)

    async def _end(self, id: str) -> None:
        ended = self._ended.setdefault(id, asyncio.Event())
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if self._alone else LOOK_EVERY):
                    await ended.wait()
                    break
            found = await self._engine.request(id)  # another process may have carried it out
            if found is not None and found.ending is not None:
                break
        del self._ended[id]


async def main(given: Given) -> None:
    store = open_store(given.database)
    store.migrate()
    clock = clock_of(store)
    platform = Hook(given.hook, clock, given.looks)
    engine = Engine(
        store=store,
        clock=clock,
        directory=Everybody(),
        platforms={"hook": platform},
        policy=policy(),
        origin="bench",
    )
    await engine.adopt(policy())
    worker = Worker(engine, Nowhere(), Exporter(store, "bench", ()))
    working = asyncio.create_task(worker.run(), name="worker")
    await serve(Nolone(engine, platform, given.alone))
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await platform.aclose()
    store.close()


if __name__ == "__main__":
    asyncio.run(main(Given.model_validate_json(sys.argv[1])))
