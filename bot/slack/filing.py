"""Filing a request: the form, the look-up behind it, and its submission."""

from typing import Any

from bot.core.actions import ACTIONS, ActionKind
from bot.core.commands import File
from bot.core.decide import Refused
from bot.core.facts import Missing, Unread
from bot.core.rules import LOOKUP_KEEPS, Act
from bot.core.subject import Snapshot
from bot.engine import Engine
from bot.slack.background import Background
from bot.slack.screen import Body, NotShown, Screen
from bot.slack.views import file as form
from bot.slack.views.common import Block, typed
from bot.slack.views.told import answered
from bot.store import drafts
from bot.store.drafts import Draft


class Filing:
    def __init__(self, engine: Engine, screen: Screen, background: Background) -> None:
        self._engine = engine
        self._screen = screen
        self._background = background

    async def begin(self, body: Body, action: ActionKind, handle: str) -> str:
        """Open the form at once; the look-up follows. The answer to the command, if there is one."""
        person = body["user_id"]
        act = Act.LOOK_UP if ACTIONS[action].restrictive else Act.LOOK_UP_TO_RESTORE
        if (why := await self._engine.objection(act, person)) is not None:
            return why
        first = form.looking_up(action, handle) if handle else form.ask_handle(action)
        try:
            view_id = await self._screen.open(body, first)
        except NotShown as e:
            return f"{e}. Nothing was filed: please try again."
        if handle:
            self._background.start(self._look_up(view_id, person, action, handle))
        return ""

    async def submitted(self, body: Body, ack: Any) -> None:
        view = body["view"]
        action, person = form.action_of(view), body["user"]["id"]
        if "handle" in view["state"]["values"]:
            handle = typed(view, "handle").strip()
            if not handle:
                await ack(response_action="errors", errors={"handle": "Which account?"})
                return
            await ack(response_action="update", view=form.looking_up(action, handle))
            self._background.start(self._look_up(view["id"], person, action, handle))
            return
        await self._file(body, ack, action, person)

    async def _file(self, body: Body, ack: Any, action: ActionKind, person: str) -> None:
        view = body["view"]
        reason, grounds, errors = form.read(view)
        if errors or reason is None:
            await ack(response_action="errors", errors=errors)
            return
        view_id = view["id"]
        draft = await self._engine.store.run(lambda tx: drafts.draft(tx, view_id), alone=False)
        if draft is None or draft.found is None or draft.person != person:
            gone = form.ask_handle(action, "", "What was looked up is no longer there: once more.")
            await ack(response_action="update", view=gone)
            return
        found = draft.found
        if self._engine.clock.now() - draft.at > LOOKUP_KEEPS:
            # not asked for here: no platform is called between a submission and its answer
            old = "The account was looked up more than five minutes ago; it is looked up again."
            await ack(response_action="update", view=self._found(action, found, old))
            self._background.start(self._look_up(view_id, person, action, draft.handle))
            return
        command = File(person, action, found.subject, reason, grounds)
        try:
            done = await self._engine.handle(command, f"form/{view_id}", found)
        except Refused as e:
            await ack(response_action="update", view=self._found(action, found, str(e)))
            return
        if done.request is None:
            await ack()  # delivered twice: it was filed the first time
            return
        told = form.filed(action, done.request.id, answered(done.assessment))
        await ack(response_action="update", view=told)

    async def _look_up(self, view_id: str, person: str, action: ActionKind, handle: str) -> None:
        """Look the account up, keep what was found for the submission, and show it."""
        found = await self._engine.find(handle)
        view, kept, error = await self._outcome(person, action, handle, found)
        draft = Draft(view_id, person, action, handle, kept, error, self._engine.clock.now())
        await self._engine.store.run(lambda tx: drafts.keep_draft(tx, draft), alone=False)
        await self._screen.update(view_id, view)

    async def _outcome(
        self, person: str, action: ActionKind, handle: str, found: Snapshot | Missing | Unread
    ) -> tuple[Block, Snapshot | None, str]:
        act = Act.FILE if ACTIONS[action].restrictive else Act.FILE_RESTORE
        refusal = await self._engine.objection(act, person, found=found, action=action)
        if refusal is None and isinstance(found, Snapshot):
            return self._found(action, found), found, ""
        return form.ask_handle(action, handle, refusal), None, refusal or ""

    def _found(self, action: ActionKind, found: Snapshot, refusal: str | None = None) -> Block:
        tags = self._engine.policy.tags_of(found.subject)
        return form.found(action, found, tags, refusal)
