"""Another app's incoming webhooks, and what our own token cannot do about what they posted."""

from typing import Any

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.clock import SandboxClock
from bot.sandbox.slack import Error, FakeSlack, RateLimited, TimedOut
from bot.sandbox.slack.webhooks import KEEPER

from .conftest import ANN, REVIEW
from .test_refusals import refused

KEPT = {"text": "sandbox\n3\nAAAA"}


async def post(url: str, said: Any = KEPT, raw: bytes | None = None) -> tuple[int, str]:
    async with aiohttp.ClientSession() as http:
        sent = http.post(url, json=said) if raw is None else http.post(url, data=raw)
        async with sent as answer:
            return answer.status, await answer.text()


async def test_a_webhook_posts_to_its_channel_as_the_other_app(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    assert await post(slack.webhook(REVIEW)) == (200, "ok")
    (found,) = (await client.conversations_history(channel=REVIEW))["messages"]
    assert found["text"] == KEPT["text"]
    assert found["bot_id"] == KEEPER.bot_id != (await client.auth_test())["bot_id"]
    assert found["subtype"] == "bot_message"
    assert "user" not in found
    (seen,) = next(c for c in slack.seen_by(ANN)["channels"] if c["id"] == REVIEW)["messages"]
    assert seen["name"] == KEEPER.name


async def test_the_bot_deletes_what_it_posted_and_not_what_the_other_app_posted(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    await post(slack.webhook(REVIEW))
    (kept,) = slack.workspace.messages(REVIEW)
    own = (await client.chat_postMessage(channel=REVIEW, text="our own"))["ts"]
    assert (await client.chat_delete(channel=REVIEW, ts=own))["ok"]
    assert await refused(client.chat_delete(channel=REVIEW, ts=kept.ts)) == "cant_delete_message"
    changed = client.chat_update(channel=REVIEW, ts=kept.ts, text="another root")
    assert await refused(changed) == "cant_update_message"
    assert await refused(client.chat_delete(channel=REVIEW, ts=own)) == "message_not_found"
    assert slack.workspace.messages(REVIEW) == [kept]


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"text": " "}, "no_text"),
        ({}, "no_text"),
        (["text"], "invalid_payload"),
        ({"text": 3}, "invalid_payload"),
        ({"text": "x", "blocks": [{"type": "nonsense"}]}, "invalid_blocks"),
        ({"text": "x", "blocks": "nonsense"}, "invalid_blocks_format"),
    ],
)
async def test_a_payload_that_slack_cannot_take_is_a_400_in_plain_text(
    slack: FakeSlack, said: Any, error: str
) -> None:
    assert await post(slack.webhook(REVIEW), said) == (400, error)
    assert slack.workspace.messages(REVIEW) == []


async def test_what_is_no_json_is_no_payload(slack: FakeSlack) -> None:
    assert await post(slack.webhook(REVIEW), raw=b"text=hello") == (400, "invalid_payload")


async def test_a_webhook_is_known_by_its_whole_address(slack: FakeSlack) -> None:
    url = slack.webhook(REVIEW)
    assert url != slack.webhook(REVIEW)
    assert await post(url[:-1]) == (404, "no_service")
    assert await post(url.replace("T01TEST", "T09OTHER")) == (404, "no_team")


async def test_a_channel_that_is_archived_or_gone_takes_nothing(slack: FakeSlack) -> None:
    url = slack.webhook(REVIEW)
    slack.workspace.archive(REVIEW)
    assert await post(url) == (410, "channel_is_archived")
    del slack.workspace.channels[REVIEW]
    assert await post(url) == (404, "channel_not_found")


async def test_a_webhook_takes_about_one_post_a_second(
    slack: FakeSlack, clock: SandboxClock
) -> None:
    url, other = slack.webhook(REVIEW), slack.webhook(REVIEW)
    for _ in range(3):
        assert await post(url) == (200, "ok")
    status, _ = await post(url)
    assert status == 429
    assert await post(other) == (200, "ok")
    clock.skip(1_000)
    assert await post(url) == (200, "ok")


async def test_what_is_to_go_wrong_with_a_webhook_can_be_said(slack: FakeSlack) -> None:
    url = slack.webhook(REVIEW)
    slack.fail("webhook", Error("action_prohibited"), RateLimited(30), TimedOut(acted=True))
    assert await post(url) == (403, "action_prohibited")
    async with aiohttp.ClientSession() as http, http.post(url, json=KEPT) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "30")
    assert slack.workspace.messages(REVIEW) == []
    with pytest.raises(aiohttp.ClientError):
        await post(url)
    assert [m.text for m in slack.workspace.messages(REVIEW)] == [KEPT["text"]]


async def test_a_reply_under_another_apps_post_names_no_parent_user(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    await post(slack.webhook(REVIEW))
    (kept,) = slack.workspace.messages(REVIEW)
    await client.chat_postMessage(channel=REVIEW, text="seen", thread_ts=kept.ts)
    answer = await client.conversations_replies(channel=REVIEW, ts=kept.ts)
    assert answer["messages"][1]["parent_user_id"] == ""
