"""The webhook that all systems call: it notes when it was called, and says so when it is looked at."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


class Hook:
    def __init__(self) -> None:
        self.called: dict[str, float] = {}  # when (s) for which account, first
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _call(self, request: web.Request) -> web.Response:
        await request.read()
        self.called.setdefault(request.match_info["id"], time.monotonic())
        return web.json_response({})

    async def _look(self, request: web.Request) -> web.Response:
        known = request.match_info["id"] in self.called
        return web.json_response({"state": "deactivated" if known else "active"})


@asynccontextmanager
async def hook() -> AsyncIterator[Hook]:
    made = Hook()
    app = web.Application()
    app.router.add_post("/{id}", made._call)
    app.router.add_get("/{id}", made._look)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()
