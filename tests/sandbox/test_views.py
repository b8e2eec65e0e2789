"""Modals and Homes: triggers, hashes, stacks, and what closing one does."""

from typing import Any

import pytest
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.clock import SandboxClock
from bot.sandbox.slack import FakeSlack
from bot.sandbox.slack.forms import NoSuchField
from bot.sandbox.slack.hands import NoSuchButton

from .conftest import ANN, BOB, EVE
from .test_refusals import refused

PLAIN = {"type": "plain_text", "text": "Go"}


def modal(name: str = "one", **more: Any) -> dict[str, Any]:
    return {
        "type": "modal",
        "callback_id": name,
        "title": PLAIN,
        "submit": PLAIN,
        "blocks": [
            {
                "type": "input",
                "block_id": "why",
                "optional": True,
                "label": PLAIN,
                "element": {"type": "plain_text_input", "action_id": "why"},
            }
        ],
        **more,
    }


def home(text: str) -> dict[str, Any]:
    section = {"type": "section", "text": {"type": "plain_text", "text": text}}
    return {"type": "home", "blocks": [section]}


def trigger(slack: FakeSlack, user: str = ANN, view_id: str | None = None) -> str:
    return slack.workspace.tickets.trigger(user, view_id)


async def test_a_trigger_works_once_and_for_three_seconds(
    slack: FakeSlack, client: AsyncWebClient, clock: SandboxClock
) -> None:
    assert await refused(client.views_open(trigger_id="1.2.3", view=modal())) == (
        "invalid_trigger_id"
    )
    once = trigger(slack)
    await client.views_open(trigger_id=once, view=modal())
    assert await refused(client.views_open(trigger_id=once, view=modal())) == (
        "exchanged_trigger_id"
    )
    late = trigger(slack)
    clock.skip(3001)
    assert await refused(client.views_open(trigger_id=late, view=modal())) == "expired_trigger_id"


async def test_three_views_stand_on_one_another_and_not_four(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    assert await refused(client.views_push(trigger_id=trigger(slack), view=modal())) == "not_found"
    gone = trigger(slack, ANN, "V99")
    opened = await client.views_open(trigger_id=trigger(slack), view=modal())
    assert await refused(client.views_push(trigger_id=gone, view=modal())) == "not_found"
    root = opened["view"]["id"]
    for _ in range(2):
        top = slack.workspace.views(ANN)[-1].id
        pushed = await client.views_push(trigger_id=trigger(slack, ANN, top), view=modal())
        assert pushed["view"]["root_view_id"] == root
        assert pushed["view"]["previous_view_id"] == top
    fourth = client.views_push(trigger_id=trigger(slack, ANN, root), view=modal())
    assert await refused(fourth) == "push_limit_reached"


async def test_an_update_keeps_what_was_typed_and_changes_the_hash(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    opened = (await client.views_open(trigger_id=trigger(slack), view=modal()))["view"]
    slack.as_user(ANN).fill({"why.why": "because"})
    updated = await client.views_update(
        view_id=opened["id"], hash=opened["hash"], view=modal(private_metadata="2")
    )
    assert updated["view"]["state"]["values"]["why"]["why"]["value"] == "because"
    again = client.views_update(view_id=opened["id"], hash=opened["hash"], view=modal())
    assert await refused(again) == "hash_conflict"
    assert await refused(client.views_update(view_id="V99", view=modal())) == "not_found"
    slack.workspace.modals.clear(ANN)
    gone = client.views_update(view_id=opened["id"], view=modal())
    assert await refused(gone) == "not_found"


async def test_an_external_id_is_unique_and_finds_its_view(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    named = modal(external_id="R-1")
    await client.views_open(trigger_id=trigger(slack), view=named)
    twice = client.views_open(trigger_id=trigger(slack, BOB), view=named)
    assert await refused(twice) == "duplicate_external_id"
    await client.views_update(external_id="R-1", view=modal("two", external_id="R-1"))
    assert slack.workspace.views(ANN)[0].callback_id == "two"


async def test_a_bad_view_is_refused_with_a_pointer(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    broken = modal(title={"type": "plain_text", "text": "x" * 25})
    kept = trigger(slack)
    answer = client.views_open(trigger_id=kept, view=broken)
    assert await refused(answer) == "invalid_arguments"
    assert (await client.views_open(trigger_id=kept, view=modal()))["ok"]
    options = [{"text": PLAIN, "value": f"{n}{'x' * 140}"} for n in range(100)]
    select = {"type": "static_select", "action_id": "a", "options": options}
    large = modal(blocks=[{"type": "input", "label": PLAIN, "element": select}] * 20)
    answer = client.views_open(trigger_id=trigger(slack), view=large)
    assert await refused(answer) == "view_too_large"
    answer = client.views_open(trigger_id=trigger(slack), view=home("x"))
    assert await refused(answer) == "invalid_arguments"


async def test_a_home_belongs_to_somebody_of_this_workspace(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    first = (await client.views_publish(user_id=ANN, view=home("one")))["view"]
    await client.views_publish(user_id=ANN, view=home("two"), hash=first["hash"])
    shown = slack.workspace.home(ANN)
    assert shown is not None
    assert shown.blocks[0]["text"]["text"] == "two"
    stale = client.views_publish(user_id=ANN, view=home("three"), hash=first["hash"])
    assert await refused(stale) == "hash_conflict"
    from_home = trigger(slack, ANN, shown.id)
    pushed = client.views_push(trigger_id=from_home, view=modal())
    assert await refused(pushed) == "not_found"
    stranger = client.views_publish(user_id=EVE, view=home("x"))
    assert await refused(stranger) == "invalid_arguments"


async def test_what_a_submission_answers_is_done(
    slack: FakeSlack, bolt: AsyncApp, client: AsyncWebClient
) -> None:
    answers: list[dict[str, Any]] = [
        {"response_action": "update", "view": modal("one", private_metadata="2")},
        {"response_action": "push", "view": modal("one")},
        {"response_action": "errors", "errors": {"nowhere": "x"}},
        {"response_action": "explode"},
        {"response_action": "push", "view": {"type": "modal"}},
        {},
        {"response_action": "clear"},
    ]

    @bolt.view("one")
    async def one(ack: Any) -> None:
        await ack(**answers.pop(0))

    ann = slack.as_user(ANN)
    await client.views_open(trigger_id=trigger(slack), view=modal())
    await ann.submit()
    [root] = slack.workspace.views(ANN)
    assert root.private_metadata == "2"
    await ann.submit()
    assert len(slack.workspace.views(ANN)) == 2
    answer = await ann.submit()
    assert "invalid_errors" in str(answer.error)
    answer = await ann.submit()
    assert "invalid_response_action" in str(answer.error)
    with pytest.raises(NoSuchField):
        await ann.submit({"why.not": "x"})
    answer = await ann.submit()
    assert "missing required field: title" in str(answer.error)
    assert slack.workspace.views(ANN)[-1].trouble
    await ann.submit()
    assert slack.workspace.views(ANN) == [root]
    await ann.submit()
    assert slack.workspace.views(ANN) == []
    with pytest.raises(NoSuchButton):
        await ann.submit()


async def test_a_view_without_a_submit_button_is_not_submitted(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    reading = {"type": "modal", "title": PLAIN, "blocks": [{"type": "divider"}]}
    await client.views_open(trigger_id=trigger(slack), view=reading)
    with pytest.raises(NoSuchButton):
        await slack.as_user(ANN).submit()


async def test_closing_tells_those_who_asked(
    slack: FakeSlack, bolt: AsyncApp, client: AsyncWebClient
) -> None:
    closed = []

    @bolt.view_closed("one")
    async def one(ack: Any, body: Any) -> None:
        closed.append(body["is_cleared"])
        await ack()

    ann = slack.as_user(ANN)
    await client.views_open(trigger_id=trigger(slack), view=modal())
    assert not (await ann.close()).sent
    await client.views_open(trigger_id=trigger(slack), view=modal(notify_on_close=True))
    assert (await ann.close()).status == 200
    assert closed == [False]


async def test_a_view_that_is_not_on_top_cannot_be_clicked(
    slack: FakeSlack, bolt: AsyncApp, client: AsyncWebClient
) -> None:
    actions = {
        "type": "actions",
        "elements": [{"type": "button", "action_id": "next", "text": PLAIN}],
    }
    bodies = []

    @bolt.action("next")
    async def following(ack: Any, body: Any, client: AsyncWebClient) -> None:
        bodies.append(body)
        await client.views_push(trigger_id=body["trigger_id"], view=modal())
        await ack()

    await client.views_open(trigger_id=trigger(slack), view=modal(blocks=[actions]))
    [view] = slack.workspace.views(ANN)
    await slack.as_user(ANN).click(view, "next")
    assert bodies[0]["container"] == {"type": "view", "view_id": view.id}
    assert "response_url" not in bodies[0]
    assert len(slack.workspace.views(ANN)) == 2
    with pytest.raises(NoSuchButton):
        await slack.as_user(ANN).click(view, "next")
    with pytest.raises(NoSuchButton):
        await slack.as_user(BOB).click(view, "next")


async def test_what_a_form_holds_follows_what_is_typed_and_chosen(
    slack: FakeSlack, bolt: AsyncApp, client: AsyncWebClient
) -> None:
    options = [{"text": PLAIN, "value": value} for value in ("a", "b", "c")]
    elements: dict[str, dict[str, Any]] = {
        "one": {"type": "static_select", "options": options, "initial_option": options[0]},
        "some": {"type": "multi_static_select", "options": options},
        "boxes": {"type": "checkboxes", "options": options},
        "day": {"type": "datepicker", "initial_date": "2025-10-09"},
        "count": {"type": "number_input", "is_decimal_allowed": False, "max_value": "5"},
        "mail": {"type": "email_text_input"},
        "link": {"type": "url_text_input"},
    }
    blocks = [
        {"type": "input", "block_id": name, "label": PLAIN, "element": {**made, "action_id": name}}
        for name, made in elements.items()
    ]
    got = []

    @bolt.view("one")
    async def one(ack: Any, view: Any) -> None:
        got.append(view["state"]["values"])
        await ack()

    await client.views_open(trigger_id=trigger(slack), view=modal(blocks=blocks))
    ann = slack.as_user(ANN)
    [view] = slack.workspace.views(ANN)
    await ann.submit({"count.count": "6", "mail.mail": "ann", "link.link": "here"})
    assert set(view.errors) == {"some", "boxes", "count", "mail", "link"}
    await ann.submit(
        {
            "some.some": ["a", "c"],
            "boxes.boxes": ["b"],
            "count.count": "5",
            "mail.mail": "ann@example.org",
            "link.link": "https://example.org",
        }
    )
    [values] = got
    assert values["one"]["one"]["selected_option"]["value"] == "a"
    assert [o["value"] for o in values["some"]["some"]["selected_options"]] == ["a", "c"]
    assert values["day"]["day"] == {"type": "datepicker", "selected_date": "2025-10-09"}
    assert values["count"]["count"]["value"] == "5"
