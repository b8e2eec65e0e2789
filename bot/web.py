"""The HTTP side: Slack's deliveries, and whether the bot is well."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.async_app import AsyncApp

BODY_MOST = 1024 * 1024  # bytes; Slack's largest payloads are far smaller

Ready = Callable[[], Awaitable[list[str]]]


def web_app(bolt: AsyncApp | None, ready: Ready) -> web.Application:
    """`bolt` None: Socket Mode, nothing of Slack comes in here. `ready` names what is wrong."""
    app = web.Application(client_max_size=BODY_MOST)

    async def healthz(request: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def readyz(request: web.Request) -> web.Response:
        wrong = await ready()
        return web.json_response({"ok": not wrong, "wrong": wrong}, status=503 if wrong else 200)

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    if bolt is not None:
        handler = bolt

        async def events(request: web.Request) -> web.Response:
            if not request.headers.get("X-Slack-Request-Timestamp", "").isdecimal():
                return web.Response(status=401)  # Bolt takes it for a number
            answer = await handler.async_dispatch(await to_bolt_request(request))
            return await to_aiohttp_response(answer)

        app.router.add_post("/slack/events", events)
    return app
