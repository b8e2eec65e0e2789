"""A person at Slack: what they can see, they can click; what the client refuses, is not sent."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.sandbox.slack.blocks import elements_of
from bot.sandbox.slack.chat import checked_blocks, checked_words
from bot.sandbox.slack.deliveries import Courier, Delivery, Json
from bot.sandbox.slack.forms import NoSuchField, complaints, entered, fields, initial_state, option
from bot.sandbox.slack.payloads import Payloads
from bot.sandbox.slack.records import SLACKBOT, Message, User, View
from bot.sandbox.slack.refusal import Refusal
from bot.sandbox.slack.workspace import Workspace

TROUBLE = "We had some trouble connecting. Try again?"
INCOMPLETE = "incomplete"
CONFIRM = "confirm"

Value = str | list[str] | None


class NoSuchButton(LookupError):
    """It is not on the person's screen."""


@dataclass(frozen=True)
class Answer:
    """How the bot answered, and what that was to the person.

    `status` 0: not within three seconds, or nothing was sent at all (`sent`). `error` is what
    Slack's client makes of a bad answer, or why it sent nothing.
    """

    status: int
    body: Json | str | None
    seconds: float
    sent: bool = True
    error: str | None = None


class Hand:
    def __init__(self, user: User, ws: Workspace, payloads: Payloads, courier: Courier) -> None:
        self.user = user
        self._ws = ws
        self._payloads = payloads
        self._courier = courier

    # --- commands ----------------------------------------------------------------------------

    async def command(self, command: str, text: str = "", *, channel: str) -> Answer:
        payload = self._payloads.command(self.user, command, text, channel)
        delivery = await self._courier.deliver("command", payload)
        error = _failure(delivery)
        if error is None:
            error = self._show_reply(delivery.answer, channel)
        if error is not None:
            said = f'{command} failed with the error "{error}"'
            self._ws.whisper(self.user.id, channel, said, sender=SLACKBOT)
        return _answer(delivery, error)

    def _show_reply(self, reply: Json | str | None, channel: str) -> str | None:
        """Put the answer to a command where Slack puts it; what is wrong with it, if anything."""
        if reply is None:
            return None
        said = {"text": reply} if isinstance(reply, str) else reply
        try:
            blocks = checked_blocks(self._ws, said.get("blocks"))
            checked_words(self._ws, str(said.get("text", "")), blocks)
        except Refusal as refusal:
            return "; ".join([refusal.error, *refusal.messages])
        if said.get("response_type") == "in_channel":
            self._ws.post(channel, said["text"], blocks)
        else:
            self._ws.whisper(self.user.id, channel, said["text"], blocks)
        return None

    # --- clicks --------------------------------------------------------------------------------

    async def click(
        self,
        where: Message | View,
        action_id: str,
        value: str | None = None,
        *,
        confirm: bool = True,
        stale: bool = False,
    ) -> Answer:
        """Click the button with this action id, and this value if several have it.

        `confirm=False`: say no in the dialogue that asks, if there is one. `stale`: click what
        `where`, a copy made earlier, showed, as somebody does whose screen is behind.
        """
        block, element = self._find(where, action_id, "button", value=value, stale=stale)
        if "confirm" in element and not confirm:
            return Answer(0, None, 0.0, sent=False, error=CONFIRM)
        return await self._act(where, block, element, {}, stale=stale)

    async def choose(
        self,
        where: Message | View,
        action_id: str,
        choice: str | Sequence[str] | None,
        *,
        confirm: bool = True,
        stale: bool = False,
    ) -> Answer:
        """Pick an option of an overflow menu, a select, radio buttons or checkboxes, or a date."""
        block, element = self._find(where, action_id, None, value=None, stale=stale)
        if element["type"] == "button":
            raise NoSuchButton(f"{action_id} is a button: click it")
        if "confirm" in element and not confirm:
            return Answer(0, None, 0.0, sent=False, error=CONFIRM)
        if element["type"] == "overflow":
            chosen: Json = {"selected_option": option(element, str(choice))}
        else:
            wanted = choice if choice is None or isinstance(choice, str) else list(choice)
            chosen = entered(element, wanted)
            if isinstance(where, View):
                where.state[block["block_id"]][action_id] = chosen
                self._ws.changed()
        if block["type"] == "input" and not block.get("dispatch_action"):
            return Answer(0, None, 0.0, sent=False)
        return await self._act(where, block, element, chosen, stale=stale)

    async def _act(
        self, where: Message | View, block: Json, element: Json, chosen: Json, *, stale: bool
    ) -> Answer:
        action = self._payloads.action(block, element, chosen)
        if isinstance(where, View):
            payload = self._payloads.view_action(self.user, where, action)
        else:
            shown = where if stale else self._current(where)
            state = initial_state(shown.blocks)
            if block["block_id"] in state:
                state[block["block_id"]][element["action_id"]] = chosen
            there = self._ws.message(where.channel, where.ts) or shown
            payload = self._payloads.message_action(self.user, there, action, state)
        delivery = await self._courier.deliver("block_actions", payload)
        return _answer(delivery, _failure(delivery))

    def _find(
        self,
        where: Message | View,
        action_id: str,
        kind: str | None,
        *,
        value: str | None,
        stale: bool,
    ) -> tuple[Json, Json]:
        shown = where if stale or isinstance(where, View) else self._current(where)
        if isinstance(where, View) and not self._has_open(where):
            raise NoSuchButton(f"{self.user.id} does not have this view on top")
        offered = []
        for block in shown.blocks:
            for element in elements_of(block):
                offered.append(element["action_id"])
                fits = element["action_id"] == action_id and kind in (None, element["type"])
                if fits and value in (None, element.get("value")):
                    return block, element
        raise NoSuchButton(f"no {action_id!r} here, only: {', '.join(offered) or 'nothing'}")

    def _current(self, message: Message) -> Message:
        """What the person sees now where `message` was posted."""
        if message.ephemeral_to is None:
            message = self._ws.message(message.channel, message.ts) or message
        if not self._ws.sees(self.user.id, message):
            raise NoSuchButton(f"{self.user.id} does not see this message")
        return message

    def _has_open(self, view: View) -> bool:
        top = self._ws.views(self.user.id)[-1:]
        return any(one is view for one in [*top, self._ws.home(self.user.id)])

    # --- forms -----------------------------------------------------------------------------------

    def fill(self, values: Mapping[str, Value]) -> View:
        """Enter values into the form on top, without sending it: "block_id.action_id" -> value."""
        view = self._top()
        shown = {
            f"{block['block_id']}.{element['action_id']}": (block, element)
            for block, element in fields(view.blocks)
        }
        for name, value in values.items():
            if name not in shown:
                raise NoSuchField(f"no field {name!r} here, only: {', '.join(shown)}")
            block, element = shown[name]
            view.state[block["block_id"]][element["action_id"]] = entered(element, value)
        self._ws.changed()
        return view

    async def submit(self, values: Mapping[str, Value] | None = None) -> Answer:
        """Fill the form on top, send it, and let Slack do what the bot answers."""
        view = self.fill(values or {})
        if view.text_of("submit") is None:
            raise NoSuchButton("this view has no button to submit it")
        view.trouble = None
        view.errors = complaints(view.blocks, view.state)
        self._ws.changed()
        if view.errors:
            return Answer(0, None, 0.0, sent=False, error=INCOMPLETE)
        delivery = await self._courier.deliver(
            "view_submission", self._payloads.submission(self.user, view)
        )
        error = _failure(delivery)
        if error is None:
            try:
                self._obey(view, delivery.answer)
            except Refusal as refusal:
                error = "; ".join([refusal.error, *refusal.messages])
        if error is not None:
            view.trouble = TROUBLE
            self._ws.changed()
        return _answer(delivery, error)

    def _obey(self, view: View, answer: Json | str | None) -> None:
        """Do what a `response_action` says; an empty answer closes the form."""
        if answer is None or answer == {}:
            self._ws.modals.close(view)
            return
        said = answer if isinstance(answer, dict) else {"response_action": answer}
        match said.get("response_action"):
            case "errors":
                errors = said.get("errors")
                inputs = {b["block_id"] for b in view.blocks if b["type"] == "input"}
                if not isinstance(errors, dict) or not errors or not set(errors) <= inputs:
                    raise Refusal("invalid_errors", [f"errors must name inputs of {inputs}"])
                view.errors = dict(errors)
                self._ws.changed()
            case "update":
                self._ws.modals.replace(view, said.get("view"))
            case "push":
                self._ws.modals.push(self.user.id, said.get("view"))
            case "clear":
                self._ws.modals.clear(self.user.id)
            case other:
                raise Refusal("invalid_response_action", [str(other)])

    async def close(self) -> Answer:
        """Close the view on top; the bot hears of it if it asked to."""
        view = self._top()
        clears = bool(view.content.get("clear_on_close"))
        closing = self._ws.views(self.user.id)[::-1] if clears else [view]
        if clears:
            self._ws.modals.clear(self.user.id)
        else:
            self._ws.modals.close(view)
        answer = Answer(0, None, 0.0, sent=False)
        for one in closing:
            if one.content.get("notify_on_close"):
                payload = self._payloads.closed(self.user, one, cleared=clears)
                delivery = await self._courier.deliver("view_closed", payload)
                answer = _answer(delivery, _failure(delivery))
        return answer

    def _top(self) -> View:
        stack = self._ws.views(self.user.id)
        if not stack:
            raise NoSuchButton(f"{self.user.id} has no view open")
        return stack[-1]

    # --- Home ------------------------------------------------------------------------------------

    async def open_home(self) -> Answer:
        delivery = await self._courier.deliver("event", self._payloads.home_opened(self.user))
        return _answer(delivery, _failure(delivery))

    def look(self, message: Message) -> Message:
        """A copy of what stands on the screen now, to click on later with `stale=True`."""
        return copy.deepcopy(self._current(message))


def _failure(delivery: Delivery) -> str | None:
    if delivery.status == 0:
        return "operation_timeout"
    return None if delivery.status == 200 else "dispatch_failed"


def _answer(delivery: Delivery, error: str | None) -> Answer:
    return Answer(delivery.status, delivery.answer, delivery.elapsed, error=error)
