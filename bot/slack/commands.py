"""The slash commands. Each answers in its acknowledgement, unless Slack may refuse what it says."""

from typing import Any

from bot.audit.answer import Life
from bot.audit.ask import ask
from bot.audit.exporting import Exporter
from bot.audit.query import Ask, BadQuery, parse
from bot.audit.watching import Verify
from bot.core.actions import ActionKind
from bot.core.decide import Refused
from bot.core.rules import Act
from bot.core.text import one_line
from bot.engine import Engine
from bot.ledger.entry import LedgerBroken
from bot.slack.clicks import FORGED, Clicks
from bot.slack.filing import Filing
from bot.slack.screen import Body, Screen
from bot.slack.verifying import Verifying
from bot.slack.views import audit as audit_view
from bot.slack.views.common import button, escape, section
from bot.slack.views.ids import ref, request_id
from bot.slack.views.told import status_line
from bot.store import due

HELP = """\
*`/request-deactivate HANDLE`* looks an account up and opens a form; nothing is filed until you submit it.
*`/request-deactivate status [R-n]`*  where a request stands, or all that are open
*`/request-deactivate veto R-n`*  stops a request (reviewers)
*`/request-deactivate withdraw R-n`*  takes your own request back
*`/request-restore HANDLE`*  asks for an account to be given back
*`/audit mine`*  what you filed or decided on
*`/audit help`*  the trail (managers)"""
SHOWN = 20

Reply = dict[str, Any]


class Commands:
    def __init__(
        self,
        engine: Engine,
        screen: Screen,
        filing: Filing,
        clicks: Clicks,
        verifying: Verifying,
        exports: Exporter,
    ) -> None:
        self._engine = engine
        self._exports = exports
        self._screen = screen
        self._filing = filing
        self._clicks = clicks
        self._verifying = verifying

    async def request_deactivate(self, body: Body) -> Reply:
        text = str(body.get("text", "")).strip()
        word, _, rest = text.partition(" ")
        match word.casefold(), rest.strip():
            case "help", _:
                return _reply(HELP)
            case "status", name:
                return await self._status(body["user_id"], name)
            case ("veto" | "withdraw") as verb, name:
                if (id := request_id(name)) is None:
                    return _reply(f"Which request? For example `/request-deactivate {verb} R-7`.")
                if verb == "veto":
                    return _reply(await self._clicks.veto_by_command(body, id))
                return _reply(await self._clicks.withdraw_by_command(body, id))
        return _reply(await self._filing.begin(body, ActionKind.DEACTIVATE, text))

    async def _status(self, person: str, name: str) -> Reply:
        if (why := await self._engine.objection(Act.LOOK, person)) is not None:
            return _reply(why)
        if name:
            return await self._one(name)
        ids = await self._engine.store.run(due.still_open, alone=False)
        lines = [await self._line(id) for id in ids[:SHOWN]]
        if len(ids) > SHOWN:
            lines.append(f"… and {len(ids) - SHOWN} more.")
        return _reply("\n".join(lines) or "Nothing is open.")

    async def _line(self, id: str) -> str:
        judged = await self._engine.assessment(id)
        assert judged is not None
        return status_line(judged[0])

    async def _one(self, name: str) -> Reply:
        id = request_id(name)
        judged = None if id is None else await self._engine.assessment(id)
        if judged is None:
            return _reply(f"There is no request {escape(one_line(name, 40))}.")
        text = status_line(judged[0])
        details = button("Details", "details", str(ref(judged[0].request)))
        return {"text": text, "blocks": [section(text, accessory=details)]}

    async def audit(self, body: Body) -> Reply:
        delivery = f"command/{body['trigger_id']}"
        return await self._audit(body, body["user_id"], body.get("text", ""), delivery)

    async def audit_page(self, body: Body, ack: Any) -> None:
        """Another page of an answer, in its place."""
        action, person = body["actions"][0], body["user"]["id"]
        turn = audit_view.parse_page(action.get("value"))
        reply = _reply(FORGED)
        if turn is not None:
            delivery = f"click/{person}/{action['action_id']}/{action['action_ts']}"
            reply = await self._audit(body, person, turn.text, delivery, turn.page, turn.asked)
        await ack()
        self._screen.replace(body, reply)

    async def _audit(
        self,
        body: Body,
        person: str,
        text: str,
        delivery: str,
        page: int = 1,
        asked: int | None = None,
    ) -> Reply:
        """The answer to a query, which is an entry before it is answered."""
        try:
            found = await ask(
                self._engine,
                person,
                text,
                delivery=delivery,
                page=page,
                asked=asked,
                exports=self._exports,
            )
        except BadQuery as e:
            return _reply(escape(str(e)))
        except Refused as e:
            return _reply(str(e))
        except LedgerBroken as e:
            if parse(text, 0).ask is not Ask.VERIFY:
                raise
            return await self._verifying.reply_unrecorded(body, e)
        if isinstance(found.body, Verify):
            return await self._verifying.reply(body)
        card = None
        if isinstance(found.body, Life) and found.body.card is not None:
            card = await self._screen.permalink(*found.body.card)
        said, blocks = audit_view.render(found, card)
        reply = {"text": said, "blocks": blocks}
        if "command" in body and (native := audit_view.native(found)) is not None:
            self._screen.offer(body, {**reply, "blocks": native}, reply)
            return {}
        return reply


def _reply(text: str) -> Reply:
    return {"text": text} if text else {}
