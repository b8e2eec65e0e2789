"""A Slack channel that keeps checkpoints: posted by the bot, or by an app whose posts it cannot undo."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr
from slack_sdk.web.async_client import AsyncWebClient

from bot.anchors.channel import Channel
from bot.audit.held import signed_heads
from bot.ledger.checkpoint import Checkpoint
from bot.ledger.note import SigningKey
from bot.ports import AnchorError
from bot.sandbox.clock import SandboxClock
from bot.sandbox.slack import Error, FakeSlack, RateLimited
from bot.sandbox.slack.webhooks import KEEPER

PLACE = "C07KEPT"
ORIGIN = "log.example/trail"
KEY = SigningKey.made(ORIGIN)
HEADS = [Checkpoint(ORIGIN, n, bytes([n]) * 32) for n in (3, 5, 8)]


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    made = FakeSlack(SandboxClock(lambda: 1_790_000_000_000))
    made.workspace.add_user("U01ANN", "ann")
    made.workspace.add_channel(PLACE, "kept", members=["U01ANN", made.workspace.bot.id])
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def client(slack: FakeSlack) -> AsyncWebClient:
    return AsyncWebClient(token=slack.bot_token, base_url=slack.api_url, retry_handlers=[])


def channel(slack: FakeSlack, client: AsyncWebClient, by: str) -> Channel:
    webhook = SecretStr(slack.webhook(PLACE)) if by == "webhook" else None
    return Channel(client, lambda: PLACE, webhook)


async def nothing(size: int) -> list[bytes]:
    raise AssertionError("a channel asks for no proof")


@pytest.mark.parametrize("by", ["bot", "webhook"])
async def test_what_was_posted_is_read_back_to_the_letter(
    slack: FakeSlack, client: AsyncWebClient, by: str
) -> None:
    kept = channel(slack, client, by)
    for head in HEADS:
        published = await kept.publish(head, head.sign([KEY]), nothing)
        assert (published.signed, published.place) == (head.sign([KEY]), PLACE)
        slack.workspace.clock.skip(1_000)
    assert list(await kept.latest(None)) == [head.sign([KEY]) for head in reversed(HEADS)]
    assert signed_heads(await kept.latest(None), [KEY.public], ORIGIN)[0] == HEADS[-1]
    newest = slack.workspace.messages(PLACE)[-1]
    assert newest.text == f"Checkpoint of {ORIGIN}: 8 entries, root CAgICAgICAgI"


async def test_the_second_apps_posts_are_not_the_bots_to_delete(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    for by, mine in (("bot", True), ("webhook", False)):
        await channel(slack, client, by).publish(HEADS[0], HEADS[0].sign([KEY]), nothing)
        message = slack.workspace.messages(PLACE)[-1]
        assert (message.payload()["bot_id"] == KEEPER.bot_id) is not mine


async def test_what_the_bot_posts_itself_is_called_the_weaker(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    assert channel(slack, client, "webhook").weak is None
    assert "whoever holds its token can delete it" in str(channel(slack, client, "bot").weak)


async def test_what_others_write_there_is_not_believed(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    kept = channel(slack, client, "bot")
    await kept.publish(HEADS[0], HEADS[0].sign([KEY]), nothing)
    forged = HEADS[2].sign([SigningKey.made(ORIGIN)])
    foreign = Checkpoint("other.example", 9, b"9" * 32).sign([KEY])
    slack.workspace.clock.skip(1_000)
    for text in (forged, foreign, b"hello"):
        await kept.publish(HEADS[2], text, nothing)
        slack.workspace.clock.skip(1_000)
    assert len(await kept.latest(None)) == 4
    assert signed_heads(await kept.latest(None), [KEY.public], ORIGIN) == (HEADS[0],)


@pytest.mark.parametrize(
    ("by", "fault", "said"),
    [
        ("bot", Error("channel_not_found"), "Slack answers channel_not_found"),
        ("bot", RateLimited(3), "Slack answers ratelimited"),
        ("webhook", Error("channel_is_archived"), "the webhook answers 410: channel_is_archived"),
        ("webhook", Error("no_service"), "the webhook answers 404: no_service"),
        ("webhook", RateLimited(3), "the webhook answers 429"),
    ],
)
async def test_what_slack_refuses_is_said(
    slack: FakeSlack, client: AsyncWebClient, by: str, fault: Error | RateLimited, said: str
) -> None:
    slack.fail("chat.postMessage" if by == "bot" else "webhook", fault)
    with pytest.raises(AnchorError, match=said):
        await channel(slack, client, by).publish(HEADS[0], HEADS[0].sign([KEY]), nothing)


async def test_a_slack_that_does_not_answer_is_said(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    kept = channel(slack, client, "bot")
    await slack.stop()
    with pytest.raises(AnchorError, match="Slack could not be reached"):
        await kept.publish(HEADS[0], HEADS[0].sign([KEY]), nothing)
    with pytest.raises(AnchorError, match="Slack could not be reached"):
        await kept.latest(None)


async def test_a_channel_that_the_bot_is_not_in_cannot_be_read_back(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    slack.workspace.leave(PLACE, slack.workspace.bot.id)
    with pytest.raises(
        AnchorError, match=r"cannot be read: Slack answers (not_in_channel|channel)"
    ):
        await channel(slack, client, "webhook").latest(None)


async def test_without_a_channel_in_the_policy_there_is_none(client: AsyncWebClient) -> None:
    with pytest.raises(AnchorError, match="the policy names no channel"):
        await Channel(client, lambda: None).publish(HEADS[0], b"", nothing)
