"""What Slack refuses, asked of the real client."""

from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.clock import SandboxClock
from bot.sandbox.slack import FakeSlack
from bot.sandbox.slack.api import ALL_SCOPES, METHODS

from .conftest import ANN, BOB, EVE, PUBLIC, REVIEW, people_of

SECTION = {"type": "section", "text": {"type": "plain_text", "text": "hello"}}


def bare(client: AsyncWebClient, method: str, **args: Any) -> Any:
    """A call past the client's own checks; it warns of a missing text, and asks for less."""
    return client.api_call(method, json={"channel": REVIEW, **args})


async def refused(call: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


def client_of(slack: FakeSlack, token: str | None = None) -> AsyncWebClient:
    given = slack.bot_token if token is None else token
    return AsyncWebClient(given, base_url=slack.api_url, retry_handlers=[])


# --- tokens and scopes -----------------------------------------------------------------------------


async def test_a_token_must_be_there_known_and_of_the_right_kind(slack: FakeSlack) -> None:
    assert await refused(client_of(slack, "").auth_test()) == "not_authed"
    assert await refused(client_of(slack, "xoxb-other").auth_test()) == "invalid_auth"
    wrong = client_of(slack, slack.app_token)
    assert await refused(wrong.auth_test()) == "not_allowed_token_type"
    opened = client_of(slack).apps_connections_open(app_token=slack.bot_token)
    assert await refused(opened) == "not_allowed_token_type"


@pytest.mark.parametrize("error", ["token_revoked", "account_inactive"])
async def test_a_token_can_be_taken_back(
    slack: FakeSlack, client: AsyncWebClient, error: str
) -> None:
    slack.set_token_error(error)
    assert await refused(client.auth_test()) == error
    slack.set_token_error(None)
    answer = await client.auth_test()
    assert "chat:write" in answer.headers["x-oauth-scopes"]


@pytest.mark.parametrize(
    ("scope", "method", "args"),
    [
        ("chat:write", "chat.postMessage", {"channel": REVIEW, "text": "x"}),
        ("users:read", "users.info", {"user": ANN}),
        ("usergroups:read", "usergroups.users.list", {"usergroup": "S01TS"}),
        ("groups:read", "conversations.info", {"channel": REVIEW}),
        ("channels:read", "conversations.info", {"channel": PUBLIC}),
        ("groups:history", "conversations.history", {"channel": REVIEW}),
        ("im:write", "conversations.open", {"users": ANN}),
        ("team:read", "team.info", {}),
    ],
)
async def test_a_method_needs_its_scope(
    clock: SandboxClock, scope: str, method: str, args: dict[str, Any]
) -> None:
    slack = FakeSlack(clock, scopes=ALL_SCOPES - {scope})
    people_of(slack)
    await slack.start()
    try:
        with pytest.raises(SlackApiError) as caught:
            await client_of(slack).api_call(method, params=args)
    finally:
        await slack.stop()
    assert caught.value.response["error"] == "missing_scope"
    assert caught.value.response["needed"] == scope
    assert scope not in caught.value.response["provided"].split(",")


async def test_an_address_is_shown_only_with_its_scope(clock: SandboxClock) -> None:
    slack = FakeSlack(clock, scopes=ALL_SCOPES - {"users:read.email"})
    people_of(slack)
    await slack.start()
    shown = await client_of(slack).users_info(user=ANN)
    await slack.stop()
    assert "email" not in shown["user"]["profile"]


async def test_an_unknown_method_is_refused(client: AsyncWebClient) -> None:
    assert await refused(client.api_call("chat.shout")) == "unknown_method"


@pytest.mark.parametrize(
    ("method", "missing"),
    [
        ("chat.postMessage", "channel"),
        ("users.info", "user"),
        ("usergroups.users.list", "usergroup"),
        ("conversations.info", "channel"),
    ],
)
async def test_a_missing_argument_is_named(
    client: AsyncWebClient, method: str, missing: str
) -> None:
    with pytest.raises(SlackApiError) as caught:
        await client.api_call(method)
    assert caught.value.response["error"] == "invalid_arguments"
    assert missing in caught.value.response["response_metadata"]["messages"][0]


def test_every_method_is_one_that_the_real_client_knows() -> None:
    for method in METHODS:
        assert hasattr(AsyncWebClient, method.replace(".", "_")), method


# --- posting ------------------------------------------------------------------------------------------


async def test_the_bot_writes_only_where_it_may(slack: FakeSlack, client: AsyncWebClient) -> None:
    ws = slack.workspace
    ws.add_channel("C08GONE", "gone", archived=True)
    ws.add_channel("C09SECRET", "secret", with_bot=False)
    post = client.chat_postMessage
    assert await refused(post(channel="C99", text="x")) == "channel_not_found"
    assert await refused(post(channel="C09SECRET", text="x")) == "channel_not_found"
    assert await refused(post(channel=PUBLIC, text="x")) == "not_in_channel"
    assert await refused(post(channel="C08GONE", text="x")) == "is_archived"
    assert await refused(post(channel="U99", text="x")) == "channel_not_found"


async def test_a_message_needs_words(client: AsyncWebClient) -> None:
    assert await refused(bare(client, "chat.postMessage", text="")) == "no_text"
    assert await refused(bare(client, "chat.postMessage", text=" ", blocks=[SECTION])) == "no_text"


async def test_slack_alone_takes_blocks_without_words(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    slack.workspace.strict = False
    assert (await bare(client, "chat.postMessage", blocks=[SECTION]))["ok"]
    assert await refused(bare(client, "chat.postMessage")) == "no_text"


async def test_blocks_are_refused_with_a_pointer(client: AsyncWebClient) -> None:
    empty = {"type": "section", "text": {"type": "mrkdwn", "text": ""}}
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=REVIEW, text="x", blocks=[SECTION, empty])
    assert caught.value.response["error"] == "invalid_blocks"
    assert caught.value.response["response_metadata"]["messages"] == [
        "[ERROR] must be more than 0 characters [json-pointer:/blocks/1/text/text]"
    ]
    post = client.chat_postMessage
    assert await refused(post(channel=REVIEW, text="x", blocks="[{")) == "invalid_blocks_format"
    long = {"type": "section", "text": {"type": "plain_text", "text": "x" * 3000}}
    assert await refused(post(channel=REVIEW, text="x", blocks=[long] * 5)) == "msg_blocks_too_long"


async def test_metadata_has_a_type_and_a_payload(
    client: AsyncWebClient, clock: SandboxClock
) -> None:
    async def post(metadata: Any) -> str:
        clock.skip(1000)
        return await refused(bare(client, "chat.postMessage", text="x", metadata=metadata))

    assert await post("{") == "invalid_metadata_format"
    assert await post({"event_type": "x"}) == "invalid_metadata_schema"
    assert await post({"event_type": "x", "event_payload": []}) == "invalid_metadata_schema"
    large = {"event_type": "x", "event_payload": {"x": "y" * 17_000}}
    assert await post(large) == "metadata_too_large"


async def test_a_reply_needs_a_parent_that_takes_it(
    slack: FakeSlack, client: AsyncWebClient, clock: SandboxClock
) -> None:
    parent = (await client.chat_postMessage(channel=REVIEW, text="card"))["ts"]
    reply = await client.chat_postMessage(channel=REVIEW, text="re", thread_ts=parent)
    for ts in ("1.000001", reply["ts"]):
        answer = client.chat_postMessage(channel=REVIEW, text="x", thread_ts=ts)
        assert await refused(answer) == "cannot_reply_to_message"
        clock.skip(1000)
    assert [m.ts for m in slack.workspace.replies(REVIEW, parent)] == [reply["ts"]]
    assert [m.ts for m in slack.workspace.messages(REVIEW)] == [parent]


async def test_a_locked_thread_takes_no_reply(slack: FakeSlack, client: AsyncWebClient) -> None:
    parent = (await client.chat_postMessage(channel=REVIEW, text="card"))["ts"]
    slack.workspace.lock_thread(REVIEW, parent)
    locked = client.chat_postMessage(channel=REVIEW, text="x", thread_ts=parent)
    assert await refused(locked) == "restricted_action_thread_locked"


async def test_only_own_messages_are_edited_and_deleted(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    theirs = slack.workspace.post(REVIEW, "mine", user=ANN).ts
    update, delete = client.chat_update, client.chat_delete
    assert await refused(update(channel=REVIEW, ts=theirs, text="x")) == "cant_update_message"
    assert await refused(delete(channel=REVIEW, ts=theirs)) == "cant_delete_message"
    assert await refused(update(channel=REVIEW, ts="1.000001", text="x")) == "message_not_found"
    assert await refused(delete(channel=REVIEW, ts="1.000001")) == "message_not_found"
    ours = (await client.chat_postMessage(channel=REVIEW, text="x"))["ts"]
    assert await refused(update(channel=REVIEW, ts=ours, text="x" * 4001)) == "msg_too_long"
    assert await refused(bare(client, "chat.update", ts=ours, blocks=[SECTION])) == "no_text"
    slack.workspace.delete_message(REVIEW, ours)
    assert await refused(update(channel=REVIEW, ts=ours, text="x")) == "message_not_found"


async def test_an_update_with_text_alone_loses_the_blocks_and_keeps_the_metadata(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    metadata = {"event_type": "card", "event_payload": {"request": "R-1"}}
    ts = (
        await client.chat_postMessage(channel=REVIEW, text="x", blocks=[SECTION], metadata=metadata)
    )["ts"]
    await client.chat_update(channel=REVIEW, ts=ts, text="closed")
    [message] = slack.workspace.messages(REVIEW)
    assert (message.text, message.blocks, message.metadata) == ("closed", [], metadata)
    await client.chat_update(channel=REVIEW, ts=ts, text="closed", metadata={})
    assert message.metadata is None


async def test_a_deleted_parent_leaves_a_tombstone(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    ts = (await client.chat_postMessage(channel=REVIEW, text="card"))["ts"]
    await client.chat_postMessage(channel=REVIEW, text="re", thread_ts=ts)
    slack.workspace.delete_message(REVIEW, ts)
    found = (await client.conversations_history(channel=REVIEW))["messages"]
    assert [m.get("subtype") for m in found] == ["tombstone"]


async def test_an_ephemeral_message_needs_its_reader_in_the_channel(
    client: AsyncWebClient,
) -> None:
    whisper = client.chat_postEphemeral
    assert await refused(whisper(channel=REVIEW, user=EVE, text="x")) == "user_not_in_channel"
    assert (await whisper(channel=REVIEW, user=BOB, text="x"))["message_ts"]


@pytest.mark.parametrize(
    ("method", "args", "error"),
    [
        ("chat.postMessage", {"text": "x", "blocks": {"type": "divider"}}, "invalid_blocks_format"),
        ("chat.postMessage", {"text": "x", "metadata": [1]}, "invalid_metadata_format"),
        ("chat.postEphemeral", {"user": ANN, "text": "x" * 4001}, "msg_too_long"),
        ("chat.postMessage", {"channel": "U01NOLONE", "text": "x"}, "channel_not_found"),
        ("chat.getPermalink", {"channel": PUBLIC, "message_ts": "1.000001"}, "channel_not_found"),
        ("chat.getPermalink", {"message_ts": "1.000001"}, "message_not_found"),
        ("team.info", {"team": "T99"}, "team_not_found"),
        ("bots.info", {"bot": "B99"}, "bot_not_found"),
        ("conversations.info", {"channel": "C99"}, "channel_not_found"),
        ("conversations.open", {"channel": REVIEW}, "channel_not_found"),
        (
            "conversations.open",
            {"channel": "", "users": f"{ANN},{BOB}"},
            "invalid_user_combination",
        ),
        ("conversations.history", {"oldest": "yesterday"}, "invalid_ts_oldest"),
        ("conversations.history", {"cursor": "b3RoZXI6MQ=="}, "invalid_cursor"),
        ("conversations.members", {"limit": 0}, "invalid_limit"),
        ("users.conversations", {"types": "secret"}, "invalid_types"),
        ("views.open", {"trigger_id": "1.2.3"}, "invalid_arguments"),
        ("views.update", {"view": {"type": "home", "blocks": []}}, "invalid_arguments"),
    ],
)
async def test_what_else_is_refused(
    client: AsyncWebClient, method: str, args: dict[str, Any], error: str
) -> None:
    assert await refused(bare(client, method, **args)) == error


async def test_only_a_reply_is_broadcast(slack: FakeSlack, client: AsyncWebClient) -> None:
    card = (await client.chat_postMessage(channel=REVIEW, text="card"))["ts"]
    reply = await client.chat_postMessage(channel=REVIEW, text="re", thread_ts=card)

    def broadcast(ts: str) -> Any:
        return client.chat_update(channel=REVIEW, ts=ts, text="x", reply_broadcast=True)

    assert await refused(broadcast(card)) == "cant_broadcast_message"
    await broadcast(reply["ts"])
    assert [m.ts for m in slack.workspace.messages(REVIEW)] == [card]
    assert [m.ts for m in slack.workspace.timeline(REVIEW)] == [card, reply["ts"]]
    link = (await client.chat_getPermalink(channel=REVIEW, message_ts=reply["ts"]))["permalink"]
    assert link.endswith(f"?thread_ts={card}&cid={REVIEW}")


# --- rates ---------------------------------------------------------------------------------------------


async def test_a_channel_takes_one_post_a_second(
    slack: FakeSlack, client: AsyncWebClient, clock: SandboxClock
) -> None:
    slack.workspace.add_channel("C03ANC", "anchors")
    for _ in range(3):
        await client.chat_postMessage(channel=REVIEW, text="x")
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=REVIEW, text="x")
    assert caught.value.response.status_code == 429
    assert caught.value.response.headers["Retry-After"] == "1"
    await client.chat_postMessage(channel="C03ANC", text="x")
    clock.skip(1000)
    await client.chat_postMessage(channel=REVIEW, text="x")
    assert await refused(client.chat_postMessage(channel=REVIEW, text="x")) == "ratelimited"


async def test_with_tiers_a_group_is_listed_twenty_times_a_minute(clock: SandboxClock) -> None:
    slack = FakeSlack(clock, tiers=True)
    people_of(slack)
    await slack.start()
    client = client_of(slack)
    for _ in range(20):
        await client.usergroups_users_list(usergroup="S01TS")
    assert await refused(client.usergroups_users_list(usergroup="S01TS")) == "ratelimited"
    await slack.stop()


# --- reading --------------------------------------------------------------------------------------------


async def test_unknown_people_and_groups(slack: FakeSlack, client: AsyncWebClient) -> None:
    assert await refused(client.users_info(user="U99")) == "user_not_found"
    assert await refused(client.users_info(user=EVE)) == "user_not_visible"
    assert await refused(client.usergroups_users_list(usergroup="S99")) == "no_such_subteam"
    slack.workspace.disable_usergroup("S01TS")
    assert await refused(client.usergroups_users_list(usergroup="S01TS")) == "no_such_subteam"
    slack.workspace.free_plan = True
    assert await refused(client.usergroups_list()) == "plan_upgrade_required"
    assert await refused(client.usergroups_users_list(usergroup="S01TS")) == (
        "plan_upgrade_required"
    )


async def test_a_channel_that_the_bot_is_not_in(slack: FakeSlack, client: AsyncWebClient) -> None:
    slack.workspace.add_channel("C09SECRET", "secret", with_bot=False)
    assert await refused(client.conversations_info(channel="C09SECRET")) == "channel_not_found"
    assert await refused(client.conversations_history(channel=PUBLIC)) == "not_in_channel"
    assert (await client.conversations_info(channel=PUBLIC))["channel"]["is_member"] is False


async def test_history_comes_newest_first_in_pages_with_metadata_if_asked(
    client: AsyncWebClient,
) -> None:
    metadata = {"event_type": "card", "event_payload": {"request": "R-1"}}
    first = await client.chat_postMessage(channel=REVIEW, text="one", metadata=metadata)
    await client.chat_postMessage(channel=REVIEW, text="two", thread_ts=first["ts"])
    last = await client.chat_postMessage(channel=REVIEW, text="three")
    page = await client.conversations_history(channel=REVIEW, limit=1)
    assert [m["text"] for m in page["messages"]] == ["three"]
    assert page["has_more"]
    page = await client.conversations_history(
        channel=REVIEW,
        cursor=page["response_metadata"]["next_cursor"],
        include_all_metadata=True,
    )
    [card] = page["messages"]
    assert (card["text"], card["metadata"], card["reply_count"]) == ("one", metadata, 1)
    thread = await client.conversations_replies(channel=REVIEW, ts=first["ts"])
    assert [m["text"] for m in thread["messages"]] == ["one", "two"]
    assert "metadata" not in thread["messages"][0]
    since = await client.conversations_history(channel=REVIEW, oldest=first["ts"])
    assert [m["ts"] for m in since["messages"]] == [last["ts"]]
    bad = client.conversations_history(channel=REVIEW, cursor="nonsense")
    assert await refused(bad) == "invalid_cursor"
    assert await refused(client.conversations_replies(channel=REVIEW, ts="1.0")) == (
        "thread_not_found"
    )


async def test_a_dm_is_opened_with_someone_who_is_here(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    channel = (await client.conversations_open(users=ANN))["channel"]["id"]
    await client.chat_postMessage(channel=channel, text="psst")
    assert [m.text for m in slack.workspace.dm(ANN)] == ["psst"]
    assert await refused(client.conversations_open(users="U99")) == "user_not_found"
    nobody = client.api_call("conversations.open")
    assert await refused(nobody) == "users_list_not_supplied"
    slack.workspace.user_change(BOB, deleted=True)
    assert await refused(client.conversations_open(users=BOB)) == "user_disabled"
    assert await refused(client.chat_postMessage(channel=BOB, text="x")) == "channel_not_found"
