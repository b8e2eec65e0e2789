"""The sandbox's page, on loopback: its files, what people do there, and what they see of it live."""

import asyncio
import json
import os
import re
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import aiohttp
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bot.clock import wall
from bot.sandbox.clock import SandboxClock
from bot.sandbox.platform_seeds import Account
from bot.sandbox.slack import Answer, ApiCall, Delivery, NoSuchButton
from bot.sandbox.slack.forms import NoSuchField
from bot.sandbox.slack.records import Message, View
from bot.sandbox.world import LOBBY, REVIEW, World, world
from bot.settings import Settings, SettingsError
from bot.store.tx import Tx

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
GATHER = 0.03  # s: changes that come together are sent together
KEEP_ALIVE = 15.0  # s between two signs of life
AT_MOST = 100  # rows of what goes on under the hood, in one answer
SKIP_MOST = 60 * 24 * 60  # minutes: two months

# Who is who, for the page: beyond what Slack knows of a person, what they are to the bot.
ROLES = {
    "U01AGENT": ("Bruno", "Agent", "may file a request"),
    "U02REV": ("Tessa", "Trust & safety", "may approve or veto"),
    "U03REV": ("Omar", "Trust & safety", "may approve or veto"),
    "U05LEGAL": ("Lena", "Legal", "may approve or veto, for legal"),
    "U09MANAGER": ("Max", "Manager", "may ask the trail"),
    "U07GUEST": ("Gus", "Guest", "may do nothing here"),
    "U08OTHER": ("Olga", "Other organisation", "may do nothing here"),
}

Json = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


# --- what the page may ask for -------------------------------------------------------------------


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Where(_Asked):
    """What stands on the screen: a message, or else a view."""

    channel: str = ""
    ts: str = ""
    view: str = ""


class _Act(_Asked):
    who: str


class TypeCommand(_Act):
    do: Literal["command"]
    command: Literal["/request-deactivate", "/request-restore", "/audit"]
    text: str = Field(default="", max_length=4000)
    channel: str


class Say(_Act):
    do: Literal["say"]
    text: str = Field(min_length=1, max_length=4000)
    channel: str
    thread_ts: str | None = None


class Click(_Act):
    do: Literal["click"]
    where: Where
    action_id: str
    value: str | None = None


class Choose(_Act):
    do: Literal["choose"]
    where: Where
    action_id: str
    choice: str | list[str] | None


class Fill(_Act):
    do: Literal["fill"]
    values: dict[str, str | list[str] | None]


class Submit(_Act):
    do: Literal["submit"]
    values: dict[str, str | list[str] | None] = {}


class Close(_Act):
    do: Literal["close"]


class OpenHome(_Act):
    do: Literal["home"]


Act = Annotated[
    TypeCommand | Say | Click | Choose | Fill | Submit | Close | OpenHome,
    Field(discriminator="do"),
]
ACT: TypeAdapter[Act] = TypeAdapter(Act)


class Skip(_Asked):
    """Let minutes pass, or, without any, what is left of the soonest cool-off."""

    minutes: int | None = Field(default=None, ge=1, le=SKIP_MOST)


class NotThere(Exception):
    """What was asked for is not on the screen; the text says what."""


# --- the sandbox behind the page -----------------------------------------------------------------


class Sandbox:
    """One world at a time, and everybody who watches it."""

    def __init__(self, base: Callable[[], int]) -> None:
        self._base = base
        self._stack = AsyncExitStack()
        self._resetting = asyncio.Lock()
        self._changed = asyncio.Event()
        self._http: aiohttp.ClientSession | None = None
        self.world: World
        self.number = 0
        """Which world this is; another one after each reset."""

    async def open(self) -> None:
        self._http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        await self._make()

    async def close(self) -> None:
        await self._stack.aclose()
        if self._http is not None:
            await self._http.close()

    async def reset(self) -> None:
        """A fresh world; the one before is gone, with its database."""
        async with self._resetting:
            before = self._stack
            await self._make()
            await before.aclose()
        self.changed()

    async def _make(self) -> None:
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="nolone-sandbox-"))
            made = await stack.enter_async_context(
                world(SandboxClock(self._base), Path(folder) / "nolone.db")
            )
            made.slack.on_change.append(self.changed)
            made.platform.on_change.append(lambda _: self.changed())
            made.bot.engine.committed.append(self.changed)
            self._stack = stack.pop_all()
        self.world = made
        self.number += 1

    # --- watching ------------------------------------------------------------------------------

    def changed(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def next_change(self, within: float) -> bool:
        """Wait for a change; False if there was none in time."""
        changed = self._changed
        try:
            async with asyncio.timeout(within):
                await changed.wait()
        except TimeoutError:
            return False
        await asyncio.sleep(GATHER)
        return True

    async def seen_by(self, who: str) -> Json:
        """All that the page shows to this person."""
        made, number = self.world, self.number
        unskipped, now = self._base(), made.clock.now()
        cooling, entries = await made.store.run(lambda tx: (_cooling(tx, now), _newest(tx)))
        workspace = made.slack.workspace
        people = []
        for id, (name, role, may) in ROLES.items():
            user = workspace.users[id]
            told = [m.ts for m in workspace.dm(id)]
            people.append(
                {
                    "id": id,
                    "name": name,
                    "handle": user.name,
                    "role": role,
                    "may": may,
                    "told": told[-1] if told else "",
                    "views": len(workspace.views(id)),
                }
            )
        return {
            "world": number,
            "now": now,
            "skipped": now - unskipped,
            "who": who,
            "review": REVIEW,
            "lobby": LOBBY,
            "people": people,
            "screen": made.slack.seen_by(who),
            "accounts": [_public(account) for account in made.platform.accounts.values()],
            "cooling": cooling,
            "hood": {
                "deliveries": len(made.slack.deliveries),
                "calls": len(made.slack.calls),
                "entries": entries,
            },
        }

    async def hood(self, kind: str, after: int) -> list[Json]:
        """What went on under the hood since row number `after`."""
        made = self.world
        if kind == "entries":
            return await made.store.run(lambda tx: _entries(tx, after))
        rows: list[Json]
        if kind == "deliveries":
            deliveries = made.slack.deliveries[after : after + AT_MOST]
            rows = [_delivery(one) for one in deliveries]
        else:
            calls = made.slack.calls[after : after + AT_MOST]
            rows = [_call(one) for one in calls]
        return [{"n": after + place, **row} for place, row in enumerate(rows, 1)]

    # --- acting --------------------------------------------------------------------------------

    async def act(self, asked: Act) -> Answer:
        """Do what a person does on the page. Raises NotThere where they could not."""
        slack = self.world.slack
        if asked.who not in ROLES:
            raise NotThere(f"there is no {asked.who}")
        hand = slack.as_user(asked.who)
        try:
            match asked:
                case TypeCommand():
                    channel = self._channel(asked.who, asked.channel)
                    return await hand.command(asked.command, asked.text, channel=channel)
                case Say():
                    channel = self._channel(asked.who, asked.channel)
                    text = _escaped(asked.text)
                    if (
                        asked.thread_ts
                        and slack.workspace.message(channel, asked.thread_ts) is None
                    ):
                        raise NotThere("there is no such thread")
                    slack.workspace.post(channel, text, user=asked.who, thread_ts=asked.thread_ts)
                case Click():
                    return await hand.click(
                        self._where(asked.who, asked.where), asked.action_id, asked.value
                    )
                case Choose():
                    return await hand.choose(
                        self._where(asked.who, asked.where), asked.action_id, asked.choice
                    )
                case Fill():
                    hand.fill(asked.values)
                case Submit():
                    return await hand.submit(asked.values)
                case Close():
                    return await hand.close()
                case OpenHome():
                    return await hand.open_home()
        except (NoSuchButton, NoSuchField) as e:
            raise NotThere(str(e)) from e
        finally:
            self.changed()  # a delivery and its answer stand under the hood now
        return Answer(0, None, 0.0, sent=False)

    def _channel(self, who: str, id: str) -> str:
        found = self.world.slack.workspace.channels.get(id)
        if id == f"D{who[1:]}":
            return self.world.slack.workspace.open_dm(who).id
        if found is None or who not in found.members:
            raise NotThere(f"{who} is in no channel {id}")
        return id

    def _where(self, who: str, where: Where) -> Message | View:
        workspace = self.world.slack.workspace
        if where.view:
            views = [*workspace.views(who), workspace.home(who)]
            found: Message | View | None = next(
                (v for v in views if v is not None and v.id == where.view), None
            )
        else:
            private = (m for m in workspace.ephemerals(who) if m.ts == where.ts)
            found = workspace.message(where.channel, where.ts) or next(private, None)
        if found is None:
            raise NotThere("that is not on the screen any more")
        return found

    # --- time ----------------------------------------------------------------------------------

    async def skip(self, minutes: int | None) -> int:
        """Let time pass; how much (ms). Raises NotThere where nothing cools off."""
        made = self.world
        if minutes is not None:
            ms = minutes * 60_000
        else:
            now = made.clock.now()
            cooling = await made.store.run(lambda tx: _cooling(tx, now))
            if not cooling:
                raise NotThere("nothing is cooling off")
            ms = max(0, int(cooling[0]["eta"]) - made.clock.now()) + 1
        made.clock.skip(ms)
        self.changed()
        return ms

    # --- the platform --------------------------------------------------------------------------

    async def public_page(self, path: str) -> tuple[int, str, str]:
        """What the platform shows to anybody, asked of it over HTTP: status, type, text."""
        assert self._http is not None
        url = self.world.platform.url + path
        async with self._http.get(url, allow_redirects=False) as answer:
            return answer.status, answer.content_type, await answer.text()


def _cooling(tx: Tx, now: int) -> list[Json]:
    """The requests that wait for the end of their cool-off, the soonest first."""
    return [
        dict(row)
        for row in tx.query(
            "SELECT id, action, handle, quorum_at AS since, eta FROM requests"
            " WHERE ended_at IS NULL AND started_seq IS NULL AND quorum_at IS NOT NULL"
            " AND eta > :now ORDER BY eta, n",
            now=now,
        )
    ]


def _newest(tx: Tx) -> int:
    return int(tx.query("SELECT coalesce(max(seq), 0) AS seq FROM entries")[0]["seq"])


def _entries(tx: Tx, after: int) -> list[Json]:
    """Entries as they stand in the ledger, with what is kept beside them to open what is sealed."""
    rows = tx.query(
        "SELECT seq, stream, version, at, kind, actor, body FROM entries"
        " WHERE seq > :after ORDER BY seq LIMIT :most",
        after=after,
        most=AT_MOST,
    )
    entries = []
    for row in rows:
        beside = tx.query(
            "SELECT field, salt, value FROM openings WHERE seq = :seq ORDER BY field",
            seq=row["seq"],
        )
        body = row["body"].decode()
        openings = [{**one, "value": json.loads(one["value"])} for one in beside]
        entries.append({**row, "n": row["seq"], "body": body, "openings": openings})
    return entries


def _delivery(delivery: Delivery) -> Json:
    return {
        "kind": delivery.kind,
        "at": delivery.at,
        "who": _sender(delivery.payload),
        "headers": delivery.headers,
        "body": delivery.body.decode(errors="replace"),
        "payload": delivery.payload,
        "status": delivery.status,
        "answer": delivery.answer,
        "ms": round(delivery.elapsed * 1000, 1),
    }


def _sender(payload: Mapping[str, Any]) -> str:
    user = payload.get("user") or payload.get("event", {}).get("user")
    if isinstance(user, dict):
        user = user.get("id")
    return str(payload.get("user_id") or user or "")


def _call(call: ApiCall) -> Json:
    return {
        "method": call.method,
        "at": call.at,
        "args": dict(call.args),
        "answer": call.response,
    }


def _public(account: Account) -> Json:
    """What anybody can tell of an account by looking at Pipit; the rest is the staff's."""
    return {
        "id": account.id,
        "handle": account.handle,
        "name": account.display_name,
        "verified": account.verified,
        "followers": account.followers,
        "there": account.state == "active",
    }


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


# --- HTTP ----------------------------------------------------------------------------------------


class Site:
    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._closing = False
        self.app = web.Application(middlewares=[_guard], client_max_size=256 * 1024)
        router = self.app.router
        router.add_get("/", self._file)
        router.add_get("/page/{name:[a-z0-9./-]+}", self._file)
        router.add_get("/pipit/@{handle}", self._pipit)
        router.add_get("/api/state", self._state)
        router.add_get("/api/live", self._live)
        router.add_get("/api/hood/{kind:deliveries|calls|entries}", self._hood)
        router.add_post("/api/act", self._act)
        router.add_post("/api/skip", self._skip)
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
