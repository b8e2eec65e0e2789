"""The Bolt app: which delivery goes where. A listener parses, awaits, acknowledges, returns."""

import logging
import re
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from slack_bolt.async_app import AsyncApp
from slack_bolt.error import BoltUnhandledRequestError
from slack_bolt.middleware.async_middleware import AsyncMiddleware
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from bot.audit.exporting import Exporter
from bot.audit.watching import Watch
from bot.core.actions import ActionKind
from bot.core.assess import may
from bot.core.rules import Act
from bot.doing import doing
from bot.engine import Engine
from bot.ledger.entry import LedgerBroken
from bot.ports import Nudge
from bot.slack.background import Background
from bot.slack.clicks import FORGED, Clicks
from bot.slack.commands import Commands
from bot.slack.filing import Filing
from bot.slack.screen import Screen
from bot.slack.verifying import Verifying
from bot.slack.views import audit as audit_view
from bot.slack.views import file as file_form
from bot.slack.views import forms, home
from bot.store import due

log = logging.getLogger(__name__)

KIND = re.compile(r"[a-z_]{1,40}")  # of a delivery

Next = Callable[[], Awaitable[BoltResponse]]
PeopleChanged = Callable[[], Coroutine[Any, Any, None]]


def slack_app(
    *,
    engine: Engine,
    client: AsyncWebClient,
    exports: Exporter,
    signing_secret: str,
    background: Background,
    nudge: Nudge,
    watch: Watch,
    people_changed: PeopleChanged,
    stop: Callable[[Exception], None],
) -> AsyncApp:
    app = AsyncApp(
        client=client,
        signing_secret=signing_secret,
        process_before_response=True,
        raise_error_for_unhandled_request=True,
    )
    screen = Screen(client, background)
    filing = Filing(engine, screen, background)
    clicks = Clicks(engine, screen, nudge)
    commands = Commands(engine, screen, filing, clicks, Verifying(watch, screen, stop), exports)

    app.use(_About())

    @app.command("/request-deactivate")
    async def request_deactivate(ack: Any, body: dict[str, Any]) -> None:
        await ack(**await commands.request_deactivate(body))

    @app.command("/request-restore")
    async def request_restore(ack: Any, body: dict[str, Any]) -> None:
        text = await filing.begin(body, ActionKind.RESTORE, body.get("text", "").strip())
        await ack(**({"text": text} if text else {}))

    @app.command("/audit")
    async def audit(ack: Any, body: dict[str, Any]) -> None:
        await ack(**await commands.audit(body))

    @app.action(_one_of("approve", "more", "retract", "withdraw"))
    async def decide(ack: Any, body: dict[str, Any]) -> None:
        await clicks.decide(body, ack)

    @app.action(_one_of("veto", "restore", "settle", "approve_form"))
    async def open_form(ack: Any, body: dict[str, Any]) -> None:
        await clicks.open_form(body, ack)

    @app.action("check")
    async def check(ack: Any, body: dict[str, Any]) -> None:
        await clicks.check_again(body, ack)

    @app.action("details")
    async def details(ack: Any, body: dict[str, Any]) -> None:
        await clicks.details(body, ack)

    @app.action(audit_view.PAGE)
    async def page(ack: Any, body: dict[str, Any]) -> None:
        await commands.audit_page(body, ack)

    @app.view(file_form.CALLBACK)
    async def file(ack: Any, body: dict[str, Any]) -> None:
        await filing.submitted(body, ack)

    @app.view(_one_of(forms.VETO, forms.RESTORE, forms.APPROVE, forms.SETTLE))
    async def form(ack: Any, body: dict[str, Any]) -> None:
        await clicks.submitted(body, ack)

    @app.event("app_home_opened")
    async def opened(event: dict[str, Any]) -> None:
        if event.get("tab") == "home":
            background.start(_publish_home(engine, client, event["user"]))

    @app.event("subteam_members_changed")
    async def members_changed(event: dict[str, Any]) -> None:
        if engine.forget_group(event["subteam_id"]):
            background.start(people_changed())

    @app.event("user_change")
    async def user_changed(event: dict[str, Any]) -> None:
        if engine.forget_person(event["user"]["id"]):  # it comes for everybody in the workspace
            background.start(people_changed())

    @app.error
    async def failed(error: Exception, body: dict[str, Any]) -> BoltResponse:
        if isinstance(error, BoltUnhandledRequestError):
            if body.get("type") == "block_actions":
                screen.tell(body, FORGED)
            return BoltResponse(status=200, body="")
        # nothing was committed, or it was and the answer is lost: Slack is told the truth
        log.error("a delivery failed", exc_info=error)
        if isinstance(error, LedgerBroken):
            stop(error)
        return BoltResponse(status=500, body="")

    return app


class _About(AsyncMiddleware):
    """Says which kind of delivery is being handled."""

    async def async_process(
        self, *, req: AsyncBoltRequest, resp: BoltResponse, next: Next
    ) -> BoltResponse | None:
        kind = "command" if "command" in req.body else str(req.body.get("type"))
        doing(delivery=kind if KIND.fullmatch(kind) else "unknown")
        return await next()


def _one_of(*names: str) -> re.Pattern[str]:
    """Bolt searches a pattern anywhere in an id: `approve` would be found in `approve_form`."""
    return re.compile(rf"\A({'|'.join(names)})\Z")


async def _publish_home(engine: Engine, client: AsyncWebClient, person: str) -> None:
    if await engine.objection(Act.LOOK, person) is not None:
        return
    ids = await engine.store.run(due.still_open, alone=False)
    rows = []
    for id in ids[: home.SHOWN]:
        judged = await engine.assessment(id, person)
        if judged is not None:
            a, facts, now = judged
            rows.append((a, may(a, person, facts, now)))
    await client.views_publish(user_id=person, view=home.render(rows, len(ids) - len(rows)))
