"""Files as Slack takes them, and what it refuses, asked of the real client."""

from typing import Any

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.slack import FakeSlack, ServerError
from bot.sandbox.slack.api import ALL_SCOPES

from .conftest import ANN, BOB, PUBLIC, REVIEW
from .test_refusals import client_of, refused

CONTENT = b"seq,at\r\n1,now\r\n"


async def announced(client: AsyncWebClient, length: int = len(CONTENT)) -> Any:
    return await client.files_getUploadURLExternal(filename="trail.csv", length=length)


async def sent(url: str, content: bytes = CONTENT) -> int:
    async with aiohttp.ClientSession() as session, session.post(url, data=content) as answer:
        return answer.status


async def uploaded(client: AsyncWebClient) -> str:
    place = await announced(client)
    assert await sent(place["upload_url"]) == 200
    return str(place["file_id"])


async def dm(client: AsyncWebClient, user: str = ANN) -> str:
    return str((await client.conversations_open(users=user))["channel"]["id"])


def complete(client: AsyncWebClient, id: str, channel: str | None, **more: Any) -> Any:
    files = [{"id": id, "title": "The trail"}]
    return client.files_completeUploadExternal(files=files, channel_id=channel, **more)


async def test_a_file_is_shared_where_it_was_completed_to(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    channel = await dm(client)
    id = await uploaded(client)
    assert slack.workspace.dm(ANN) == []  # nothing is seen of it before
    answer = await complete(client, id, channel, initial_comment="Here it is.")
    assert answer["files"] == [{"id": id, "title": "The trail"}]
    (message,) = (await client.conversations_history(channel=channel))["messages"]
    assert message["text"] == "Here it is."
    (file,) = message["files"]
    assert (file["id"], file["name"], file["title"]) == (id, "trail.csv", "The trail")
    assert file["size"] == len(CONTENT)
    assert slack.files.known[id].content == CONTENT
    (shown,) = slack.seen_by(ANN)["dm"]["messages"]
    assert shown["files"] == message["files"]
    assert slack.seen_by(BOB)["dm"] is None


async def test_a_file_without_a_channel_stays_private(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    await dm(client)
    await complete(client, await uploaded(client), None)
    assert slack.workspace.dm(ANN) == []


async def test_the_bytes_are_those_that_were_announced(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    place = await announced(client, len(CONTENT) + 1)
    assert await sent(place["upload_url"]) == 400
    assert await sent(f"{slack.base}/upload/v1/{'0' * 32}") == 404
    assert await refused(complete(client, place["file_id"], await dm(client))) == "file_not_found"


async def test_an_upload_can_fail(slack: FakeSlack, client: AsyncWebClient) -> None:
    place = await announced(client)
    slack.fail("upload", ServerError(502))
    assert await sent(place["upload_url"]) == 502
    assert slack.files.known[place["file_id"]].content is None
    assert await sent(place["upload_url"]) == 200


@pytest.mark.parametrize("args", [{}, {"filename": "x"}, {"filename": "x", "length": 0}])
async def test_a_file_is_announced_with_name_and_length(
    client: AsyncWebClient, args: dict[str, Any]
) -> None:
    call = client.api_call("files.getUploadURLExternal", params=args)
    assert await refused(call) == "invalid_arguments"


async def test_what_is_completed_has_to_be_there_and_only_once(client: AsyncWebClient) -> None:
    channel = await dm(client)
    assert await refused(complete(client, "F99", channel)) == "file_not_found"
    place = await announced(client)
    assert await refused(complete(client, place["file_id"], channel)) == "file_not_found"
    id = await uploaded(client)
    await complete(client, id, channel)
    assert await refused(complete(client, id, channel)) == "file_update_failed"
    call = client.api_call("files.completeUploadExternal", params={"channel_id": channel})
    assert await refused(call) == "invalid_arguments"


async def test_files_go_only_where_the_bot_may_write(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    ws = slack.workspace
    ws.add_channel("C09SECRET", "secret", with_bot=False)
    id = await uploaded(client)
    assert await refused(complete(client, id, "C99")) == "channel_not_found"
    assert await refused(complete(client, id, ANN)) == "channel_not_found"
    assert await refused(complete(client, id, "C09SECRET")) == "channel_not_found"
    assert await refused(complete(client, id, PUBLIC)) == "not_in_channel"
    channel = await dm(client, BOB)
    ws.user_change(BOB, deleted=True)
    assert await refused(complete(client, id, channel)) == "channel_not_found"
    ws.archive(REVIEW)
    assert await refused(complete(client, id, REVIEW)) == "posting_to_channel_denied"


async def test_files_take_a_scope_of_their_own(slack: FakeSlack) -> None:
    slack._api.scopes = ALL_SCOPES - {"files:write"}
    client = client_of(slack)
    assert await refused(announced(client)) == "missing_scope"
    assert await refused(complete(client, "F1", "C1")) == "missing_scope"


async def test_sharing_can_come_later_than_the_answer(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    slack.files.slow = True
    await complete(client, await uploaded(client), await dm(client))
    assert slack.workspace.dm(ANN) == []
    slack.files.share()
    slack.files.share()
    assert len(slack.workspace.dm(ANN)) == 1
