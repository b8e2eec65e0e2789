"""A Slack and a platform that fail: before acting, after acting, slowly, with the wrong answer."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from aiohttp import web

from bot.sandbox.platform import OWN_HANDLE, Effect, SandboxPlatform
from bot.sandbox.platform_seeds import Account
from bot.sandbox.slack import FakeSlack
from bot.sandbox.slack.api import Fault, RateLimited, ServerError, TimedOut
from bot.sandbox.slack.records import Json, Message

HANDLE = re.compile(r"@(s\d+)\b")  # of the accounts here, as it stands on a card


def true_now() -> int:
    """The true time (ms): nothing in here ever jumps it."""
    return time.time_ns() // 1_000_000


class TrueClock:
    """The Clock of Slack and of the platform."""

    def now(self) -> int:
        return true_now()

    async def wait(self, until: int | None, wake: asyncio.Event) -> None:
        timeout = None if until is None else max(0.0, (until - self.now()) / 1000)
        try:
            async with asyncio.timeout(timeout):
                await wake.wait()
        except TimeoutError:
            return


@dataclass
class Weather:
    """How likely something goes wrong with a call: a little always, more while there is a storm."""

    rng: Random
    calm: float = 0.01
    rough: float = 0.4
    writes: float = 0.15  # of orders to the platform, of which there are few, at any time
    storm_until: int = 0
    met: Counter[str] = field(default_factory=Counter)
    over: bool = False  # the world is healed

    def storm(self, ms: int) -> None:
        self.storm_until = max(self.storm_until, true_now() + ms)

    def heal(self) -> None:
        self.over, self.storm_until = True, 0

    def strikes(self, least: float = 0.0) -> bool:
        if self.over:
            return False
        likely = self.rough if true_now() < self.storm_until else self.calm
        return self.rng.random() < max(likely, least)

    def pick(self, kinds: Mapping[str, float]) -> str:
        (kind,) = self.rng.choices([*kinds], [*kinds.values()])
        self.met[kind] += 1
        return kind


class FaultySlack(FakeSlack):
    """A slow answer is one to what was done at once: what Slack did after an answer had been given
    up would be seen by nobody, who looks for it before it is there, and is not its way."""

    def __init__(self, clock: TrueClock, weather: Weather) -> None:
        super().__init__(clock, burst=10_000)
        self._weather = weather
        self.by_key: dict[str, list[Message]] = {}  # every message that carries an outbox key
        self.cards: dict[str, list[Message]] = {}  # by the handle that they are about
        self._post = self.workspace.post
        self.workspace.post = self._noted  # type: ignore[method-assign]

    def _noted(self, channel: str, text: str, *args: Any, **more: Any) -> Message:
        message = self._post(channel, text, *args, **more)
        message.payload = partial(_without_blocks, message, message.payload)  # type: ignore[method-assign]
        if message.metadata:
            marks = message.metadata["event_payload"]
            key = marks["key"]
            for one in (key, *marks.get("also", ())):  # replies that went out together
                self.by_key.setdefault(one, []).append(message)
            if key.endswith("/card") and (about := HANDLE.search(text)):
                self.cards.setdefault(about[1], []).append(message)
        return message

    async def _disturbed(
        self,
        method: str,
        args: Mapping[str, Any],
        request: web.Request,
        act: Callable[[], web.Response],
        refuse: Callable[[str], web.Response],
    ) -> web.Response:
        slow = 0.0
        if self._weather.strikes():
            rng = self._weather.rng
            fault: Fault | None = None
            match self._weather.pick(
                {
                    "slack 429": 2,
                    "slack 500 before": 2,
                    "slack 500 after": 3,
                    "slack time-out before": 1,
                    "slack time-out after": 2,
                    "slack slow": 2,
                }
            ):
                case "slack 429":
                    fault = RateLimited(1)
                case "slack 500 before":
                    fault = ServerError(rng.choice((500, 503)))
                case "slack 500 after":
                    fault = ServerError(rng.choice((500, 503)), acted=True)
                case "slack time-out before":
                    fault = TimedOut(hold=rng.uniform(0.1, 2.0))
                case "slack time-out after":
                    fault = TimedOut(acted=True, hold=rng.uniform(0.1, 2.0))
                case _:
                    slow = rng.uniform(0.2, 1.5)
            if fault is not None:
                self.fail(method, fault)
        answer = await super()._disturbed(method, args, request, act, refuse)
        await asyncio.sleep(slow)
        return answer


def _without_blocks(message: Message, payload: Callable[..., Json], **more: Any) -> Json:
    """As it is listed: nobody reads the blocks there, and copying those of hundreds of cards takes
    longer than a lease lasts here."""
    blocks, message.blocks = message.blocks, []
    try:
        return payload(**more)
    finally:
        message.blocks = blocks


class FaultyPlatform(SandboxPlatform):
    """Not `idempotent`: an order that is sent again is carried out again, and counts."""

    def __init__(self, clock: TrueClock, weather: Weather, idempotent: bool) -> None:
        super().__init__(clock)
        self._weather = weather
        self._idempotent = idempotent
        self._shown: dict[str, tuple[Account, int]] = {}  # what is told of it until then instead
        self.kill: Callable[[], None] = lambda: None  # whoever sends orders
        self.lied: set[str] = set()  # keys of orders that were answered to, and not carried out

    async def _post_action(self, request: web.Request) -> web.StreamResponse:
        key = request.headers.get("Idempotency-Key", "")
        if not self._idempotent:
            self._calls.pop(key, None)
        if not self._weather.strikes(self._weather.writes):
            return await super()._post_action(request)
        rng = self._weather.rng
        match self._weather.pick(
            {
                "platform 500 before": 2,
                "platform 500 after": 3,
                "platform dropped before": 1,
                "platform hangs after": 2,
                "platform slow": 2,
                "platform acts late": 1,
                "platform 200 without effect": 1,
                "platform lies for a while": 3,
                "platform lies for a while, and the bot dies": 3,
            }
        ):
            case "platform 500 before":
                return web.json_response({"error": "out_of_order"}, status=500)
            case "platform 500 after":
                await super()._post_action(request)
                return web.json_response({"error": "out_of_order"}, status=503)
            case "platform dropped before":
                assert request.transport is not None
                request.transport.abort()
                return web.Response(status=503)
            case "platform hangs after":
                await super()._post_action(request)
                await asyncio.sleep(3.0)
            case "platform slow":
                answer = await super()._post_action(request)
                await asyncio.sleep(rng.uniform(0.2, 1.0))
                return answer
            case "platform acts late":
                await asyncio.sleep(rng.uniform(0.2, 1.0))
            case "platform 200 without effect" if self._idempotent:
                self.faults.lies = True
                try:
                    if key not in self._calls:
                        self.lied.add(key)
                    return await super()._post_action(request)  # awaits nothing before it acts
                finally:
                    self.faults.lies = False
            case lie:
                before = self.accounts.get(request.match_info["id"])
                answer = await super()._post_action(request)
                if before is not None:
                    self._shown[before.id] = (before, true_now() + rng.randint(200, 1_600))
                if lie.endswith("dies"):
                    self.kill()
                return answer
        return await super()._post_action(request)

    def _set_state(
        self, account_id: str, action: str, state: str, by: str, key: str | None
    ) -> Account:
        done = len(self.effects)
        account = super()._set_state(account_id, action, state, by, key)
        if by == OWN_HANDLE and not self._idempotent and len(self.effects) == done:
            self.effects.append(Effect(account_id, action, by, key, true_now()))
        return account

    async def _get_account(self, request: web.Request) -> web.Response:
        await self._read_fault()
        if (shown := self._told(request.match_info["id"])) is not None:
            return web.json_response(shown.as_json())
        return await super()._get_account(request)

    async def _get_public_by_id(self, request: web.Request) -> web.Response:
        await self._read_fault()
        if (shown := self._told(request.match_info["id"])) is not None:
            if shown.state != "active":
                return web.json_response({"error": "no_such_account"}, status=404)
            return web.json_response({"id": shown.id})
        return await super()._get_public_by_id(request)

    async def _read_fault(self) -> None:
        if self._weather.strikes():
            match self._weather.pick({"platform read 500": 1, "platform read slow": 1}):
                case "platform read 500":
                    raise web.HTTPInternalServerError
                case _:
                    await asyncio.sleep(self._weather.rng.uniform(0.1, 1.2))

    def _told(self, account_id: str) -> Account | None:
        shown, until = self._shown.get(account_id, (None, 0))
        return shown if true_now() < until else None
