"""Whole interactions: a person, Slack, and a bot of a few lines behind real Bolt."""

from typing import Any

import pytest
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.slack import FakeSlack
from bot.sandbox.slack.forms import REQUIRED, NoSuchField
from bot.sandbox.slack.hands import NoSuchButton

from .conftest import ANN, BOB, EVE, REVIEW

PLAIN = {"type": "plain_text", "text": "Go"}
ASK = {
    "title": {"type": "plain_text", "text": "Sure?"},
    "text": {"type": "plain_text", "text": "Really?"},
    "confirm": {"type": "plain_text", "text": "Yes"},
    "deny": {"type": "plain_text", "text": "No"},
}
CARD: list[dict[str, Any]] = [
    {
        "type": "actions",
        "block_id": "decide",
        "elements": [
            {"type": "button", "action_id": "approve", "value": "R-1", "text": PLAIN},
            {"type": "button", "action_id": "veto", "value": "R-1", "text": PLAIN, "confirm": ASK},
            {
                "type": "overflow",
                "action_id": "more",
                "options": [{"text": PLAIN, "value": "details"}, {"text": PLAIN, "value": "help"}],
            },
        ],
    }
]


def modal(**more: Any) -> dict[str, Any]:
    return {
        "type": "modal",
        "callback_id": "form",
        "private_metadata": "R-1",
        "title": PLAIN,
        "submit": PLAIN,
        "blocks": [
            {
                "type": "input",
                "block_id": "reason",
                "label": PLAIN,
                "element": {
                    "type": "plain_text_input",
                    "action_id": "reason",
                    "min_length": 3,
                    "max_length": 20,
                },
            },
            {
                "type": "input",
                "block_id": "code",
                "label": PLAIN,
                "optional": True,
                "element": {
                    "type": "static_select",
                    "action_id": "code",
                    "options": [{"text": PLAIN, "value": "spam"}, {"text": PLAIN, "value": "scam"}],
                },
            },
        ],
        **more,
    }


async def test_a_command_is_answered_privately(slack: FakeSlack, bolt: AsyncApp) -> None:
    seen: dict[str, Any] = {}

    @bolt.command("/ask")
    async def ask(ack: Any, command: Any) -> None:
        seen.update(command)
        await ack(f"hello {command['user_id']}")

    answer = await slack.as_user(ANN).command("/ask", "@bob & co", channel=REVIEW)
    assert (answer.status, answer.body, answer.error) == (200, f"hello {ANN}", None)
    assert [m.text for m in slack.workspace.ephemerals(ANN)] == [f"hello {ANN}"]
    assert slack.workspace.ephemerals(BOB) == []
    assert seen["text"] == "@bob & co"
    assert seen["team_id"] == "T01TEST"


async def test_a_click_carries_the_message_and_is_answered_through_its_url(
    slack: FakeSlack, bolt: AsyncApp, client: AsyncWebClient
) -> None:
    bodies = []

    @bolt.action("approve")
    async def approve(ack: Any, body: Any, respond: Any) -> None:
        bodies.append(body)
        await ack()
        await respond("you approved", replace_original=False)

    metadata = {"event_type": "card", "event_payload": {"request": "R-1"}}
    await client.chat_postMessage(channel=REVIEW, text="card", blocks=CARD, metadata=metadata)
    [card] = slack.workspace.messages(REVIEW)
    answer = await slack.as_user(BOB).click(card, "approve")
    assert answer.status == 200
    [body] = bodies
    assert body["user"] == {"id": BOB, "username": "bob", "name": "bob", "team_id": "T01TEST"}
    assert body["message"]["metadata"] == metadata
    assert body["container"]["message_ts"] == card.ts
    assert body["actions"][0]["value"] == "R-1"
    assert [m.text for m in slack.workspace.ephemerals(BOB)] == ["you approved"]


async def test_a_form_is_opened_checked_and_submitted(
    slack: FakeSlack, bolt: AsyncApp, client: AsyncWebClient
) -> None:
    got = []

    @bolt.action("veto")
    async def veto(ack: Any, body: Any, client: AsyncWebClient) -> None:
        await client.views_open(trigger_id=body["trigger_id"], view=modal())
        await ack()

    @bolt.view("form")
    async def form(ack: Any, view: Any) -> None:
        got.append(view)
        value = view["state"]["values"]["reason"]["reason"]["value"]
        if value == "bad":
            await ack(response_action="errors", errors={"reason": "not that"})
        else:
            await ack()

    await client.chat_postMessage(channel=REVIEW, text="card", blocks=CARD)
    [card] = slack.workspace.messages(REVIEW)
    bob = slack.as_user(BOB)
    await bob.click(card, "veto")
    [view] = slack.workspace.views(BOB)

    answer = await bob.submit()
    assert (answer.sent, view.errors) == (False, {"reason": REQUIRED})
    answer = await bob.submit({"reason.reason": "x" * 21})
    assert not answer.sent
    answer = await bob.submit({"reason.reason": "no"})
    assert not answer.sent
    assert got == []

    await bob.submit({"reason.reason": "bad"})
    assert view.errors == {"reason": "not that"}
    await bob.submit({"reason.reason": "because", "code.code": "spam"})
    assert slack.workspace.views(BOB) == []
    assert got[1]["private_metadata"] == "R-1"
    assert got[1]["state"]["values"]["code"]["code"]["selected_option"]["value"] == "spam"


async def test_a_button_that_is_not_shown_cannot_be_clicked(
    slack: FakeSlack, bolt: AsyncApp, client: AsyncWebClient
) -> None:
    posted = await client.chat_postMessage(channel=REVIEW, text="card", blocks=CARD)
    [card] = slack.workspace.messages(REVIEW)
    with pytest.raises(NoSuchButton):
        await slack.as_user(BOB).click(card, "restore")
    with pytest.raises(NoSuchButton):
        await slack.as_user(EVE).click(card, "approve")
    old = slack.as_user(BOB).look(card)
    await client.chat_update(channel=REVIEW, ts=posted["ts"], text="closed", blocks=[])
    with pytest.raises(NoSuchButton):
        await slack.as_user(BOB).click(old, "approve")

    values = []

    @bolt.action("approve")
    async def approve(ack: Any, action: Any) -> None:
        values.append(action["value"])
        await ack()

    await slack.as_user(BOB).click(old, "approve", stale=True)
    assert values == ["R-1"]


async def test_a_dialogue_can_be_declined_and_a_menu_chosen_from(
    slack: FakeSlack, bolt: AsyncApp, client: AsyncWebClient
) -> None:
    chosen = []

    @bolt.action("more")
    async def more(ack: Any, action: Any) -> None:
        chosen.append(action["selected_option"]["value"])
        await ack()

    await client.chat_postMessage(channel=REVIEW, text="card", blocks=CARD)
    [card] = slack.workspace.messages(REVIEW)
    declined = await slack.as_user(BOB).click(card, "veto", confirm=False)
    assert not declined.sent
    assert slack.deliveries == []
    await slack.as_user(BOB).choose(card, "more", "details")
    assert chosen == ["details"]
    with pytest.raises(NoSuchField):
        await slack.as_user(BOB).choose(card, "more", "nonsense")
    with pytest.raises(NoSuchButton):
        await slack.as_user(BOB).choose(card, "approve", "R-1")


async def test_someone_of_another_organisation_clicks_in_their_own_name(
    slack: FakeSlack, bolt: AsyncApp, client: AsyncWebClient
) -> None:
    bodies = []

    @bolt.action("approve")
    async def approve(ack: Any, body: Any) -> None:
        bodies.append(body)
        await ack()

    slack.workspace.join(REVIEW, EVE)
    await client.chat_postMessage(channel=REVIEW, text="card", blocks=CARD)
    [card] = slack.workspace.messages(REVIEW)
    await slack.as_user(EVE).click(card, "approve")
    assert bodies[0]["user"]["team_id"] == "T66OTHER"
    assert bodies[0]["team"]["id"] == "T66OTHER"
    shown = (await client.users_info(user=EVE))["user"]
    assert shown["is_stranger"]
    assert "email" not in shown["profile"]


async def test_a_private_message_is_clicked_by_its_reader_alone(
    slack: FakeSlack, bolt: AsyncApp, client: AsyncWebClient
) -> None:
    bodies = []

    @bolt.action("approve")
    async def approve(ack: Any, body: Any, respond: Any) -> None:
        bodies.append(body)
        await ack()
        await respond("done", replace_original=True)

    await client.chat_postEphemeral(channel=REVIEW, user=BOB, text="yours?", blocks=CARD)
    [private] = slack.workspace.ephemerals(BOB)
    with pytest.raises(NoSuchButton):
        await slack.as_user(ANN).click(private, "approve")
    await slack.as_user(BOB).click(private, "approve", value="R-1")
    assert bodies[0]["container"]["is_ephemeral"]
    assert "message" not in bodies[0]
    assert (private.text, private.blocks) == ("done", [])
