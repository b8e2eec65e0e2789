"""Socket Mode with the real client: several connections, broken ones, and envelopes again."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp

from bot.sandbox.slack import FakeSlack

from .conftest import ANN, BOB, REVIEW, app_for


@pytest.fixture
async def app(slack: FakeSlack) -> AsyncIterator[AsyncApp]:
    """A Bolt app on two connections."""
    app = app_for(slack)
    handlers = [AsyncSocketModeHandler(app, slack.app_token, ping_interval=0.1) for _ in range(2)]
    for handler in handlers:
        await handler.connect_async()  # type: ignore[no-untyped-call]
    await slack.sockets.connected(2)
    yield app
    for handler in handlers:
        await handler.close_async()  # type: ignore[no-untyped-call]


async def test_a_command_is_answered_in_the_acknowledgement(
    slack: FakeSlack, app: AsyncApp
) -> None:
    @app.command("/ask")
    async def ask(ack: Any, command: Any) -> None:
        await ack(f"hello {command['text']}")

    for text in ("one", "two"):
        answer = await slack.as_user(ANN).command("/ask", text, channel=REVIEW)
        assert (answer.status, answer.body) == (200, {"text": f"hello {text}"})
    assert [m.text for m in slack.workspace.ephemerals(ANN)] == ["hello one", "hello two"]
    assert {d.body for d in slack.deliveries} == {b""}


async def test_an_envelope_can_come_again(slack: FakeSlack, app: AsyncApp) -> None:
    seen = []

    @app.event("subteam_members_changed")
    async def changed(body: Any, request: Any) -> None:
        seen.append((body["event_id"], request.headers.get("x-slack-retry-num")))

    slack.workspace.set_usergroup("S01TS", [BOB])
    await slack.settled()
    await slack.redeliver(slack.deliveries[0])
    await slack.retry(slack.deliveries[0], 1)
    assert [event for event, _ in seen] == ["Ev0000000001"] * 3
    assert seen[2][1] == ["1"]


async def test_what_a_broken_connection_took_along_comes_over_another(
    slack: FakeSlack, app: AsyncApp
) -> None:
    calls = []

    @app.command("/ask")
    async def ask(ack: Any, command: Any) -> None:
        calls.append(command["trigger_id"])
        if len(calls) == 1:
            # Whichever of the two carried this, it is gone before the answer.
            await slack.sockets.cut(0)
            await slack.sockets.cut(0)
        await ack("at last")

    answer = await slack.as_user(ANN).command("/ask", channel=REVIEW)
    assert answer.body == {"text": "at last"}
    assert len(calls) >= 2
    assert len(set(calls)) == 1


async def test_the_client_comes_back_when_it_is_told_to_go(slack: FakeSlack, app: AsyncApp) -> None:
    app.command("/ask")(_just_ack)
    await slack.sockets.disconnect()
    async with asyncio.timeout(5):
        await slack.sockets.connected(2)
    assert (await slack.as_user(ANN).command("/ask", channel=REVIEW)).status == 200


async def test_an_envelope_nobody_acknowledges_times_out(slack: FakeSlack, app: AsyncApp) -> None:
    slack.ack_limit = 0.1

    @app.command("/ask")
    async def ask(ack: Any) -> None:
        await asyncio.sleep(0.3)
        await ack()

    answer = await slack.as_user(ANN).command("/ask", channel=REVIEW)
    assert (answer.status, answer.error) == (0, "operation_timeout")
    await asyncio.sleep(0.3)


async def _just_ack(ack: Any) -> None:
    await ack()
