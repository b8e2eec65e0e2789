"""A workspace, a client that never tries twice, and a bot of a few lines behind real Bolt."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.clock import SandboxClock
from bot.sandbox.slack import FakeSlack

START = 1_760_000_000_000
REVIEW, PUBLIC = "C02REV", "C01PUB"
ANN, BOB, EVE = "U01ANN", "U02BOB", "U09EVE"


@pytest.fixture
def clock() -> SandboxClock:
    """Stands still until it is moved."""
    return SandboxClock(lambda: START)


def people_of(slack: FakeSlack) -> None:
    ws = slack.workspace
    ws.add_user(ANN, "ann", email="ann@example.org")
    ws.add_user(BOB, "bob", email="bob@example.org")
    ws.add_user(EVE, "eve", team="T66OTHER", email="eve@elsewhere.example")
    ws.add_channel(REVIEW, "review", members=[ANN, BOB])
    ws.add_channel(PUBLIC, "general", private=False, members=[ANN], with_bot=False)
    ws.add_usergroup("S01TS", "trust-safety", [ANN])


@pytest.fixture
async def slack(clock: SandboxClock) -> AsyncIterator[FakeSlack]:
    fake = FakeSlack(clock)
    people_of(fake)
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture
def client(slack: FakeSlack) -> AsyncWebClient:
    return AsyncWebClient(slack.bot_token, base_url=slack.api_url, retry_handlers=[])


def app_for(slack: FakeSlack) -> AsyncApp:
    return AsyncApp(
        client=AsyncWebClient(slack.bot_token, base_url=slack.api_url, retry_handlers=[]),
        signing_secret=slack.signing_secret,
        process_before_response=True,
    )


@pytest.fixture
async def bolt(slack: FakeSlack) -> AsyncIterator[AsyncApp]:
    """A Bolt app that receives what `slack` delivers over HTTP."""
    app = app_for(slack)

    async def events(request: web.Request) -> web.Response:
        return await to_aiohttp_response(await app.async_dispatch(await to_bolt_request(request)))

    server = web.Application()
    server.router.add_post("/slack/events", events)
    runner = web.AppRunner(server, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    slack.deliver_to(f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events")
    yield app
    await runner.cleanup()
