"""The sandbox put together: the real bot between a Slack workspace and a small platform, all on
loopback. The same world serves the page and the tests."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from bot import policyfile
from bot.audit import keys
from bot.core.policy import Policy
from bot.platforms import demo
from bot.ports import Anchor, Platform
from bot.sandbox.clock import SandboxClock
from bot.sandbox.platform import SandboxPlatform
from bot.sandbox.slack import FakeSlack
from bot.sandbox.slack.workspace import Workspace
from bot.settings import Settings
from bot.store.sqlite import SqliteStore
from bot.store.tx import Store
from bot.wiring import Bot, bot, facts_of, serve_http, socket_mode

POLICY = Path(__file__).with_name("policy.yaml")
REVIEW = "C02REV"
LOBBY = "C03LOBBY"  # where anybody may type a command
ANCHORS = "C03ANC"  # where checkpoints of the trail are posted
ORIGIN = "sandbox"


@dataclass
class World:
    slack: FakeSlack
    platform: SandboxPlatform
    clock: SandboxClock
    bot: Bot
    store: Store
    database: Path  # its file, if it is one
    url: str  # of the bot

    async def settled(self) -> None:
        """Return when the bot has done everything that is due, and Slack knows of it."""
        await self.bot.background.drain(5)
        await self.bot.anchoring.round()
        await self.bot.worker.settled()
        await self.slack.settled()

    async def skip(self, ms: int) -> None:
        """Let `ms` milliseconds pass, and everything happen that they bring."""
        self.clock.skip(ms)
        await self.settled()


def people(ws: Workspace) -> None:
    """The personas: who may file, who reviews, who asks, and two who may do nothing."""
    mail = "{}@pipit.example".format
    ws.add_user("U01AGENT", "bruno", real_name="Bruno, agent", email=mail("bruno"))
    ws.add_user("U02REV", "tessa", real_name="Tessa, trust & safety", email=mail("tessa"))
    ws.add_user("U03REV", "omar", real_name="Omar, trust & safety", email=mail("omar"))
    ws.add_user("U05LEGAL", "lena", real_name="Lena, legal", email=mail("lena"))
    ws.add_user("U09MANAGER", "max", real_name="Max, manager", email=mail("max"))
    ws.add_user(
        "U07GUEST", "gus", real_name="Gus, guest", email="gus@agency.example", is_restricted=True
    )
    ws.add_user("U08OTHER", "olga", real_name="Olga, another organisation", team="T08OTHER")
    everybody = ["U01AGENT", "U02REV", "U03REV", "U05LEGAL", "U09MANAGER", "U07GUEST", "U08OTHER"]
    ws.add_channel(REVIEW, "high-impact-review", members=[*everybody, ws.bot.id])
    ws.add_channel(LOBBY, "trust-and-safety", members=[*everybody, ws.bot.id])
    ws.add_channel(ANCHORS, "anchors", members=[*everybody[:5], ws.bot.id])  # no guest, no stranger
    ws.add_usergroup("S01TS", "trust-safety", ["U02REV", "U03REV"])


@asynccontextmanager
async def world(
    clock: SandboxClock,
    database: Path,
    *,
    policy: Policy | None = None,
    store: Store | None = None,
    port: int = 0,
    socket: bool = False,
    slack: FakeSlack | None = None,
    platform: SandboxPlatform | None = None,
    anchors: Sequence[Anchor] = (),
) -> AsyncIterator[World]:
    """The whole sandbox, running. `slack` and `platform` given: those, already started, go on.
    `store` given: that instead of the file `database`.

    The key that signs the trail's checkpoints is in a file beside the database.
    """
    own_slack, own_platform = slack is None, platform is None
    if slack is None:
        slack = FakeSlack(clock)
        people(slack.workspace)
        await slack.start()
    if platform is None:
        platform = SandboxPlatform(clock)
        await platform.start()
    store = store or SqliteStore(database)
    store.migrate()
    there = demo.Demo(
        demo.Settings(url=platform.url, token=SecretStr(platform.token)),
        clock,
    )
    platforms: dict[str, Platform] = {there.name: there}
    key = database.with_suffix(".key")
    if not key.exists():
        keys.make(key, ORIGIN)
    settings = Settings(
        slack_bot_token=SecretStr(slack.bot_token),
        slack_signing_secret=None if socket else SecretStr(slack.signing_secret),
        slack_api_url=slack.api_url,
        nolone_platforms=(there.name,),
        nolone_origin=ORIGIN,
        nolone_signing_key_file=key,
        # the anchors' channel is written to by a second app, whose posts the bot cannot delete
        anchor_channel_webhook=SecretStr(slack.webhook(ANCHORS)),
    )
    policy = policy or policyfile.load(POLICY, platforms=facts_of(platforms))
    try:
        async with bot(
            settings,
            store=store,
            clock=clock,
            platforms=platforms,
            policy=policy,
            anchors=anchors,
        ) as made:
            if socket:
                async with socket_mode(made, slack.app_token):
                    yield World(slack, platform, clock, made, store, database, "")
                return
            runner, taken = await serve_http(made, "127.0.0.1", port)
            url = f"http://127.0.0.1:{taken}"
            slack.deliver_to(f"{url}/slack/events")
            try:
                yield World(slack, platform, clock, made, store, database, url)
            finally:
                await runner.cleanup()
    finally:
        await there.aclose()
        store.close()
        if own_platform:
            await platform.stop()
        if own_slack:
            await slack.stop()
