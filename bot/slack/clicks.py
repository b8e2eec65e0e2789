"""Buttons and the small forms: each is parsed into a command, handled, and answered."""

from collections.abc import Sequence
from typing import Any

from bot.core.assess import may
from bot.core.commands import Approve, Restore, Retract, Settle, Veto, Withdraw
from bot.core.decide import Refused
from bot.core.events import RequestEvent
from bot.core.request import Phase, Request, evolve
from bot.core.rules import Act
from bot.engine import Done, Engine
from bot.ports import Nudge
from bot.slack.screen import Body, NotShown, Screen
from bot.slack.views import forms, ids
from bot.slack.views.card import parse_more
from bot.slack.views.common import Block, typed, when
from bot.slack.views.ids import Ref
from bot.slack.views.told import answered, thread
from bot.store import ledger

FORGED = "This button is not one of ours, or is broken: nothing was changed."


class Clicks:
    def __init__(self, engine: Engine, screen: Screen, nudge: Nudge) -> None:
        self._engine = engine
        self._screen = screen
        self._nudge = nudge

    # --- buttons --------------------------------------------------------------------------------

    async def decide(self, body: Body, ack: Any) -> None:
        """Approve, Retract and Withdraw: one click is all they take."""
        action = body["actions"][0]
        name, value = action["action_id"], action.get("value")
        if name == "more":
            name, value = parse_more(action["selected_option"]["value"])
        ref = ids.parse(value)
        outcome = await self._decided(body, name, ref, action)
        await ack()
        self._screen.tell(body, _words(outcome))
        if ref is not None and body.get("view", {}).get("callback_id") == forms.DETAILS:
            self._screen.later(self._show_again(body, ref.request))

    async def _decided(self, body: Body, name: str, ref: Ref | None, action: Body) -> str | Done:
        if ref is None:
            return FORGED
        person = body["user"]["id"]
        command: Approve | Retract | Withdraw
        match name:
            case "approve":
                command = Approve(person, ref.request, ref.round, ref.digest8)
            case "retract":
                command = Retract(person, ref.request)
            case "withdraw":
                command = Withdraw(person, ref.request)
            case _:
                return FORGED
        delivery = f"click/{person}/{action['action_id']}/{action['action_ts']}"
        return await self._carry_out(command, delivery)

    async def _carry_out(self, command: Approve | Retract | Withdraw, delivery: str) -> str | Done:
        """What came of it, or why it was refused."""
        try:
            return await self._engine.handle(command, delivery)
        except Refused as e:
            return str(e)

    async def open_form(self, body: Body, ack: Any) -> None:
        """Veto, Restore, Settle, and Approve in the top tiers: a form comes first."""
        action = body["actions"][0]
        name, ref = action["action_id"], ids.parse(action.get("value"))
        text = FORGED if ref is None else await self._open(body, name, ref)
        await ack()
        if text:
            self._screen.tell(body, text)

    async def _open(self, body: Body, name: str, ref: Ref) -> str:
        act = {
            "veto": Act.VETO,
            "restore": Act.RESTORE,
            "settle": Act.SETTLE,
            "approve_form": Act.APPROVE,
        }[name]
        person = body["user"]["id"]
        if (why := await self._engine.objection(act, person, ref.request)) is not None:
            return why
        judged = await self._engine.assessment(ref.request)
        assert judged is not None
        a = judged[0]
        view: Block
        match act:
            case Act.VETO:
                view = forms.veto(a.request)
            case Act.RESTORE:
                view = forms.restore(a.request)
            case Act.SETTLE:
                view = forms.settle(a.request)
            case _:
                if ref != ids.ref(a.request):
                    return f"This card is of an earlier round of {ref.request}: see the newest."
                view = forms.approve(a, self._engine.reversibility(a.request))
        try:
            await self._screen.open(body, view)
        except NotShown as e:
            return f"{e}. Nothing was changed: please try again."
        return ""

    async def veto_by_command(self, body: Body, id: str) -> str:
        """`/request-deactivate veto R-n`: the same form, from anywhere. The answer, if any."""
        if (why := await self._engine.objection(Act.VETO, body["user_id"], id)) is not None:
            return why
        request = await self._engine.request(id)
        assert request is not None
        try:
            await self._screen.open(body, forms.veto(request))
        except NotShown as e:
            return f"{e}. Nothing was changed: please try again."
        return ""

    async def withdraw_by_command(self, body: Body, id: str) -> str:
        command = Withdraw(body["user_id"], id)
        return _words(await self._carry_out(command, f"command/{body['trigger_id']}"))

    async def check_again(self, body: Body, ack: Any) -> None:
        """Look at an unknown effect now; never bring it about again."""
        ref = ids.parse(body["actions"][0].get("value"))
        text = FORGED if ref is None else await self._check(body["user"]["id"], ref.request)
        await ack()
        self._screen.tell(body, text)

    async def _check(self, person: str, id: str) -> str:
        if (why := await self._engine.objection(Act.LOOK, person, id)) is not None:
            return why
        judged = await self._engine.assessment(id)
        assert judged is not None
        if judged[0].phase is not Phase.UNKNOWN:
            return answered(judged[0])
        await self._nudge(id)
        return f"{id} is being looked at now; the card shows what is seen."

    async def details(self, body: Body, ack: Any) -> None:
        """Everything about a request, with the buttons that this one person may press."""
        ref = ids.parse(body["actions"][0].get("value"))
        text = FORGED if ref is None else await self._show(body, ref.request)
        await ack()
        if text:
            self._screen.tell(body, text)

    async def _show(self, body: Body, id: str) -> str:
        person = body["user"]["id"]
        if (why := await self._engine.objection(Act.LOOK, person, id)) is not None:
            return why
        try:
            await self._screen.open(body, await self._details(id, person))
        except NotShown as e:
            return f"{e}. Please try again."
        return ""

    async def _show_again(self, body: Body, id: str) -> None:
        """The Details that somebody acted in, as they are now."""
        person = body["user"]["id"]
        if await self._engine.objection(Act.LOOK, person, id) is None:
            await self._screen.update(body["view"]["id"], await self._details(id, person))

    async def _details(self, id: str, person: str) -> Block:
        judged = await self._engine.assessment(id, person)
        assert judged is not None
        a, facts, now = judged
        story = await self._story(id)
        acts = may(a, person, facts, now)
        return forms.details(a, self._engine.reversibility(a.request), acts, story)

    async def _story(self, id: str) -> Sequence[str]:
        request: Request | None = None
        lines = []
        for _, event in await self._engine.store.run(lambda tx: ledger.events(tx, id), alone=False):
            assert isinstance(event, RequestEvent)
            request = evolve(request, event)
            lines.append(f"{when(event.at)} · {thread(request, event)}")
        return lines

    # --- the small forms --------------------------------------------------------------------------

    async def submitted(self, body: Body, ack: Any) -> None:
        view, person = body["view"], body["user"]["id"]
        ref = ids.parse(view["private_metadata"])
        name = view["callback_id"]
        if ref is None:
            await ack(response_action="update", view=forms.told("Not done", FORGED))
            return
        delivery = f"form/{view['id']}"
        reason = typed(view, "reason")
        if len(reason) > forms.REASON_MOST:  # Slack sees to it
            most = f"At most {forms.REASON_MOST} characters; these are {len(reason)}."
            await ack(response_action="errors", errors={"reason": most})
            return
        command: Approve | Veto | Restore | Settle
        match name:
            case forms.APPROVE:
                command = Approve(person, ref.request, ref.round, ref.digest8)
            case forms.VETO:
                command = Veto(person, ref.request, reason)
            case forms.RESTORE:
                command = Restore(person, ref.request, reason)
            case _:
                command = Settle(person, ref.request, typed(view, "effect") == "yes", reason)
        try:
            done = await self._engine.handle(command, delivery)
        except Refused as e:
            if name == forms.APPROVE:
                await ack(response_action="update", view=forms.told("Not approved", str(e)))
            else:
                await ack(response_action="errors", errors={"reason": str(e)[:1900]})
            return
        assert done.request is not None
        told = forms.told(done.request.id, answered(done.assessment))
        await ack(response_action="update", view=told)


def _words(outcome: str | Done) -> str:
    if isinstance(outcome, str):
        return outcome
    state = answered(outcome.assessment)
    return f"This was counted already: {state}" if outcome.duplicate else state
