"""The HTTP side: Slack's deliveries, and how the bot is."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.async_app import AsyncApp

BODY_MOST = 1024 * 1024  # bytes; Slack's largest payloads are far smaller

Ready = Callable[[], Awaitable[tuple[bool, Mapping[str, Any]]]]
Told = Callable[[str], Awaitable[tuple[bytes, str]]]


def web_app(bolt: AsyncApp | None, ready: Ready, metrics: Told) -> web.Application:
    """`bolt` None: Socket Mode, nothing of Slack comes in here. `ready`: whether deliveries are to
    come here, and what there is to say; `metrics`: they and their format, for an Accept header."""
    app = web.Application(client_max_size=BODY_MOST)

    async def healthz(request: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def readyz(request: web.Request) -> web.Response:
        is_ready, said = await ready()
        return web.json_response(said, status=200 if is_ready else 503)

    async def scraped(request: web.Request) -> web.Response:
        body, kind = await metrics(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": kind})

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", scraped)
    if bolt is not None:
        handler = bolt

        async def events(request: web.Request) -> web.Response:
            if not request.headers.get("X-Slack-Request-Timestamp", "").isdecimal():
                return web.Response(status=401)  # Bolt takes it for a number
            answer = await handler.async_dispatch(await to_bolt_request(request))
            return await to_aiohttp_response(answer)

        app.router.add_post("/slack/events", events)
    return app
