"""A replica of the bot in a process of its own, for the nemesis: the real thing with short leases.

What it reads as the machine's wall clock can be set forward and back by a file, and one seeded fault
of `sabotage` can be switched on. Nothing else of the bot is replaced.
"""

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pydantic import SecretStr

import bot.clock
import bot.core.decide
import bot.engine
import bot.known
import bot.slack.effects
import bot.worker
from bot import policyfile
from bot.core.actions import ActionKind, Capability, Reversibility
from bot.logs import set_up
from bot.platforms import demo
from bot.ports import Rate
from bot.settings import Settings
from bot.store.database import open_store
from bot.wiring import bot as whole_bot
from bot.wiring import clock_of, facts_of, serve_http

from . import sabotage

# Real time is all there is here, so that what takes half a minute elsewhere takes a second or two.
LEASE = 1_500  # ms
FRESH_FOR = 4_000  # ms that what Slack said of people is used
SEND_WITHIN = 5_000  # ms from ExecutionStarted
OBSERVE_FOR = 2_000  # ms
SHORT: Mapping[tuple[Any, str], Any] = {
    (bot.worker, "LEASE"): LEASE,
    (bot.worker, "WORK_WITHIN"): 1.2,
    (bot.worker, "OBSERVE_FOR"): OBSERVE_FOR,
    (bot.worker, "UNKNOWN_AGAIN"): 1_000,
    (bot.worker, "RETRY_MOST"): 2_000,
    (bot.worker, "LOOK_ANYWAY"): 1_000,
    (bot.core.decide, "SEND_WITHIN"): SEND_WITHIN,
    (bot.known, "FRESH_FOR"): FRESH_FOR,
    (bot.slack.effects, "HELD_FOR"): 1_000,
    (bot.slack.effects.SlackMessenger, "rates"): {
        "channel": Rate(3, 20),
        "direct": Rate(3, 20),
        "update": Rate(20, 24),
    },
    (bot.engine, "FACTS_HOLD"): 1_000,
}


@dataclass(frozen=True)
class Surroundings:
    """What a replica finds when it is started."""

    database: str
    policy: Path
    wall: Path  # how far (ms) the wall clock of this machine is from the true time
    log: Path
    slack_url: str
    slack_token: str
    slack_secret: str
    platform_url: str
    platform_token: str
    idempotent: bool  # whether the platform is
    sabotage: str | None


class OnceOnly(demo.Demo):
    """The platform as one that carries an order out again when it is sent again."""

    capabilities: Mapping[ActionKind, Capability] = {
        kind: Capability(reversibility=Reversibility.LOSSLESS, idempotent=False)
        for kind in (ActionKind.DEACTIVATE, ActionKind.RESTORE)
    }


def live(around: Surroundings, told: Connection) -> None:
    """Run the bot until SIGTERM. Tells the port that it listens on."""
    with around.log.open("a") as log:
        os.dup2(log.fileno(), 2)
    set_up("text")
    for (module, name), value in SHORT.items():
        assert hasattr(module, name), f"{module.__name__} has no {name}"
        setattr(module, name, value)
    wall = bot.clock.wall
    bot.clock.wall = lambda: wall() + int(around.wall.read_text())
    if around.sabotage is not None:
        sabotage.SEEDED[around.sabotage].commit()
    asyncio.run(_live(around, told))


async def _live(around: Surroundings, told: Connection) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with AsyncExitStack() as stack:
        store = open_store(around.database)
        stack.callback(store.close)
        store.migrate()
        clock = clock_of(store)
        kind = demo.Demo if around.idempotent else OnceOnly
        there = kind(
            demo.Settings(url=around.platform_url, token=SecretStr(around.platform_token)), clock
        )
        stack.push_async_callback(there.aclose)
        settings = Settings(
            database_url=SecretStr(around.database),
            slack_bot_token=SecretStr(around.slack_token),
            slack_signing_secret=SecretStr(around.slack_secret),
            slack_api_url=around.slack_url,
            nolone_platforms=(there.name,),
            nolone_origin="nemesis",
        )
        platforms = {there.name: there}
        policy = policyfile.load(around.policy, platforms=facts_of(platforms))
        made = await stack.enter_async_context(
            whole_bot(settings, store=store, clock=clock, platforms=platforms, policy=policy)
        )
        runner, port = await serve_http(made, "127.0.0.1", 0)
        stack.push_async_callback(runner.cleanup)
        told.send(port)
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({stopping, made.working}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
