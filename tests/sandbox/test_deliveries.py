"""What reaches the bot, how it is signed, and what becomes of a bad answer."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.sandbox.clock import SandboxClock
from bot.sandbox.slack import (
    Error,
    FakeSlack,
    RateLimited,
    ServerError,
    Slow,
    TimedOut,
)

from .conftest import ANN, BOB, REVIEW

# --- faults of the Web API ------------------------------------------------------------------------


async def test_a_fault_is_for_one_call(slack: FakeSlack, client: AsyncWebClient) -> None:
    slack.fail("auth.test", RateLimited(7), Error("fatal_error"), Slow(0.01))
    with pytest.raises(SlackApiError) as caught:
        await client.auth_test()
    assert caught.value.response.headers["Retry-After"] == "7"
    with pytest.raises(SlackApiError, match="fatal_error"):
        await client.auth_test()
    assert (await client.auth_test())["ok"]
    assert [call.method for call in slack.calls] == ["auth.test"] * 3


@pytest.mark.parametrize("fault", [ServerError, TimedOut])
@pytest.mark.parametrize("acted", [True, False])
async def test_a_lost_answer_leaves_open_whether_slack_acted(
    slack: FakeSlack, client: AsyncWebClient, fault: Any, acted: bool
) -> None:
    slack.fail("chat.postMessage", fault(acted=acted))
    with pytest.raises(Exception):  # noqa: B017, PT011 - the client has several for this
        await client.chat_postMessage(channel=REVIEW, text="x")
    assert len(slack.workspace.messages(REVIEW)) == int(acted)
    assert slack.calls[-1].response is None
    assert (await client.chat_postMessage(channel=REVIEW, text="x"))["ok"]


# --- response URLs -----------------------------------------------------------------------------------


def hook(slack: FakeSlack, source: Any = None) -> AsyncWebhookClient:
    url = slack.workspace.tickets.response_url(ANN, REVIEW, source)
    return AsyncWebhookClient(f"{slack.base}/actions/{url}", retry_handlers=[])


async def test_a_response_url_works_five_times_and_for_half_an_hour(
    slack: FakeSlack, clock: SandboxClock
) -> None:
    url = hook(slack)
    for _ in range(5):
        assert (await url.send(text="x")).status_code == 200
    used = await url.send(text="x")
    assert (used.status_code, used.body) == (404, "used_url")
    assert len(slack.workspace.ephemerals(ANN)) == 5
    unknown = await AsyncWebhookClient(f"{slack.base}/actions/0", retry_handlers=[]).send(text="x")
    assert (unknown.status_code, unknown.body) == (404, "no_such_url")
    old = hook(slack)
    clock.skip(30 * 60_000 + 1)
    expired = await old.send(text="x")
    assert (expired.status_code, expired.body) == (404, "expired_url")


async def test_a_response_url_changes_or_deletes_what_was_clicked(slack: FakeSlack) -> None:
    ws = slack.workspace
    public, private = ws.post(REVIEW, "public"), ws.whisper(ANN, REVIEW, "private")
    await hook(slack, public).send(text="new", replace_original=True)
    await hook(slack, private).send(text="newer", replace_original=True)
    assert (public.text, private.text) == ("new", "newer")
    await hook(slack, private).send(delete_original=True)
    assert ws.ephemerals(ANN) == []
    again = await hook(slack, private).send(text="x", replace_original=True)
    assert (again.status_code, again.body) == (400, "message_not_found")
    again = await hook(slack, private).send(delete_original=True)
    assert (again.status_code, again.body) == (400, "message_not_found")
    unsaid = await hook(slack, public).send(text="x")
    assert (unsaid.status_code, unsaid.body) == (400, "replace_original_not_said")


async def test_a_response_url_checks_what_it_is_given(slack: FakeSlack) -> None:
    empty = await hook(slack).send(text="")
    assert (empty.status_code, empty.body) == (400, "no_text")
    bad = await hook(slack).send(text="x", blocks=[{"type": "section"}])
    assert (bad.status_code, bad.body) == (400, "invalid_blocks")
    lost = await hook(slack).send_dict({"text": "x", "thread_ts": "1.000001"})
    assert (lost.status_code, lost.body) == (400, "thread_not_found")
    nothing = await hook(slack).send_dict([])  # type: ignore[arg-type]
    assert (nothing.status_code, nothing.body) == (400, "invalid_payload")
    bad = await hook(slack).send(text="x", blocks=[{"type": "section"}])
    assert slack.calls[-1].response == {"ok": False, "status": 400, "body": "invalid_blocks"}


async def test_a_response_url_fails_like_any_other_call(slack: FakeSlack) -> None:
    slack.fail("response_url", Error("expired_url"), ServerError(500))
    assert (await hook(slack).send(text="x")).status_code == 404
    assert (await hook(slack).send(text="x")).status_code == 500
    assert slack.workspace.ephemerals(ANN) == []


async def test_without_an_address_nothing_can_be_delivered(slack: FakeSlack) -> None:
    with pytest.raises(RuntimeError, match="deliver_to"):
        await slack.as_user(ANN).command("/ask", channel=REVIEW)


# --- signed deliveries ----------------------------------------------------------------------------


@pytest.fixture
def heard(bolt: AsyncApp) -> list[dict[str, Any]]:
    """The commands that the bot took."""
    taken: list[dict[str, Any]] = []

    @bolt.command("/ask")
    async def ask(ack: Any, command: Any) -> None:
        taken.append(command)
        await ack()

    return taken


async def test_only_a_signature_opens_the_door(slack: FakeSlack, heard: list[Any]) -> None:
    await slack.as_user(ANN).command("/ask", channel=REVIEW)
    [first] = slack.deliveries
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    unsigned = await slack.deliver_raw(first.body, form)
    tampered = await slack.deliver_raw(first.body + b"&x=1", first.headers)
    old = await slack.deliver_raw(first.body, {**form, **slack.sign(first.body, 1_000_000)})
    assert [d.status for d in (first, unsigned, tampered, old)] == [200, 401, 401, 401]
    assert len(heard) == 1


async def test_the_same_bytes_can_come_again(slack: FakeSlack, heard: list[Any]) -> None:
    await slack.as_user(ANN).command("/ask", channel=REVIEW)
    [first] = slack.deliveries
    second = await slack.redeliver(first)
    third = await slack.redeliver(first, at_once=False)
    assert second.body == third.body == first.body
    assert second.headers == first.headers
    assert heard[0] == heard[1] == heard[2]


async def test_a_late_answer_is_none(clock: SandboxClock, slack: FakeSlack, bolt: AsyncApp) -> None:
    slack.ack_limit = 0.05

    @bolt.command("/ask")
    async def ask(ack: Any) -> None:
        await asyncio.sleep(0.2)
        await ack("too late")

    answer = await slack.as_user(ANN).command("/ask", channel=REVIEW)
    assert (answer.status, answer.error) == (0, "operation_timeout")
    [shown] = slack.workspace.ephemerals(ANN)
    assert shown.text == '/ask failed with the error "operation_timeout"'
    await asyncio.sleep(0.25)


async def test_a_broken_answer_to_a_command_is_shown_as_such(
    slack: FakeSlack, bolt: AsyncApp
) -> None:
    @bolt.command("/ask")
    async def ask(ack: Any) -> None:
        await ack(text="x", blocks=[{"type": "section"}])

    answer = await slack.as_user(ANN).command("/ask", channel=REVIEW)
    assert "invalid_blocks" in str(answer.error)
    unknown = await slack.as_user(ANN).command("/nothing", channel=REVIEW)
    assert (unknown.status, unknown.error) == (404, "dispatch_failed")


async def test_text_is_escaped_for_the_commands_that_want_it(
    slack: FakeSlack, bolt: AsyncApp
) -> None:
    for name in ("/audit", "/request-deactivate"):
        bolt.command(name)(_just_ack)
    await slack.as_user(ANN).command("/audit", "by:@bob in #review <3", channel=REVIEW)
    await slack.as_user(ANN).command("/request-deactivate", "@bob", channel=REVIEW)
    texts = [d.payload["text"] for d in slack.deliveries]
    assert texts == [f"by:<@{BOB}|bob> in <#{REVIEW}|review> &lt;3", "@bob"]


async def _just_ack(ack: Any) -> None:
    await ack()


# --- events ----------------------------------------------------------------------------------------


async def test_a_changed_group_is_told(slack: FakeSlack, bolt: AsyncApp) -> None:
    events = []

    @bolt.event("subteam_members_changed")
    async def changed(event: Any, body: Any) -> None:
        events.append((event["added_users"], event["removed_users"], body["event_id"]))

    slack.workspace.set_usergroup("S01TS", [BOB])
    await slack.settled()
    assert events == [([BOB], [ANN], "Ev0000000001")]
    slack.workspace.archive(REVIEW)  # not subscribed to
    await slack.settled()
    assert len(slack.deliveries) == 1


async def test_opening_home_is_an_event(slack: FakeSlack, bolt: AsyncApp) -> None:
    opened = []

    @bolt.event("app_home_opened")
    async def home(event: Any) -> None:
        opened.append(event["user"])

    assert (await slack.as_user(ANN).open_home()).status == 200
    assert opened == [ANN]


async def test_an_unanswered_event_comes_again_and_says_so(
    slack: FakeSlack, bolt: AsyncApp, clock: SandboxClock
) -> None:
    slack.retry_events = True
    retries = []

    @bolt.event("user_change")
    async def changed(request: Any) -> None:
        retries.append(request.headers.get("x-slack-retry-num"))
        raise RuntimeError("not today")

    slack.workspace.user_change(BOB, deleted=True)
    while len(slack.deliveries) < 2:
        await asyncio.sleep(0.01)
    clock.skip(60_000)
    while len(slack.deliveries) < 3:
        await asyncio.sleep(0.01)
    clock.skip(240_000)
    await slack.settled()
    assert retries == [None, ["1"], ["2"], ["3"]]
    assert len({json.loads(d.body)["event_id"] for d in slack.deliveries}) == 1
    again = await slack.retry(slack.deliveries[0], 4)
    assert again.headers["X-Slack-Retry-Reason"] == "http_error"


# --- the screen ---------------------------------------------------------------------------------------


async def test_each_person_sees_their_own_screen(slack: FakeSlack, client: AsyncWebClient) -> None:
    changes: list[int] = []
    slack.on_change.append(lambda: changes.append(1))
    card = (await client.chat_postMessage(channel=REVIEW, text="card"))["ts"]
    await client.chat_postMessage(channel=REVIEW, text="re", thread_ts=card)
    await client.chat_postEphemeral(channel=REVIEW, user=ANN, text="psst")
    await client.chat_postMessage(channel=ANN, text="hello")
    assert len(changes) == 4

    seen = slack.seen_by(ANN)
    json.dumps(seen)
    review = next(c for c in seen["channels"] if c["id"] == REVIEW)
    assert [m["text"] for m in review["messages"]] == ["card", "psst"]
    assert [m["text"] for m in review["messages"][0]["replies"]] == ["re"]
    assert [m["text"] for m in seen["dm"]["messages"]] == ["hello"]

    seen = slack.seen_by(BOB)
    assert [m["text"] for c in seen["channels"] for m in c["messages"]] == ["card"]
    assert seen["dm"] is None


async def test_it_can_be_served_on_somebody_elses_port(clock: SandboxClock) -> None:
    slack = FakeSlack(clock)
    app = web.Application()
    slack.routes(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    slack.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    client = AsyncWebClient(slack.bot_token, base_url=slack.api_url, retry_handlers=[])
    assert (await client.auth_test())["team_id"] == "T01TEST"
    await slack.stop()
    await runner.cleanup()
