"""The composition root: everything is made here, once, and put together."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientSession, ClientTimeout, web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot import policyfile
from bot.anchoring import Anchoring
from bot.anchors.channel import Channel
from bot.audit import keys
from bot.audit.exporting import Exporter
from bot.audit.watching import Watch
from bot.clock import MachineClock, Setting, SharedClock
from bot.core.policy import Policy
from bot.engine import Engine
from bot.health import Health
from bot.metrics import Metrics
from bot.platforms.measured import Measured
from bot.policyfile import PolicyError
from bot.ports import Anchor, Clock, Platform
from bot.probe import Probe
from bot.settings import Settings
from bot.slack.app import slack_app
from bot.slack.background import Background
from bot.slack.client import Client
from bot.slack.effects import SlackMessenger
from bot.slack.people import SlackDirectory
from bot.store import ledger, setting, watch
from bot.store.tx import Store, StoreError, Visit
from bot.store.watch import Seen
from bot.web import web_app
from bot.worker import Worker

log = logging.getLogger(__name__)

DRAIN_WITHIN = 3.5  # s for what is under way at the end, first Slack's deliveries, then the rest
PUBLISH_AT_THE_END = 1.5  # s for the last checkpoint
RELOAD_EVERY = 10_000  # ms between two looks at the policy file


@dataclass(frozen=True, slots=True)
class Bot:
    """A running bot."""

    engine: Engine
    worker: Worker
    anchoring: Anchoring
    bolt: AsyncApp
    client: AsyncWebClient
    web: web.Application
    background: Background
    working: asyncio.Task[None]  # the worker; when it ends, something is badly wrong


def clock_of(store: Store) -> Clock:
    """The clock that a bot on this database goes by."""
    if store.time is None:
        return machine_clock(store)
    store.run_now(lambda tx: None)  # which hears the time
    return SharedClock(store.time)


def machine_clock(store: Store) -> MachineClock:
    """The clock of this machine, whose setting is kept in the database (see MachineClock)."""
    kept = store.run_now(setting.clock_setting)
    newest = store.run_now(ledger.newest)
    clock = MachineClock(Setting(*kept) if kept else None, newest)
    store.run_now(lambda tx: setting.keep_clock_setting(tx, *clock.setting))
    return clock


def visiting_clock(store: Visit) -> Clock:
    """The same for whoever looks in from outside."""
    if store.time is not None:
        return SharedClock(store.time)
    kept = store.look(setting.clock_setting)
    newest = store.look(ledger.newest)
    return MachineClock(Setting(*kept) if kept else None, newest)


def facts_of(platforms: Mapping[str, Platform]) -> dict[str, frozenset[str]]:
    return {name: platform.facts for name, platform in platforms.items()}


@asynccontextmanager
async def bot(
    settings: Settings,
    *,
    store: Store,
    clock: Clock,
    platforms: Mapping[str, Platform],
    policy: Policy,
    anchors: Sequence[Anchor] = (),
) -> AsyncIterator[Bot]:
    """The bot, with its worker running, until the context is left; then it is drained.

    `anchors`: those beside the channel that the policy may name. Raises KeyFileError.
    """
    token = settings.slack_bot_token.get_secret_value()
    client = Client(token, settings.slack_api_url)
    # one for all calls, so that connections are kept; its timeout counts, not the client's
    client.session = ClientSession(timeout=ClientTimeout(total=client.timeout))
    secret = settings.slack_signing_secret
    background = Background()
    measured = {name: Measured(platform) for name, platform in platforms.items()}
    engine = Engine(
        store=store,
        clock=clock,
        directory=SlackDirectory(client),
        platforms=measured,
        policy=policy,
        origin=settings.nolone_origin,
        anchors=bool(anchors),
    )
    await engine.adopt(policy)
    file = settings.nolone_signing_key_file
    signers = keys.signing(file, settings.nolone_origin) if file is not None else ()

    def anchors_channel() -> str | None:
        return engine.policy.channels.anchors

    channel = Channel(client, anchors_channel, settings.anchor_channel_webhook)

    def anchors_now() -> Sequence[Anchor]:
        return (*anchors, channel) if anchors_channel() is not None else anchors

    anchoring = Anchoring(engine, anchors_now, signers)
    exports = Exporter(store, settings.nolone_origin, signers)
    worker = Worker(engine, SlackMessenger(engine, client, exports), exports)
    worker.waits.append(anchoring.ask)  # it may be for an anchor
    watching = Watch(store, clock, settings.nolone_origin, anchoring.known, anchors_now)
    bolt = slack_app(
        engine=engine,
        client=client,
        exports=exports,
        signing_secret=secret.get_secret_value() if secret else "",
        background=background,
        nudge=worker.look_now,
        watch=watching,
        people_changed=worker.people_changed,
        stop=worker.stop,
    )

    def anchor_troubles() -> list[str]:
        stopped = ["anchoring has stopped: see the log, and restart the bot"]
        return [*anchoring.troubles, *(stopped if publishing.done() else ())]

    async def look() -> Seen:
        names = frozenset(anchor.name for anchor in anchoring.anchors())
        now = clock.now()
        try:
            return await store.look(lambda tx: watch.seen(tx, now, names))
        except StoreError:
            raise
        except Exception as e:  # what a database raises that goes away meanwhile is its own
            raise StoreError(f"{store.name} could not be read") from e

    async def schema() -> None:
        if await asyncio.to_thread(store.pending):
            raise StoreError("it is of an earlier version: run `nolone migrate`")
        await store.look(lambda tx: None)  # SQLite's refuses a later one here

    looking = Probe(look, clock.now)
    metrics = Metrics(
        engine,
        looking,
        seen_at=lambda: worker.seen_at,
        leases_lost=worker.leases_lost,
        troubled=lambda: anchoring.troubled,
    )
    health = Health(
        engine,
        looking,
        schema=schema,
        ask_slack=client.auth_test,
        working=lambda: not working.done(),
        seen_at=lambda: worker.seen_at,
        anchor_troubles=anchor_troubles,
    )
    client.called += [metrics.slack_called, health.slack_called]
    for platform in measured.values():
        platform.called.append(metrics.platform_called)

    working = asyncio.create_task(worker.run(), name="worker")
    publishing = asyncio.create_task(anchoring.run(), name="anchoring")
    served = web_app(bolt if secret else None, health.ready, metrics.told)
    made = Bot(engine, worker, anchoring, bolt, client, served, background, working)
    try:
        yield made
    finally:
        await asyncio.gather(background.drain(DRAIN_WITHIN), worker.finish(DRAIN_WITHIN))
        await watching.close()
        await health.close()
        await looking.close()
        for task in (working, publishing):
            task.cancel()
        await anchoring.finish(PUBLISH_AT_THE_END)
        # whoever runs the bot has heard what ended one of them before
        await asyncio.gather(working, publishing, return_exceptions=True)
        await client.session.close()


async def watch_policy(
    engine: Engine, path: Path, facts: Mapping[str, frozenset[str]], clock: Clock
) -> None:
    """Read the policy file again whenever it changes; a broken one is reported, and not taken."""
    seen = _stamp(path)
    while True:
        await clock.wait(clock.now() + RELOAD_EVERY, asyncio.Event())
        if (stamp := _stamp(path)) == seen:
            continue
        seen = stamp
        try:
            await engine.adopt(policyfile.load(path, platforms=facts))
        except PolicyError as e:
            log.error("the changed policy is not taken; the one before stays:\n%s", e)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size)


async def serve_http(bot: Bot, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Listen; the runner to stop it with, and the port that was taken."""
    runner = web.AppRunner(bot.web, access_log=None, shutdown_timeout=DRAIN_WITHIN)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    server = site._server
    assert isinstance(server, asyncio.Server)
    taken: int = server.sockets[0].getsockname()[1]
    return runner, taken


@asynccontextmanager
async def socket_mode(bot: Bot, app_token: str) -> AsyncIterator[None]:
    """Take Slack's deliveries through Socket Mode, with the same listeners."""
    handler = AsyncSocketModeHandler(bot.bolt, app_token, web_client=bot.client)
    await handler.connect_async()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        await handler.close_async()  # type: ignore[no-untyped-call]
