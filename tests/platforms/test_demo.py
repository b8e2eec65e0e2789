"""The demo platform's module against the sandbox's platform, over HTTP."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr, ValidationError

from bot.core.actions import ActionKind, Order
from bot.core.subject import AccountState, SubjectId
from bot.platforms.conformance import Bench, Conformance, Made
from bot.platforms.demo import Demo, Settings
from bot.ports import Fate, Platform, PlatformError
from bot.sandbox.clock import SandboxClock
from bot.sandbox.platform import SandboxPlatform

NOW = 1_509_700_000_000


def made(account_id: str, handle: str) -> Made:
    return Made(SubjectId(platform="demo", id=account_id), handle)


class DemoBench(Bench):
    clock: SandboxClock
    patience_ms = 400

    def __init__(self) -> None:
        self.clock = SandboxClock(lambda: NOW)
        self.pipit = SandboxPlatform(self.clock)

    @property
    def url(self) -> str:
        return self.pipit.url

    def at(self, url: str) -> Platform:
        return Demo(Settings(url=url, token=SecretStr(self.pipit.token)), self.clock)

    def skip(self, ms: int) -> None:
        self.clock.skip(ms)

    async def make_account(self) -> Made:
        account = self.pipit.add(f"person{len(self.pipit.accounts)}")
        return made(account.id, account.handle)

    async def is_usable(self, subject: SubjectId) -> bool:
        return self.pipit.accounts[subject.id].state == "active"

    async def exists(self, subject: SubjectId) -> bool:
        return subject.id in self.pipit.accounts

    def missing(self) -> Made:
        return made("acct-999999", "nobody")

    def own(self) -> Made:
        return made("acct-1007", "nolone")

    async def make_admin(self) -> Made:
        return made("acct-1006", "root")

    async def make_held(self) -> Made:
        account = self.pipit.add("held", legal_hold=True)
        return made(account.id, account.handle)

    async def make_handle_like_id(self, other: SubjectId) -> Made:
        account = self.pipit.add(other.id)
        return made(account.id, account.handle)

    async def rename(self, subject: SubjectId) -> str:
        return self.pipit.update(subject.id, handle="renamed").handle

    async def effects(self, subject: SubjectId) -> int:
        return sum(effect.account_id == subject.id for effect in self.pipit.effects)


@pytest.fixture
async def bench() -> AsyncIterator[DemoBench]:
    bench = DemoBench()
    await bench.pipit.start()
    yield bench
    await bench.pipit.stop()


class TestConformance(Conformance):
    pass


@dataclass
class Stage:
    pipit: SandboxPlatform
    demo: Demo
    clock: SandboxClock
    patience_ms = 400

    async def order(self, handle: str, action: ActionKind = ActionKind.DEACTIVATE) -> Order:
        found = await self.demo.find(handle)
        assert found
        return Order(
            key=f"test/R-1/{action}",
            action=action,
            subject=found.subject,
            handle=found.handle,
            not_after=self.clock.now() + 1000,
        )


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    clock = SandboxClock(lambda: NOW)
    pipit = SandboxPlatform(clock)
    await pipit.start()
    demo = Demo(Settings(url=pipit.url, token=SecretStr(pipit.token)), clock)
    yield Stage(pipit, demo, clock)
    await demo.aclose()
    await pipit.stop()


async def test_the_president_is_known_with_every_fact(stage: Stage) -> None:
    found = await stage.demo.find("@President")
    assert found
    assert found.subject == SubjectId(platform="demo", id="acct-1000")
    assert found.followers == 43_600_000
    assert found.verified is True
    assert found.roles == frozenset({"public-office"})
    assert found.legal_hold is False
    assert found.profile_url == f"{stage.pipit.url}/@president"


async def test_a_count_of_zero_is_not_unknown(stage: Stage) -> None:
    stage.pipit.add("newcomer")
    found = await stage.demo.find("newcomer")
    assert found
    assert found.followers == 0


async def test_the_fake_president_is_a_lookalike(stage: Stage) -> None:
    assert [s.handle for s in await stage.demo.lookalikes("president")] == ["pres1dent"]
    assert [s.handle for s in await stage.demo.lookalikes("@pres1dent")] == ["president"]


async def test_an_account_deactivated_before_says_by_whom_and_since_when(stage: Stage) -> None:
    found = await stage.demo.find("gone")
    assert found
    assert found.state is AccountState.DEACTIVATED
    assert (found.by, found.since) == ("legal@pipit.example", 1_506_816_000_000)
    seen = await stage.demo.observe(found.subject)
    assert (seen.state, seen.by, seen.key) == (
        AccountState.DEACTIVATED,
        "legal@pipit.example",
        None,
    )


async def test_our_own_effect_is_observed_with_the_orders_key(stage: Stage) -> None:
    order = await stage.order("president")
    await stage.demo.apply(order)
    seen = await stage.demo.observe(order.subject)
    assert (seen.state, seen.by, seen.key) == (AccountState.DEACTIVATED, "nolone", order.key)


async def test_a_lie_is_not_observed_as_an_effect(stage: Stage) -> None:
    stage.pipit.faults.lies = True
    order = await stage.order("ada")
    assert "200" in (await stage.demo.apply(order)).answer
    seen = await stage.demo.observe(order.subject)
    assert (seen.state, seen.key) == (AccountState.ACTIVE, None)


async def test_a_change_of_the_wrong_account_is_not_observed_as_an_effect(stage: Stage) -> None:
    stage.pipit.faults.wrong_account = "acct-1000"
    order = await stage.order("pres1dent")
    await stage.demo.apply(order)
    assert (await stage.demo.observe(order.subject)).state is AccountState.ACTIVE
    president = SubjectId(platform="demo", id="acct-1000")
    assert (await stage.demo.observe(president)).state is AccountState.DEACTIVATED


async def test_the_same_key_again_after_a_hang_has_no_second_effect(stage: Stage) -> None:
    order = await stage.order("ada")
    stage.pipit.faults.hangs_after = True
    with pytest.raises(PlatformError) as caught:
        await stage.demo.apply(order)
    assert caught.value.fate is Fate.UNCLEAR
    stage.pipit.faults.clear()
    await stage.demo.apply(order)
    assert len(stage.pipit.effects) == 1


async def test_a_slow_platform_is_waited_for_until_the_order_runs_out(stage: Stage) -> None:
    order = await stage.order("ada")
    stage.pipit.faults.only_writes = True
    stage.pipit.faults.slow = 0.1
    await stage.demo.apply(order)
    stage.pipit.faults.slow = 60
    with pytest.raises(PlatformError, match=r"no answer within 0\.2 s") as caught:
        await stage.demo.apply(
            (await stage.order("jonas_b")).model_copy(
                update={"not_after": NOW + 200, "key": "other"}
            )
        )
    assert caught.value.fate is Fate.UNCLEAR
    assert len(stage.pipit.effects) == 1


async def test_an_erased_account_cannot_be_acted_on(stage: Stage) -> None:
    order = await stage.order("ada", ActionKind.RESTORE)
    stage.pipit.update(order.subject.id, state="erased")
    with pytest.raises(PlatformError, match="erased and cannot be restored"):
        await stage.demo.apply(order)
    assert (await stage.demo.observe(order.subject)).state is AccountState.ERASED


async def test_a_wrong_token_is_said_to_be_one(stage: Stage) -> None:
    token = SecretStr("not-the-token")
    demo = Demo(Settings(url=stage.pipit.url, token=token), stage.clock)
    with pytest.raises(PlatformError, match="refuses our token") as caught:
        await demo.find("ada")
    await demo.aclose()
    assert caught.value.fate is Fate.REFUSED
    assert "not-the-token" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1:80",
        "http://example.org",
        "http://127.0.0.1.example.org",
        "http://me:secret@127.0.0.1",
        "ftp://127.0.0.1",
        "127.0.0.1:80",
    ],
)
def test_an_address_that_is_not_on_this_machine_is_refused(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(url=url, token=SecretStr("t"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/", "http://[::1]:80", "http://localhost"])
def test_an_address_on_this_machine_is_taken(url: str) -> None:
    assert Settings(url=url, token=SecretStr("t")).url == url.rstrip("/")


async def test_the_public_page_is_looked_at_as_anybody_would(stage: Stage) -> None:
    """Without the token, which might show more than others see."""
    with_token: dict[str, bool] = {}

    @web.middleware
    async def watch(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        with_token[request.path] = "Authorization" in request.headers
        return await handler(request)

    app = web.Application(middlewares=[watch])
    stage.pipit.routes(app)
    async with TestServer(app) as server:
        url = str(server.make_url(""))
        demo = Demo(Settings(url=url, token=SecretStr(stage.pipit.token)), stage.clock)
        await demo.observe(SubjectId(platform="demo", id="acct-1000"))
        await demo.aclose()
    assert with_token == {"/api/accounts/acct-1000": True, "/api/public/id/acct-1000": False}


async def test_an_effect_that_is_not_public_yet_is_nobodys(stage: Stage) -> None:
    """The API may already tell of our own change; what is seen is the public page."""
    order = await stage.order("ada")
    await stage.demo.apply(order)

    async def still_there(request: web.Request) -> web.Response:
        return web.json_response({"id": order.subject.id})

    app = web.Application()
    app.router.add_get(f"/api/public/id/{order.subject.id}", still_there)
    stage.pipit.routes(app)
    async with TestServer(app) as server:
        url = str(server.make_url(""))
        demo = Demo(Settings(url=url, token=SecretStr(stage.pipit.token)), stage.clock)
        seen = await demo.observe(order.subject)
        await demo.aclose()
    assert (seen.state, seen.by, seen.key) == (AccountState.ACTIVE, None, None)
