"""Pipit, the sandbox's small platform: accounts, an API with a token, and pages for everybody.

It does what it is told, as a real one would: nothing here keeps a caller from deactivating
an administrator. What the bot never does shows in `effects`, which stays empty then.
"""

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web

from bot.platforms.alike import alike
from bot.ports import Clock
from bot.sandbox.platform_page import missing_page, profile_page
from bot.sandbox.platform_seeds import ACCOUNTS, POSTS, Account, Post

OWN_HANDLE = "nolone"  # whose token the bot has

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that really happened to an account, at `at` (ms)."""

    account_id: str
    action: str  # deactivate, restore
    by: str  # whose token, or who clicked
    key: str | None  # the Idempotency-Key of the call, if it was one
    at: int


@dataclass(slots=True)
class Faults:
    """What goes wrong from now on; all off at first. `only_writes` spares look-ups and pages."""

    only_writes: bool = False
    down: bool = False  # every connection is dropped without an answer
    slow: float = 0.0  # seconds before anything is done
    throttle_ms: int | None = None  # 429 with this `retry_after_ms`
    fail: int | None = None  # this status, before anything is done
    fail_after: int | None = None  # writes: acts, then answers with this status
    lies: bool = False  # writes: answers as if it had acted
    wrong_account: str | None = None  # writes: acts on the account with this id instead
    hangs_after: bool = False  # writes: acts, then never answers
    redirect: str | None = None  # a 307 to this address
    oversize: bool = False  # an answer of 2 MB

    def clear(self) -> None:
        for name, value in _NO_FAULTS.items():
            setattr(self, name, value)


_NO_FAULTS: Mapping[str, Any] = {name: getattr(Faults(), name) for name in Faults.__slots__}


@dataclass(slots=True)
class _Call:
    """A call by its idempotency key, and what was answered to it."""

    account_id: str
    action: str
    answer: dict[str, Any] = field(default_factory=dict)


class SandboxPlatform:
    """The platform in memory. Mount it with `routes`, or `start` it alone on loopback."""

    def __init__(self, clock: Clock, token: str | None = None) -> None:
        self.token = token or secrets.token_urlsafe(16)
        self.accounts: dict[str, Account] = {account.id: account for account in ACCOUNTS}
        self.posts: list[Post] = list(POSTS)
        self.effects: list[Effect] = []
        self.faults = Faults()
        self.on_change: list[Callable[[Account], None]] = []
        self.url = ""  # without a slash at the end; set by `start`
        self._clock = clock
        self._calls: dict[str, _Call] = {}
        self._stopping = asyncio.Event()
        self._runner: web.AppRunner | None = None

    # What people and tests do, without HTTP.

    def by_handle(self, handle: str) -> Account | None:
        """The account with this handle, in upper or lower case; its id is not looked at."""
        wanted = handle.casefold()
        return next((a for a in self.accounts.values() if a.handle.casefold() == wanted), None)

    def add(self, handle: str, **facts: Any) -> Account:
        """A new account with the next id. ValueError if the handle is taken."""
        if self.by_handle(handle):
            raise ValueError(f"the handle {handle} is taken")
        number = max(int(account_id.removeprefix("acct-")) for account_id in self.accounts) + 1
        facts = {"display_name": handle, "created_at": self._clock.now(), **facts}
        return self._change(Account(id=f"acct-{number}", handle=handle, **facts))

    def update(self, account_id: str, **facts: Any) -> Account:
        """Change facts of an account, such as its handle. ValueError if that handle is taken."""
        other = self.by_handle(facts.get("handle", ""))
        if other and other.id != account_id:
            raise ValueError(f"the handle {other.handle} is taken")
        return self._change(replace(self.accounts[account_id], **facts))

    def deactivate(self, account_id: str, by: str, key: str | None = None) -> Account:
        return self._set_state(account_id, "deactivate", "deactivated", by, key)

    def restore(self, account_id: str, by: str, key: str | None = None) -> Account:
        return self._set_state(account_id, "restore", "active", by, key)

    def feed(self) -> list[dict[str, Any]]:
        """The posts that anybody can see now, newest first."""
        shown = [(post, self.accounts[post.account_id]) for post in self.posts]
        return [
            {
                "account_id": account.id,
                "handle": account.handle,
                "display_name": account.display_name,
                "verified": account.verified,
                "text": post.text,
                "at": post.at,
            }
            for post, account in sorted(shown, key=lambda pair: -pair[0].at)
            if account.state == "active"
        ]

    def _set_state(
        self, account_id: str, action: str, state: str, by: str, key: str | None
    ) -> Account:
        account = self.accounts[account_id]
        if account.state in (state, "erased"):
            return account
        now = self._clock.now()
        self.effects.append(Effect(account_id, action, by, key, now))
        return self._change(replace(account, state=state, since=now, by=by, key=key))

    def _change(self, account: Account) -> Account:
        self.accounts[account.id] = account
        for callback in self.on_change:
            callback(account)
        return account

    # HTTP.

    def routes(self, app: web.Application, prefix: str = "") -> None:
        """Serve everything in `app` under `prefix`; stuck calls end when the app shuts down."""
        read, write, public = self._read, self._write, self._public
        for method, path, handler in (
            ("GET", "/api/me", read(self._get_me)),
            ("GET", "/api/accounts", read(self._get_search)),
            ("GET", "/api/accounts/by-handle/{handle}", read(self._get_by_handle)),
            ("GET", "/api/accounts/{id}", read(self._get_account)),
            ("POST", "/api/accounts/{id}/{action:deactivate|restore}", write(self._post_action)),
            ("GET", "/api/public/id/{id}", public(self._get_public_by_id)),
            ("GET", "/api/public/{handle}", public(self._get_public)),
            ("GET", "/feed.json", public(self._get_feed)),
            ("GET", "/@{handle}", public(self._get_page)),
        ):
            app.router.add_route(method, prefix + path, handler)
        app.on_shutdown.append(self._let_go)

    async def start(self, port: int = 0) -> str:
        """Listen alone on loopback; returns (and sets) `url`."""
        app = web.Application()
        self.routes(app)
        self._stopping.clear()
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self.url

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _let_go(self, app: web.Application) -> None:
        self._stopping.set()

    def _read(self, handler: Handler) -> Handler:
        return self._faulty(self._authenticated(handler), writes=False)

    def _write(self, handler: Handler) -> Handler:
        return self._faulty(self._authenticated(handler), writes=True)

    def _public(self, handler: Handler) -> Handler:
        return self._faulty(handler, writes=False)

    def _faulty(self, handler: Handler, writes: bool) -> Handler:
        """`handler`, with the faults before it acts that are on."""

        async def handle(request: web.Request) -> web.StreamResponse:
            faults = self.faults
            if faults.only_writes and not writes:
                return await handler(request)
            if faults.down:
                return _drop(request)
            if faults.slow:
                await self._pause(faults.slow)
            if faults.throttle_ms is not None:
                return _error(429, "slow_down", retry_after_ms=faults.throttle_ms)
            if faults.fail is not None:
                return _error(faults.fail, "out_of_order")
            if faults.redirect is not None:
                return web.Response(status=307, headers={"Location": faults.redirect})
            if faults.oversize:
                return web.json_response({"padding": "x" * 2_000_000})
            return await handler(request)

        return handle

    def _authenticated(self, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            given = request.headers.get("Authorization", "")
            if not hmac.compare_digest(given.encode(), f"Bearer {self.token}".encode()):
                return _error(401, "wrong_token")
            return await handler(request)

        return handle

    async def _pause(self, seconds: float | None) -> None:
        """Wait so many seconds, or for ever; a stop of the server ends it."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass

    async def _get_me(self, request: web.Request) -> web.Response:
        me = self.by_handle(OWN_HANDLE)
        return web.json_response({"id": me.id, "handle": me.handle}) if me else _missing()

    async def _get_search(self, request: web.Request) -> web.Response:
        wanted = request.query.get("search", "")
        found = [a for a in self.accounts.values() if alike(a.handle, wanted)]
        return web.json_response({"accounts": [a.as_json() for a in found[:20]]})

    async def _get_by_handle(self, request: web.Request) -> web.Response:
        account = self.by_handle(request.match_info["handle"])
        return web.json_response(account.as_json()) if account else _missing()

    async def _get_account(self, request: web.Request) -> web.Response:
        account = self.accounts.get(request.match_info["id"])
        return web.json_response(account.as_json()) if account else _missing()

    async def _post_action(self, request: web.Request) -> web.StreamResponse:
        account_id, action = request.match_info["id"], request.match_info["action"]
        key = request.headers.get("Idempotency-Key")
        if not key:
            return _error(400, "idempotency_key_needed")
        if account_id not in self.accounts:
            return _missing()
        call = self._calls.get(key)
        if call and (call.account_id, call.action) != (account_id, action):
            return _error(422, "idempotency_key_reused")
        if call is None:
            call = self._calls[key] = _Call(account_id, action)
            call.answer = self._act(account_id, action, key)
        if self.faults.hangs_after:
            await self._pause(None)
        if self.faults.fail_after is not None:
            return _error(self.faults.fail_after, "out_of_order")
        return web.json_response(call.answer)

    def _act(self, account_id: str, action: str, key: str) -> dict[str, Any]:
        """Do it, unless a fault makes it something else, and return the answer to it."""
        do = self.deactivate if action == "deactivate" else self.restore
        if self.faults.lies:
            state = "deactivated" if action == "deactivate" else "active"
            return replace(self.accounts[account_id], state=state).as_json()
        if self.faults.wrong_account is not None:
            do(self.faults.wrong_account, OWN_HANDLE, key)
            return self.accounts[account_id].as_json()
        return do(account_id, OWN_HANDLE, key).as_json()

    async def _get_public_by_id(self, request: web.Request) -> web.Response:
        return _profile(self.accounts.get(request.match_info["id"]))

    async def _get_public(self, request: web.Request) -> web.Response:
        return _profile(self.by_handle(request.match_info["handle"]))

    async def _get_feed(self, request: web.Request) -> web.Response:
        return web.json_response({"posts": self.feed()})

    async def _get_page(self, request: web.Request) -> web.Response:
        handle = request.match_info["handle"]
        account = self.by_handle(handle)
        if account is None or account.state != "active":
            return _html(missing_page(handle), 404)
        posts = [post for post in self.posts if post.account_id == account.id]
        return _html(profile_page(account, posts), 200)


def _profile(account: Account | None) -> web.Response:
    """What anybody may see; a deactivated account looks like one that never was."""
    if account is None or account.state != "active":
        return _missing()
    shown = ("id", "handle", "display_name", "followers", "verified", "created_at")
    return web.json_response({name: getattr(account, name) for name in shown})


def _html(text: str, status: int) -> web.Response:
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return web.Response(
        text=text,
        status=status,
        content_type="text/html",
        headers={"Content-Security-Policy": policy, "Cache-Control": "no-store"},
    )


def _missing() -> web.Response:
    return _error(404, "no_such_account")


def _error(status: int, error: str, **more: Any) -> web.Response:
    return web.json_response({"error": error, **more}, status=status)


def _drop(request: web.Request) -> web.StreamResponse:
    """Break the connection, as a machine that goes down does."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response(status=503)
