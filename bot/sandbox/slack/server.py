"""A Slack workspace on loopback that refuses what Slack refuses.

The real `AsyncWebClient` and the real Bolt talk to it over HTTP and Socket Mode. People act through
`as_user(…)`; what each of them sees is in `workspace`, and `seen_by(…)` has it for a page.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from bot.ports import Clock
from bot.sandbox.slack.allowance import Allowance, TooMany
from bot.sandbox.slack.api import (
    ALL_SCOPES,
    ApiCall,
    Error,
    Fault,
    RateLimited,
    ServerError,
    SlackApi,
    Slow,
    TimedOut,
)
from bot.sandbox.slack.deliveries import Courier, Delivery
from bot.sandbox.slack.files import Files
from bot.sandbox.slack.hands import Hand
from bot.sandbox.slack.hooks import answer_response_url
from bot.sandbox.slack.payloads import Payloads
from bot.sandbox.slack.records import Json
from bot.sandbox.slack.refusal import Refusal
from bot.sandbox.slack.screen import screen
from bot.sandbox.slack.sockets import Sockets
from bot.sandbox.slack.webhooks import Webhooks, webhook_status
from bot.sandbox.slack.workspace import Workspace

EVENTS = frozenset({"app_home_opened", "subteam_members_changed", "user_change"})


class FakeSlack:
    def __init__(
        self,
        clock: Clock,
        *,
        signing_secret: str = "sandbox-signing-secret",  # noqa: S107 - a secret of the sandbox only
        bot_token: str = "xoxb-sandbox",  # noqa: S107
        app_token: str = "xapp-sandbox",  # noqa: S107
        team: str = "T01TEST",
        scopes: frozenset[str] = ALL_SCOPES,
        escape: frozenset[str] = frozenset({"/audit"}),
        events: frozenset[str] = EVENTS,
        burst: int = 3,
        tiers: bool = False,
        ack_limit: float = 3.0,
    ) -> None:
        """`burst`: posts to one channel at once, before it is one a second. `tiers`: hold every
        method to its rate, too. `events`: what the app is subscribed to. `ack_limit`: the real
        seconds that the bot has for an answer."""
        self.signing_secret = signing_secret
        self.bot_token = bot_token
        self.app_token = app_token
        self.base = ""
        """Where this server is reached, as in `http://127.0.0.1:4000`; `start` sets it."""
        self.calls: list[ApiCall] = []
        self.workspace = Workspace(clock, team)
        self.workspace.on_event.append(self._tell)
        self.sockets = Sockets()
        self._clock = clock
        self._events = events
        self.files = Files(self.workspace, lambda path: f"{self.base}/{path}")
        self._api = SlackApi(
            self.workspace,
            bot_token=bot_token,
            app_token=app_token,
            scopes=scopes,
            burst=burst,
            tiers=tiers,
            more=self.files.methods(),
        )
        self._webhooks = Webhooks(self.workspace, Allowance(burst, 1000))
        self._courier = Courier(clock, signing_secret, self.sockets, ack_limit)
        self._payloads = Payloads(self.workspace, lambda path: f"{self.base}/{path}", escape)
        self._runner: web.AppRunner | None = None

    # --- serving -------------------------------------------------------------------------------

    @property
    def api_url(self) -> str:
        return f"{self.base}/api/"

    def routes(self, app: web.Application) -> None:
        """Serve it all on `app`; whoever serves that says where, in `base`."""
        app.router.add_route("*", "/api/{method}", self._serve_api)
        app.router.add_post("/commands/{url}", self._serve_response_url)
        app.router.add_post("/actions/{url}", self._serve_response_url)
        app.router.add_post("/services/{team}/{bot}/{secret}", self._serve_webhook)
        app.router.add_post("/upload/v1/{ticket}", self._serve_upload)
        app.router.add_get("/link", self.sockets.serve)

    async def start(self, port: int = 0) -> None:
        app = web.Application()
        self.routes(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.base = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self.sockets.close()
        await self._courier.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # --- acting ------------------------------------------------------------------------------------

    def as_user(self, user_id: str) -> Hand:
        user = self.workspace.users[user_id]
        return Hand(user, self.workspace, self._payloads, self._courier)

    def seen_by(self, user_id: str) -> Json:
        """What stands on this person's screen, as JSON."""
        return screen(self.workspace, user_id)

    @property
    def on_change(self) -> list[Callable[[], None]]:
        return self.workspace.on_change

    def webhook(self, channel: str) -> str:
        """The address of a new incoming webhook by which another app posts to this channel."""
        return f"{self.base}/services/{self._webhooks.add(channel)}"

    # --- deliveries ----------------------------------------------------------------------------------

    @property
    def deliveries(self) -> list[Delivery]:
        return self._courier.deliveries

    def deliver_to(self, url: str) -> None:
        """Where signed requests go, while no socket is open."""
        self._courier.url = url

    def sign(self, body: bytes, timestamp: int | None = None) -> dict[str, str]:
        return self._courier.sign(body, timestamp)

    async def deliver_raw(self, body: bytes, headers: Mapping[str, str]) -> Delivery:
        return await self._courier.raw(body, headers)

    async def redeliver(self, delivery: Delivery, *, at_once: bool = True) -> Delivery:
        """The very same bytes or envelope again; `at_once=False`: when nothing is under way."""
        if not at_once:
            await self.settled()
        return await self._courier.again(delivery)

    async def retry(self, delivery: Delivery, number: int = 1) -> Delivery:
        """An event again, as Slack repeats one that was not answered."""
        return await self._courier.retry(delivery, number)

    @property
    def ack_limit(self) -> float:
        return self._courier.limit

    @ack_limit.setter
    def ack_limit(self, seconds: float) -> None:
        self._courier.limit = seconds

    @property
    def retry_events(self) -> bool:
        return self._courier.retry_events

    @retry_events.setter
    def retry_events(self, value: bool) -> None:
        self._courier.retry_events = value

    async def settled(self) -> None:
        """Return when every event on its way to the bot was answered or given up."""
        await self._courier.settled()

    def _tell(self, event: Json) -> None:
        if event["type"] in self._events:
            self._courier.in_background(self._payloads.event(event))

    # --- the Web API ---------------------------------------------------------------------------------

    def fail(self, method: str, *faults: Fault) -> None:
        """What goes wrong with the next calls of `method`, one fault for each.

        `response_url` stands for what is posted to any of those, `webhook` for what another app's
        incoming webhooks are sent, `upload` for the bytes of a file.
        """
        self._api.fail(method, *faults)

    def set_token_error(self, error: str | None) -> None:
        """`token_revoked`, `account_inactive`, …: how every call is refused; None: no longer."""
        self._api.token_error = error

    async def _serve_api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        args, token = await _arguments(request)

        def act() -> web.Response:
            try:
                return self._answer(method, args, self._call(method, token, args))
            except TooMany as limit:
                return self._limited(method, args, limit.retry_after)

        def refuse(error: str) -> web.Response:
            return self._answer(method, args, {"ok": False, "error": error})

        return await self._disturbed(method, args, request, act, refuse)

    def _call(self, method: str, token: str, args: Mapping[str, Any]) -> Json:
        if method != "apps.connections.open":
            return self._api.call(method, token, args)
        try:
            self._api.check_token(token, self.app_token)
        except Refusal as refusal:
            return refusal.body()
        url = f"{self.base.replace('http', 'ws', 1)}/link?ticket={self.sockets.ticket()}"
        return {"ok": True, "url": url}

    async def _disturbed(
        self,
        method: str,
        args: Mapping[str, Any],
        request: web.Request,
        act: Callable[[], web.Response],
        refuse: Callable[[str], web.Response],
    ) -> web.Response:
        """`act`, unless a fault waits for this call."""
        match self._api.next_fault(method):
            case RateLimited(retry_after):
                return self._limited(method, args, retry_after)
            case Error(error):
                return refuse(error)
            case ServerError(status, acted):
                self._lose(method, args, act if acted else None)
                return web.Response(status=status, text="upstream connect error")
            case TimedOut(acted, hold):
                self._lose(method, args, act if acted else None)
                await asyncio.sleep(hold)
                if request.transport is not None:
                    request.transport.abort()
                return web.Response(status=504)
            case Slow(seconds):
                await asyncio.sleep(seconds)
        return act()

    def _lose(
        self, method: str, args: Mapping[str, Any], act: Callable[[], web.Response] | None
    ) -> None:
        """Do it, if so, and keep for `calls` that nobody heard of it."""
        if act is not None:
            act()
            self.calls.pop()
        self.calls.append(ApiCall(method, args, None, self._clock.now()))

    def _answer(self, method: str, args: Mapping[str, Any], body: Json) -> web.Response:
        self.calls.append(ApiCall(method, args, body, self._clock.now()))
        scopes = ",".join(sorted(self._api.scopes))
        return web.json_response(body, headers={"x-oauth-scopes": scopes})

    def _limited(self, method: str, args: Mapping[str, Any], retry_after: int) -> web.Response:
        body = {"ok": False, "error": "ratelimited"}
        self.calls.append(ApiCall(method, args, body, self._clock.now()))
        return web.json_response(body, status=429, headers={"Retry-After": str(retry_after)})

    async def _serve_response_url(self, request: web.Request) -> web.StreamResponse:
        said = await _json(request)
        args = said if isinstance(said, dict) else {"body": await request.text()}
        method = "response_url"

        def answer(status: int, text: str) -> web.Response:
            shown = {"ok": status == 200, "status": status, "body": text}
            self.calls.append(ApiCall(method, args, shown, self._clock.now()))
            return web.Response(status=status, text=text)

        def act() -> web.Response:
            try:
                url = self.workspace.tickets.use_response_url(request.match_info["url"])
            except Refusal as refusal:
                return answer(404, refusal.error)
            try:
                answer_response_url(self.workspace, url, said)
            except Refusal as refusal:
                return answer(400, refusal.error)
            return answer(200, "ok")

        return await self._disturbed(method, args, request, act, lambda error: answer(404, error))

    async def _serve_webhook(self, request: web.Request) -> web.StreamResponse:
        match = request.match_info
        path = f"{match['team']}/{match['bot']}/{match['secret']}"
        said = await _json(request)
        args = said if isinstance(said, dict) else {}
        method = "webhook"

        def answer(status: int, text: str) -> web.Response:
            shown = {"ok": status == 200, "status": status, "body": text}
            self.calls.append(ApiCall(method, args, shown, self._clock.now()))
            return web.Response(status=status, text=text)

        def act() -> web.Response:
            try:
                self._webhooks.post(path, said)
            except TooMany as limit:
                return self._limited(method, args, limit.retry_after)
            except Refusal as refusal:
                return answer(webhook_status(refusal.error), refusal.error)
            return answer(200, "ok")

        return await self._disturbed(
            method, args, request, act, lambda error: answer(webhook_status(error), error)
        )

    async def _serve_upload(self, request: web.Request) -> web.StreamResponse:
        content = b"".join([part async for part in request.content.iter_any()])
        method = "upload"
        args = {"length": len(content), "type": request.content_type}

        def answer(status: int, text: str) -> web.Response:
            shown = {"ok": status == 200, "status": status, "body": text}
            self.calls.append(ApiCall(method, args, shown, self._clock.now()))
            return web.Response(status=status, text=text)

        def act() -> web.Response:
            try:
                self.files.upload(request.match_info["ticket"], content)
            except Refusal as refusal:
                return answer(404 if refusal.error == "not_found" else 400, refusal.error)
            return answer(200, f"OK - {len(content)}")

        return await self._disturbed(method, args, request, act, lambda error: answer(400, error))


async def _json(request: web.Request) -> Any:
    """The JSON in a request's body; None where it is none."""
    try:
        return json.loads(await request.text())
    except ValueError:
        return None


async def _arguments(request: web.Request) -> tuple[dict[str, Any], str]:
    """The arguments of a call and its token, from wherever they stand."""
    args: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        try:
            body = json.loads(await request.text())
        except ValueError:
            body = {}
        args |= body if isinstance(body, dict) else {}
    else:
        args |= {key: str(value) for key, value in (await request.post()).items()}
    in_args = str(args.pop("token", ""))
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    return args, bearer if scheme == "Bearer" else in_args
