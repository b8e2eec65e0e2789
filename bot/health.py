"""Whether the bot is well, check by check.

*Wrong* is what keeps this process from taking a click truthfully: it is to get none. *Degraded* is
everything that somebody has to look at while clicks, and above all a veto, must still come in: Slack's
answers, a platform, an anchor, a message that is not delivered. These fail for all replicas at once,
and to take the last one out of rotation would turn a fault outside into one that nobody can veto in.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from aiohttp import ClientError
from slack_sdk.errors import SlackApiError

from bot.engine import Engine
from bot.ports import Platform, PlatformError
from bot.probe import Probe
from bot.store import watch
from bot.store.tx import StoreError
from bot.store.watch import Seen

ANSWER_WITHIN = 2.0  # s that a check may take of whoever asks
ASK_AGAIN = 60_000  # ms between two questions to Slack, a platform, or about the schema
ASK_FOR = 10.0  # s
SLACK_FRESH = 5 * 60_000  # ms
WORKER_FRESH = 90_000  # ms; three of its longest pauses
ANCHOR_FRESH = 5 * 60_000  # ms; a checkpoint is due a minute after an entry


class State(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `why` is what is not well, in sentences for people."""

    state: State
    why: tuple[str, ...] = ()


OK = Check(State.OK)


def _if(why: str | None, state: State) -> Check:
    return OK if why is None else Check(state, (why,))


class Health:
    def __init__(
        self,
        engine: Engine,
        looking: Probe[Seen],
        *,
        schema: Callable[[], Awaitable[None]],
        ask_slack: Callable[[], Awaitable[object]],
        working: Callable[[], bool],
        seen_at: Callable[[], int],
        anchor_troubles: Callable[[], list[str]],
    ) -> None:
        """`schema` raises StoreError where the database is of another version; `working`: whether the
        worker runs, and `seen_at`: when it last went round (ms)."""
        self._engine = engine
        self._looking = looking
        self._refuse_another_schema = schema
        self._ask_slack = ask_slack
        self._working = working
        self._seen_at = seen_at
        self._anchor_troubles = anchor_troubles
        self._slack_at = engine.clock.now()  # when it last did what it was asked (ms)
        self._slack_error = "it was not asked yet"
        now = engine.clock.now
        self._writing = Probe(self._write, now)
        self._schema = Probe(self._read_schema, now, ASK_AGAIN)
        self._slack = Probe(self._slack_answers, now, ASK_AGAIN)
        self._platforms: Mapping[str, Probe[str | None]] = {
            name: Probe(_asker(platform), now, ASK_AGAIN)
            for name, platform in engine.platforms.items()
        }

    def slack_called(self, method: str, seconds: float, error: str | None) -> None:
        if error is None:
            self._slack_at = self._engine.clock.now()
        else:
            self._slack_error = error

    async def ready(self) -> tuple[bool, dict[str, Any]]:
        """Whether deliveries are to come to this process, and every check as `/readyz` tells it."""
        checks = await self.checks()
        state = max((check.state for check in checks.values()), key=[*State].index)
        told = {
            name: {"state": check.state, **({"why": check.why} if check.why else {})}
            for name, check in checks.items()
        }
        return state is not State.WRONG, {"state": state, "checks": told}

    async def checks(self) -> dict[str, Check]:
        """Every check by its name."""
        names = [f"platform {name}" for name in self._platforms]
        asked = await asyncio.gather(
            _answer(self._writing),
            _answer(self._schema),
            _answer(self._slack),
            *(_answer(probe) for probe in self._platforms.values()),
        )
        writing, schema, _, *platforms = asked
        found = {
            "database": _if(writing, State.WRONG),
            "schema": _if(schema, State.WRONG),
            "worker": _if(self._worker(), State.WRONG),
            "slack": _if(self._slack_fresh(), State.DEGRADED),
        }
        for name, why in zip(names, platforms, strict=True):
            found[name] = _if(why, State.DEGRADED)
        return found | await self._outside()

    async def _outside(self) -> dict[str, Check]:
        """What waits to be delivered, and what anchors do not keep."""
        troubles = self._anchor_troubles()
        try:
            seen = await self._looking.answer(ANSWER_WITHIN)
        except (StoreError, TimeoutError):
            unknown = "the database could not be asked"
            return {
                "messages": _if(unknown, State.DEGRADED),
                "anchors": Check(State.DEGRADED, (*troubles, unknown)),
            }
        troubles += [
            f"{anchor}: it keeps nothing of the last {ms // 60_000} minutes"
            for anchor, ms in seen.behind.items()
            if ms > ANCHOR_FRESH
        ]
        return {
            "messages": Check(State.DEGRADED, seen.undelivered) if seen.undelivered else OK,
            "anchors": Check(State.DEGRADED, tuple(troubles)) if troubles else OK,
        }

    def _worker(self) -> str | None:
        if not self._working():
            return "the worker has stopped: see the log, and restart the bot"
        age = self._engine.clock.now() - self._seen_at()
        if age > WORKER_FRESH:
            return f"the worker has not gone round for {age // 1000} s: restart the bot"
        return None

    def _slack_fresh(self) -> str | None:
        age = self._engine.clock.now() - self._slack_at
        if age <= SLACK_FRESH:
            return None
        return f"it has done nothing for {age // 60_000} minutes: {self._slack_error}"

    # --- what is asked for --------------------------------------------------------------------

    async def _write(self) -> str | None:
        try:
            await self._engine.store.run(watch.write, alone=False)
        except StoreError as e:
            return str(e)
        return None

    async def _read_schema(self) -> str | None:
        try:
            await self._refuse_another_schema()
        except StoreError as e:
            return str(e)
        return None

    async def _slack_answers(self) -> str | None:
        """Ask it something, unless it has just done something; `slack_called` hears what it says."""
        if self._engine.clock.now() - self._slack_at >= ASK_AGAIN:
            with contextlib.suppress(SlackApiError, ClientError, OSError, TimeoutError):
                await self._ask_slack()
        return None

    async def close(self) -> None:
        """Ask for nothing more."""
        for probe in (self._writing, self._schema, self._slack, *self._platforms.values()):
            await probe.close()


def _asker(platform: Platform) -> Callable[[], Awaitable[str | None]]:
    async def ask() -> str | None:
        try:
            async with asyncio.timeout(ASK_FOR):
                await platform.find("nolone-check")
        except TimeoutError:
            return f"{platform.name} did not answer within {ASK_FOR:.0f} s"
        except PlatformError as e:
            return str(e)
        return None

    return ask


async def _answer(probe: Probe[str | None]) -> str | None:
    try:
        return await probe.answer(ANSWER_WITHIN)
    except TimeoutError:
        return f"no answer within {ANSWER_WITHIN:.0f} s"
    except Exception as e:  # noqa: BLE001 - a check that fails is not well, whatever it fails with
        return f"it failed with {type(e).__name__}"
