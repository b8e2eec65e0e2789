"""The slash commands; each answers in its acknowledgement."""

from typing import Any

from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.audit.answer import answer
from bot.audit.query import BadQuery
from bot.audit.query import parse as parse_query
from bot.core.actions import ActionKind
from bot.core.commands import Query
from bot.core.decide import Refused
from bot.core.rules import Act
from bot.core.text import one_line
from bot.engine import Engine
from bot.slack.background import Background
from bot.slack.clicks import Clicks
from bot.slack.filing import Filing
from bot.slack.screen import Body
from bot.slack.views import audit as audit_view
from bot.slack.views.common import escape
from bot.slack.views.ids import request_id
from bot.slack.views.told import status_line
from bot.store import scripts

HELP = """\
*`/request-deactivate HANDLE`* looks an account up and opens a form; nothing is filed until you submit it.
*`/request-deactivate status [R-n]`*  where a request stands, or all that are open
*`/request-deactivate veto R-n`*  stops a request (reviewers)
*`/request-deactivate withdraw R-n`*  takes your own request back
*`/request-restore HANDLE`*  asks for an account to be given back
*`/audit help`*  the trail (managers)"""
SHOWN = 20

Reply = dict[str, Any]


class Commands:
    def __init__(self, engine: Engine, filing: Filing, clicks: Clicks) -> None:
        self._engine = engine
        self._filing = filing
        self._clicks = clicks

    async def request_deactivate(self, body: Body) -> Reply:
        text = str(body.get("text", "")).strip()
        word, _, rest = text.partition(" ")
        match word.casefold(), rest.strip():
            case "help", _:
                return _reply(HELP)
            case "status", "":
                return _reply(await self._all())
            case "status", name:
                return _reply(await self._one(name))
            case ("veto" | "withdraw") as verb, name:
                if (id := request_id(name)) is None:
                    return _reply(f"Which request? For example `/request-deactivate {verb} R-7`.")
                if verb == "veto":
                    return _reply(await self._clicks.veto_by_command(body, id))
                return _reply(await self._clicks.withdraw_by_command(body, id))
        return _reply(await self._filing.begin(body, ActionKind.DEACTIVATE, text))

    async def _all(self) -> str:
        ids = await self._engine.store.run(scripts.still_open)
        lines = [await self._one(id) for id in ids[:SHOWN]]
        if len(ids) > SHOWN:
            lines.append(f"… and {len(ids) - SHOWN} more.")
        return "\n".join(lines) or "Nothing is open."

    async def _one(self, name: str) -> str:
        id = request_id(name)
        judged = None if id is None else await self._engine.assessment(id)
        if judged is None:
            return f"There is no request {escape(one_line(name, 40))}."
        return status_line(judged[0])

    async def audit(self, person: str, text: str, delivery: str, page: int = 1) -> Reply:
        """The answer to a manager's query, which is an entry before it is answered."""
        if (why := await self._engine.objection(Act.QUERY, person)) is not None:
            return _reply(why)
        now = self._engine.clock.now()
        try:
            query = parse_query(text, now)
        except BadQuery as e:
            return _reply(escape(str(e)))
        found = await self._engine.store.run(lambda tx: answer(tx, query, now, page))
        try:
            await self._engine.handle(Query(person, text, found.total), f"command/{delivery}")
        except Refused as e:
            return _reply(str(e))
        said, blocks = audit_view.render(found)
        return {"text": said, "blocks": blocks}

    async def audit_page(self, body: Body, ack: Any, background: Background) -> None:
        """Another page of an answer, in its place."""
        action = body["actions"][0]
        text, page = audit_view.parse_page(action.get("value"))
        delivery = f"click/{body['user']['id']}/{action['action_id']}/{action['action_ts']}"
        reply = await self.audit(body["user"]["id"], text, delivery, page)
        await ack()

        async def replace() -> None:
            url = AsyncWebhookClient(body["response_url"], retry_handlers=[])
            await url.send(**reply, response_type="ephemeral", replace_original=True)

        background.start(replace())


def _reply(text: str) -> Reply:
    return {"text": text} if text else {}
