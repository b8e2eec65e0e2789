"""The suite that every platform passes, a third party's too.

A platform's tests subclass `Conformance` and give it a fixture `bench`, an implementation of
`Bench` for that platform (docs/how-to/write-a-platform.md). The suite puts a proxy of its own
between the platform's module and the platform, and breaks the calls there.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any
from unittest import SkipTest

import aiohttp
from aiohttp import web

from bot.core.actions import ACTIONS, ActionKind, Order
from bot.core.subject import AccountState, Observed, Snapshot, SubjectId
from bot.ports import Clock, Fate, Platform, PlatformError

_REQUIRED = {"subject", "handle", "at", "state", "is_bot_itself"}
_AWKWARD = ("", ".", "..", "../..", "a/b", "a?b=c", "a#b", "%2e%2e", "@", "@:", "a\r\nb: c", "名")


@dataclass(frozen=True, slots=True)
class Made:
    """An account that the bench made, or knows of."""

    subject: SubjectId
    handle: str


class Bench(ABC):
    """What the suite needs of a platform beside its module, which it does not trust.

    Whatever a platform does not have at all is left out: that skips the checks about it.
    """

    clock: Clock  # that the platforms are made with; it stands still but for `skip`
    patience_ms = 1000  # enough for a look-up and a change

    @property
    @abstractmethod
    def url(self) -> str:
        """The real platform's address."""

    @abstractmethod
    def at(self, url: str) -> Platform:
        """The platform's module as for `url`, but reached at this address. The suite closes it."""

    @abstractmethod
    def skip(self, ms: int) -> None:
        """Move the clock on."""

    @abstractmethod
    async def make_account(self) -> Made:
        """A new, active, ordinary account."""

    @abstractmethod
    async def is_usable(self, subject: SubjectId) -> bool:
        """Whether the account's owner, or anybody, finds it working; seen without the module."""

    @abstractmethod
    async def exists(self, subject: SubjectId) -> bool:
        """Whether there is such an account in any state; seen without the module."""

    @abstractmethod
    def missing(self) -> Made:
        """A well-formed id and handle that are nobody's."""

    @abstractmethod
    def own(self) -> Made:
        """The account that the module's credentials belong to."""

    async def make_admin(self) -> Made:
        """An administrator, other than the own account."""
        raise SkipTest("this platform has no administrators among its accounts")

    async def make_held(self) -> Made:
        """An account under a legal hold."""
        raise SkipTest("this platform knows no legal hold")

    async def make_handle_like_id(self, other: SubjectId) -> Made:
        """An account whose handle is the id of another."""
        raise SkipTest("no handle can look like an id on this platform")

    async def rename(self, subject: SubjectId) -> str:
        """Give the account another handle, and return it."""
        raise SkipTest("handles never change on this platform")

    async def effects(self, subject: SubjectId) -> int | None:
        """How often anything was really done to the account; None if the platform cannot tell."""
        return None


class Break(StrEnum):
    """What the proxy does to a call."""

    DROP = "drops the connection, nothing done"
    DROP_AFTER = "drops the connection, done"
    STALL_AFTER = "never answers, done"
    FAIL = "500, nothing done"
    FAIL_AFTER = "503, done"
    REFUSE = "400, nothing done"
    FORBID = "403, nothing done"
    THROTTLE_BODY = "429 with retry_after_ms, nothing done"
    THROTTLE_HEADER = "429 with Retry-After, nothing done"
    REDIRECT = "307 to elsewhere, nothing done"
    FLOOD_AFTER = "an endless answer, done"
    HTML_AFTER = "a page instead of JSON, done"
    LOST = "404 as a wrong address has it, nothing done"


_AT_ONCE = tuple(how for how in Break if how is not Break.STALL_AFTER)
_AFTER = {
    Break.DROP_AFTER,
    Break.STALL_AFTER,
    Break.FAIL_AFTER,
    Break.FLOOD_AFTER,
    Break.HTML_AFTER,
}
_WAIT_MS = 7000  # what the proxy's 429 asks for
_UNCLEAR = _AFTER | {Break.DROP, Break.FAIL}
_HOP = {
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "keep-alive",
}  # headers not passed on
_FLOOD = 64 << 20  # bytes; nobody who caps answers takes so much


@dataclass(slots=True)
class Proxy:
    """Stands in front of a platform. Whatever is not GET counts as a write while applying."""

    target: str
    url: str = ""
    break_reads: Break | None = None
    break_writes: Break | None = None
    skip_on_read: int = 0  # ms to move the clock on at each read
    writes: int = 0
    elsewhere: int = 0  # calls that followed a redirect
    flooded: int = 0  # bytes of an endless answer that were taken
    bench: Bench | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.path == "/elsewhere":
            self.elsewhere += 1
            return web.json_response({})
        is_write = request.method != "GET"
        self.writes += is_write
        if not is_write and self.bench and self.skip_on_read:
            self.bench.skip(self.skip_on_read)
        how = self.break_writes if is_write else self.break_reads
        if how is None:
            return await self._forward(request, body)
        if how in _AFTER:
            await self._forward(request, body)
        return await self._broken(request, how)

    async def _forward(self, request: web.Request, body: bytes) -> web.Response:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP}
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(
                request.method, self.target + request.raw_path, data=body, headers=headers
            ) as answer,
        ):
            return web.Response(
                status=answer.status,
                body=await answer.read(),
                headers={k: v for k, v in answer.headers.items() if k.lower() not in _HOP},
            )

    async def _broken(self, request: web.Request, how: Break) -> web.StreamResponse:
        match how:
            case Break.DROP | Break.DROP_AFTER:
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            case Break.STALL_AFTER:
                await self.over.wait()
                return web.Response()
            case Break.FLOOD_AFTER:
                return await self._flood(request)
            case Break.REDIRECT:
                return web.Response(status=307, headers={"Location": self.url + "/elsewhere"})
            case Break.HTML_AFTER:
                return web.Response(text="<h1>Welcome</h1>", content_type="text/html")
            case Break.THROTTLE_HEADER:
                return web.json_response({}, status=429, headers={"Retry-After": "7"})
            case Break.THROTTLE_BODY:
                return web.json_response({"retry_after_ms": _WAIT_MS}, status=429)
        status = {Break.FAIL: 500, Break.FAIL_AFTER: 503, Break.REFUSE: 400, Break.FORBID: 403}
        return web.json_response({}, status=status.get(how, 404))

    async def _flood(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        try:
            await response.write(b'{"padding":"')
            while self.flooded < _FLOOD:
                await response.write(b"x" * 65536)
                self.flooded += 65536
        except ConnectionError:
            pass  # the client has had enough, which is what is wanted
        return response


@asynccontextmanager
async def _through_proxy(bench: Bench, **how: Any) -> AsyncIterator[tuple[Platform, Proxy]]:
    """The platform's module, with a proxy between it and the platform."""
    proxy = Proxy(bench.url, bench=bench, **how)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", proxy.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    platform = bench.at(proxy.url)
    try:
        yield platform, proxy
    finally:
        proxy.over.set()
        await platform.aclose()
        await runner.cleanup()


@asynccontextmanager
async def _direct(bench: Bench) -> AsyncIterator[Platform]:
    platform = bench.at(bench.url)
    try:
        yield platform
    finally:
        await platform.aclose()


def _order(bench: Bench, account: Made, action: ActionKind = ActionKind.DEACTIVATE) -> Order:
    return Order(
        key=f"conformance/{account.subject.id}/{action}",
        action=action,
        subject=account.subject,
        handle=account.handle,
        not_after=bench.clock.now() + bench.patience_ms,
    )


async def _error_of(call: Awaitable[object]) -> PlatformError | None:
    """The PlatformError that a call ends in, if it does; any other exception goes through."""
    try:
        await call
    except PlatformError as error:
        return error
    return None


async def _fails(platform: Platform, order: Order) -> PlatformError:
    error = await _error_of(platform.apply(order))
    assert error is not None, "the order was carried out"
    assert order.key not in str(error), "the order's key stands in the error's text"
    return error


async def _seen(bench: Bench, platform: Platform, account: Made, wanted: AccountState) -> Observed:
    """What is observed once it is `wanted`, which it has to be before patience is over."""
    for _ in range(20):
        seen = await platform.observe(account.subject)
        if seen.state is wanted:
            break
        await asyncio.sleep(bench.patience_ms / 20_000)
    assert seen.state is wanted
    return seen


class Conformance:
    """Every check by itself; each makes the accounts that it needs."""

    # Looking.

    async def test_it_says_what_it_can_do(self, bench: Bench) -> None:
        async with _direct(bench) as platform:
            assert set(platform.capabilities) == set(ACTIONS)
            assert platform.facts <= set(Snapshot.model_fields) - _REQUIRED

    async def test_an_account_is_found_by_handle_and_fetched_by_id(self, bench: Bench) -> None:
        account = await bench.make_account()
        async with _direct(bench) as platform:
            for handle in (account.handle, f"@{account.handle}", f" {account.handle} "):
                found = await platform.find(handle)
                assert found is not None
                assert (found.subject, found.handle) == (account.subject, account.handle)
                assert found.subject.platform == platform.name
                assert found.state is AccountState.ACTIVE
                assert found.at == bench.clock.now()
                assert not found.is_bot_itself
                assert found == await platform.fetch(account.subject)

    async def test_what_it_cannot_supply_is_unknown(self, bench: Bench) -> None:
        account = await bench.make_account()
        async with _direct(bench) as platform:
            found = await platform.fetch(account.subject)
            assert found is not None
            for name in set(Snapshot.model_fields) - _REQUIRED - platform.facts:
                assert getattr(found, name) is None, f"{name} is not in `facts`"

    async def test_instants_are_milliseconds(self, bench: Bench) -> None:
        account = await bench.make_account()
        async with _direct(bench) as platform:
            found = await platform.fetch(account.subject)
            assert found is not None
            for instant in (found.created_at, found.since):
                assert instant is None or 10**11 < instant < 10**14

    async def test_what_is_missing_is_none(self, bench: Bench) -> None:
        nobody = bench.missing()
        async with _direct(bench) as platform:
            assert await platform.find(nobody.handle) is None
            assert await platform.fetch(nobody.subject) is None
            assert (await platform.observe(nobody.subject)).state is AccountState.UNKNOWN

    async def test_a_handle_is_not_taken_for_an_id(self, bench: Bench) -> None:
        account = await bench.make_account()
        async with _direct(bench) as platform:
            by_handle = SubjectId(platform=platform.name, id=account.handle)
            assert await platform.fetch(by_handle) is None
        impostor = await bench.make_handle_like_id(account.subject)
        async with _direct(bench) as platform:
            found = await platform.find(account.subject.id)
            fetched = await platform.fetch(account.subject)
            assert found is not None
            assert fetched is not None
            assert found.subject == impostor.subject
            assert fetched.handle == account.handle

    async def test_another_platforms_subject_is_nobody_here(self, bench: Bench) -> None:
        account = await bench.make_account()
        foreign = SubjectId(platform="elsewhere", id=account.subject.id)
        async with _direct(bench) as platform:
            assert await platform.fetch(foreign) is None
            order = _order(bench, Made(foreign, account.handle))
            assert (await _fails(platform, order)).fate is Fate.REFUSED
        assert await bench.is_usable(account.subject)

    async def test_awkward_ids_and_handles_lead_nowhere(self, bench: Bench) -> None:
        async with _direct(bench) as platform:
            for text in _AWKWARD:
                subject = SubjectId(platform=platform.name, id=text)
                for look in (partial(platform.find, text), partial(platform.fetch, subject)):
                    try:
                        assert await look() is None, text
                    except PlatformError as refusal:
                        if refusal.fate is not Fate.REFUSED:
                            raise

    async def test_lookalikes_are_other_accounts(self, bench: Bench) -> None:
        account = await bench.make_account()
        async with _direct(bench) as platform:
            for found in await platform.lookalikes(account.handle):
                assert found.subject != account.subject
                assert found.subject.platform == platform.name

    async def test_the_own_account_is_known(self, bench: Bench) -> None:
        async with _direct(bench) as platform:
            found = await platform.fetch(bench.own().subject)
            assert found is not None
            assert found.is_bot_itself

    async def test_a_renamed_account_keeps_its_id(self, bench: Bench) -> None:
        account = await bench.make_account()
        handle = await bench.rename(account.subject)
        async with _direct(bench) as platform:
            found = await platform.fetch(account.subject)
            assert found is not None
            assert found.handle == handle
            assert await platform.find(account.handle) is None

    async def test_a_fault_is_never_taken_for_a_missing_account(self, bench: Bench) -> None:
        """Nor for a deactivated one: that would be "verified" without any effect."""
        account = await bench.make_account()
        async with _through_proxy(bench) as (platform, proxy):
            assert await platform.find(account.handle)  # with whatever it learns first
            for how in _AT_ONCE:
                proxy.break_reads = how
                for look in (
                    partial(platform.find, account.handle),
                    partial(platform.fetch, account.subject),
                    partial(platform.observe, account.subject),
                ):
                    error = await _error_of(look())
                    assert error is not None, how
                    assert error.fate is not Fate.UNCLEAR, how  # a look changes nothing
            assert proxy.elsewhere == 0
            assert proxy.flooded < _FLOOD

    # Acting.

    async def test_an_effect_is_seen_from_outside_and_undone(self, bench: Bench) -> None:
        account = await bench.make_account()
        async with _direct(bench) as platform:
            assert (await platform.observe(account.subject)).state is AccountState.ACTIVE
            for action, usable in ((ActionKind.DEACTIVATE, False), (ActionKind.RESTORE, True)):
                receipt = await platform.apply(_order(bench, account, action))
                assert receipt.answer
                assert receipt.at == bench.clock.now()
                seen = await _seen(bench, platform, account, ACTIONS[action].wanted)
                assert seen.surface
                assert await bench.is_usable(account.subject) is usable
                found = await platform.fetch(account.subject)
                assert found is not None
                assert found.state is ACTIONS[action].wanted
                assert found.handle == account.handle

    async def test_only_the_subject_is_touched(self, bench: Bench) -> None:
        account, bystander = await bench.make_account(), await bench.make_account()
        async with _direct(bench) as platform:
            await platform.apply(_order(bench, account))
            assert (await platform.observe(bystander.subject)).state is AccountState.ACTIVE
        assert await bench.is_usable(bystander.subject)

    async def test_the_same_order_twice_is_one_effect(self, bench: Bench) -> None:
        account = await bench.make_account()
        order = _order(bench, account)
        async with _direct(bench) as platform:
            await platform.apply(order)
            if platform.capabilities[order.action].idempotent:
                await platform.apply(order)
        assert not await bench.is_usable(account.subject)
        assert await bench.effects(account.subject) in (1, None)

    async def test_nothing_is_sent_after_the_orders_time(self, bench: Bench) -> None:
        account = await bench.make_account()
        async with _through_proxy(bench) as (platform, proxy):
            for late in (0, 1):
                order = _order(bench, account)
                order = order.model_copy(update={"not_after": bench.clock.now() - late})
                assert (await _fails(platform, order)).fate is Fate.NOT_SENT
            assert proxy.writes == 0

    async def test_nothing_is_sent_if_its_time_runs_out_while_looking(self, bench: Bench) -> None:
        account = await bench.make_account()
        skip = bench.patience_ms + 1
        async with _through_proxy(bench, skip_on_read=skip) as (platform, proxy):
            assert (await _fails(platform, _order(bench, account))).fate is Fate.NOT_SENT
            assert proxy.writes == 0

    async def test_another_handle_than_the_approved_one_is_refused(self, bench: Bench) -> None:
        account, other = await bench.make_account(), await bench.make_account()
        await self._is_refused(bench, Made(account.subject, other.handle))
        assert await bench.is_usable(account.subject)
        assert await bench.is_usable(other.subject)

    async def test_an_id_that_does_not_exist_is_refused_and_not_created(self, bench: Bench) -> None:
        nobody = bench.missing()
        await self._is_refused(bench, nobody)
        assert not await bench.exists(nobody.subject)

    async def test_the_own_account_is_refused(self, bench: Bench) -> None:
        await self._is_refused(bench, bench.own())

    async def test_an_administrator_is_refused(self, bench: Bench) -> None:
        await self._is_refused(bench, await bench.make_admin())

    async def test_a_legal_hold_is_refused(self, bench: Bench) -> None:
        await self._is_refused(bench, await bench.make_held())

    async def test_a_platform_that_cannot_be_reached_got_nothing(self, bench: Bench) -> None:
        account = await bench.make_account()
        async with _through_proxy(bench) as (_, proxy):
            url = proxy.url
        platform = bench.at(url)  # where nobody listens any more
        try:
            assert (await _fails(platform, _order(bench, account))).fate is Fate.NOT_SENT
        finally:
            await platform.aclose()

    async def test_a_failed_look_before_acting_sends_nothing(self, bench: Bench) -> None:
        account = await bench.make_account()
        async with _through_proxy(bench) as (platform, proxy):
            assert await platform.find(account.handle)
            for how in _AT_ONCE:
                proxy.break_reads = how
                fate = (await _fails(platform, _order(bench, account))).fate
                assert fate is not Fate.UNCLEAR, how
                assert proxy.writes == 0, how

    async def test_a_change_that_may_have_happened_is_unclear_and_sent_once(
        self, bench: Bench
    ) -> None:
        for how in sorted(_UNCLEAR):
            account = await bench.make_account()
            async with _through_proxy(bench, break_writes=how) as (platform, proxy):
                assert (await _fails(platform, _order(bench, account))).fate is Fate.UNCLEAR, how
                assert proxy.writes == 1, how
                assert proxy.flooded < _FLOOD
            assert await bench.is_usable(account.subject) is (how not in _AFTER), how

    async def test_a_change_is_given_up_when_the_orders_time_is_over(self, bench: Bench) -> None:
        account = await bench.make_account()
        async with _through_proxy(bench, break_writes=Break.STALL_AFTER) as (platform, _):
            async with asyncio.timeout(3 * bench.patience_ms / 1000):
                assert (await _fails(platform, _order(bench, account))).fate is Fate.UNCLEAR

    async def test_a_platforms_no_is_a_refusal(self, bench: Bench) -> None:
        account = await bench.make_account()
        for how in (Break.REFUSE, Break.FORBID, Break.LOST):
            async with _through_proxy(bench, break_writes=how) as (platform, _):
                assert (await _fails(platform, _order(bench, account))).fate is Fate.REFUSED, how
        assert await bench.is_usable(account.subject)

    async def test_being_told_to_slow_down_says_for_how_long(self, bench: Bench) -> None:
        account = await bench.make_account()
        for how in (Break.THROTTLE_BODY, Break.THROTTLE_HEADER):
            async with _through_proxy(bench, break_writes=how) as (platform, proxy):
                error = await _fails(platform, _order(bench, account))
                assert (error.fate, error.retry_after_ms) == (Fate.NOT_SENT, _WAIT_MS), how
                assert proxy.writes == 1, how
        assert await bench.is_usable(account.subject)

    async def test_a_redirect_is_not_followed(self, bench: Bench) -> None:
        account = await bench.make_account()
        async with _through_proxy(bench, break_writes=Break.REDIRECT) as (platform, proxy):
            await _fails(platform, _order(bench, account))
            assert (proxy.writes, proxy.elsewhere) == (1, 0)
        assert await bench.is_usable(account.subject)

    async def _is_refused(self, bench: Bench, account: Made) -> None:
        """For every action, and before anything is sent."""
        async with _through_proxy(bench) as (platform, proxy):
            for action in ACTIONS:
                error = await _fails(platform, _order(bench, account, action))
                assert error.fate is Fate.REFUSED, action
            assert proxy.writes == 0
