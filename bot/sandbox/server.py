"""The sandbox's page, on loopback: its files, what is asked there, and what is seen of it live."""

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from pydantic import ValidationError

from bot.clock import wall
from bot.sandbox.asked import ACT, NotThere, Skip, Tamper
from bot.sandbox.stage import ROLES, Sandbox
from bot.settings import Settings, SettingsError

PAGE = Path(__file__).with_name("page")
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
REAL = ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", "SLACK_USER_TOKEN")
LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")
POLICY = (  # nothing from elsewhere, nothing inline, in nobody's frame
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; "
    "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
KEEP_ALIVE = 15.0  # s between two signs of life

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site:
    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._closing = False
        self.app = web.Application(middlewares=[_guard], client_max_size=256 * 1024)
        router = self.app.router
        router.add_get("/", self._file)
        router.add_get("/page/{name:[a-z0-9./-]+}", self._file)
        router.add_get("/pipit/@{handle}", self._pipit)
        router.add_get("/files/{id:F[0-9]+}", self._sent)
        router.add_get("/api/state", self._state)
        router.add_get("/api/live", self._live)
        router.add_get("/api/hood/{kind:deliveries|calls|entries}", self._hood)
        router.add_post("/api/act", self._act)
        router.add_post("/api/skip", self._skip)
        router.add_post("/api/tamper", self._tamper)
        router.add_post("/api/reset", self._reset)
        self.app.on_shutdown.append(self._let_go)
        self._files = {
            str(path.relative_to(PAGE)): path for path in PAGE.rglob("*") if path.suffix in TYPES
        }

    async def _let_go(self, app: web.Application) -> None:
        """End the streams of events, which would go on for ever."""
        self._closing = True
        self.sandbox.changed()

    async def _file(self, request: web.Request) -> web.Response:
        path = self._files.get(request.match_info.get("name", "index.html"))
        if path is None:
            raise web.HTTPNotFound
        kind = TYPES[path.suffix]
        charset = None if path.suffix == ".woff2" else "utf-8"
        headers = {"Content-Security-Policy": POLICY}
        return web.Response(
            body=path.read_bytes(), content_type=kind, charset=charset, headers=headers
        )

    async def _pipit(self, request: web.Request) -> web.Response:
        handle = request.match_info["handle"]
        if not re.fullmatch(r"[\w.-]{1,80}", handle, re.ASCII):
            raise web.HTTPNotFound
        status, kind, text = await self.sandbox.public_page(f"/@{handle}")
        policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"
        headers = {"Content-Security-Policy": policy}
        return web.Response(status=status, content_type=kind, text=text, headers=headers)

    async def _sent(self, request: web.Request) -> web.Response:
        """A file that somebody sees in the workspace, to save."""
        file = self.sandbox.file(_who(request), request.match_info["id"])
        if file is None:
            raise web.HTTPNotFound
        name, content = file
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return web.Response(body=content, content_type="application/octet-stream", headers=headers)

    async def _state(self, request: web.Request) -> web.Response:
        return web.json_response(await self.sandbox.seen_by(_who(request)))

    async def _live(self, request: web.Request) -> web.StreamResponse:
        """What a person sees, at once and after every change, as server-sent events."""
        who = _who(request)
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        fresh = True
        try:
            while not self._closing:
                if fresh:
                    said = json.dumps(await self.sandbox.seen_by(who), separators=(",", ":"))
                    await stream.write(f"data: {said}\n\n".encode())
                else:
                    await stream.write(b": still here\n\n")
                fresh = await self.sandbox.next_change(KEEP_ALIVE)
        except ConnectionError:
            pass  # the page was closed
        return stream

    async def _hood(self, request: web.Request) -> web.Response:
        after = request.query.get("after", "0")
        if not re.fullmatch(r"[0-9]{1,9}", after):
            return _no(400, "after is a number")
        rows = await self.sandbox.hood(request.match_info["kind"], int(after))
        return web.json_response({"world": self.sandbox.number, "rows": rows})

    async def _act(self, request: web.Request) -> web.Response:
        answer = await self.sandbox.act(ACT.validate_json(await request.read()))
        return web.json_response(
            {
                "ok": answer.error is None,
                "sent": answer.sent,
                "status": answer.status,
                "error": answer.error,
                "ms": round(answer.seconds * 1000, 1),
            }
        )

    async def _skip(self, request: web.Request) -> web.Response:
        asked = Skip.model_validate_json(await request.read())
        skipped = await self.sandbox.skip(asked.minutes)
        return web.json_response({"ok": True, "skipped": skipped})

    async def _tamper(self, request: web.Request) -> web.Response:
        asked = Tamper.model_validate_json(await request.read())
        return web.json_response({"ok": True, "said": await self.sandbox.tamper(asked.way)})

    async def _reset(self, request: web.Request) -> web.Response:
        await self.sandbox.reset()
        return web.json_response({"ok": True, "world": self.sandbox.number})


def _who(request: web.Request) -> str:
    who = request.query.get("who", "U01AGENT")
    if who not in ROLES:
        raise web.HTTPNotFound
    return who


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Only the page itself gets in: no name that was made to lead here, and no other site."""
    host = request.headers.get("Host", "")
    if not LOOPBACK.fullmatch(host):
        return _no(421, "the sandbox answers on loopback only")
    if request.headers.get("Origin", f"http://{host}") != f"http://{host}":
        return _no(403, "another site asks")
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return _no(403, "another site asks")
    if request.method == "POST" and request.content_type != "application/json":
        return _no(415, "send application/json")
    try:
        answer = await handler(request)
    except ValidationError as e:
        return _no(400, "; ".join(p["msg"] for p in e.errors(include_url=False)))
    except NotThere as e:
        return _no(409, str(e))
    if not answer.prepared:
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


def _no(status: int, error: str) -> web.Response:
    return web.json_response({"ok": False, "error": error}, status=status)


@dataclass(frozen=True, slots=True)
class Served:
    url: str
    sandbox: Sandbox


@asynccontextmanager
async def serve(port: int = 0, base: Callable[[], int] = wall) -> AsyncIterator[Served]:
    """The sandbox and its page, until the context is left. Raises OSError if the port is taken."""
    sandbox = Sandbox(base)
    await sandbox.open()
    try:
        runner = web.AppRunner(Site(sandbox).app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            yield Served(f"http://127.0.0.1:{runner.addresses[0][1]}", sandbox)
        finally:
            await runner.cleanup()
    finally:
        await sandbox.close()


# --- running it ----------------------------------------------------------------------------------


def refuse_beside_real_slack(environment: Mapping[str, str]) -> None:
    """Raises SettingsError where a real workspace could be meant."""
    found = [name for name in REAL if environment.get(name)]
    if found:
        raise SettingsError(
            f"{', '.join(found)}: the sandbox does not start beside a real workspace's secrets. "
            f"Start it without them: env {' '.join(f'-u {name}' for name in found)} nolone sandbox"
        )


def forget_settings(environment: dict[str, str] | os._Environ[str]) -> None:
    """Take out what would be read from the environment: no address, no database, no proxy."""
    ours = {name.upper() for name in Settings.model_fields}
    proxies = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}
    for name in list(environment):
        if name.upper() in ours | proxies:
            del environment[name]


def run_sandbox(port: int) -> None:
    """Print the page's address, and serve it until SIGINT or SIGTERM. Raises SettingsError."""
    refuse_beside_real_slack(os.environ)
    forget_settings(os.environ)
    asyncio.run(_until_told(port))


async def _until_told(port: int) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    async with AsyncExitStack() as stack:
        try:
            served = await stack.enter_async_context(serve(port))
        except OSError as e:
            raise SettingsError(f"port {port} cannot be used ({e.strerror}): try --port 0") from e
        print(served.url, flush=True)  # noqa: T201 - its one line
        await told.wait()
