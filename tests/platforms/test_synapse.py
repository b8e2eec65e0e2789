"""Synapse's module against a real Synapse. Each trap that was found there has a test."""

from collections.abc import AsyncIterator, Iterator
from urllib.parse import quote

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from bot.core.actions import ActionKind, Order
from bot.core.subject import AccountState, SubjectId
from bot.platforms.conformance import Bench, Conformance, Made
from bot.platforms.synapse import Settings, Synapse
from bot.ports import Fate, Platform, PlatformError
from bot.sandbox.clock import SandboxClock

from .synapse import Server, serve

pytestmark = pytest.mark.synapse

NOW = 1_509_700_000_000


def subject(user_id: str) -> SubjectId:
    return SubjectId(platform="synapse", id=user_id)


def made(user_id: str) -> Made:
    return Made(subject(user_id), user_id.removeprefix("@").partition(":")[0])


def order(user_id: str, action: ActionKind = ActionKind.DEACTIVATE) -> Order:
    account = made(user_id)
    return Order(
        key="test/R-1/1",
        action=action,
        subject=account.subject,
        handle=account.handle,
        not_after=NOW + 5000,
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("synapse")) as server:
        yield server


@pytest.fixture
async def synapse(server: Server) -> AsyncIterator[Synapse]:
    settings = Settings(url=server.url, token=SecretStr(server.token))
    platform = Synapse(settings, SandboxClock(lambda: NOW))
    yield platform
    await platform.aclose()


class SynapseBench(Bench):
    clock: SandboxClock
    patience_ms = 2000

    def __init__(self, server: Server) -> None:
        self.clock = SandboxClock(lambda: NOW)
        self.server = server

    @property
    def url(self) -> str:
        return self.server.url

    def at(self, url: str) -> Platform:
        return Synapse(Settings(url=url, token=SecretStr(self.server.token)), self.clock)

    def skip(self, ms: int) -> None:
        self.clock.skip(ms)

    async def make_account(self) -> Made:
        return made(await self.server.add())

    async def is_usable(self, subject: SubjectId) -> bool:
        return await self.server.whoami(subject.id) == 200

    async def exists(self, subject: SubjectId) -> bool:
        status, _ = await self.server.admin("GET", f"/v2/users/{quote(subject.id, safe='')}")
        return status == 200

    def missing(self) -> Made:
        return made("@nobody:ts.localhost")

    def own(self) -> Made:
        return made("@nolone:ts.localhost")

    async def make_admin(self) -> Made:
        return made("@breakglass:ts.localhost")


@pytest.fixture
def bench(server: Server) -> SynapseBench:
    return SynapseBench(server)


class TestConformance(Conformance):
    pass


async def test_a_handle_may_be_written_in_each_usual_way(synapse: Synapse) -> None:
    for written in ("alice", "@alice", "@alice:ts.localhost", "alice:ts.localhost", " @Alice "):
        found = await synapse.find(written)
        assert found
        assert (found.subject.id, found.handle) == ("@alice:ts.localhost", "alice")


async def test_another_servers_account_is_refused(synapse: Synapse) -> None:
    with pytest.raises(PlatformError, match=r"only accounts of ts\.localhost") as caught:
        await synapse.find("@alice:example.org")
    assert caught.value.fate is Fate.REFUSED
    assert await synapse.fetch(subject("@alice:example.org")) is None
    with pytest.raises(PlatformError, match="no account with this id"):
        await synapse.apply(order("@alice:example.org"))


async def test_a_lock_of_a_typo_would_create_that_user_and_is_never_sent(
    synapse: Synapse, server: Server
) -> None:
    """That it would: the trap, as the server has it. That it is not: ours."""
    status, answer = await server.admin("PUT", "/v2/users/@tyop1:ts.localhost", {"locked": True})
    assert (status, answer["locked"]) == (201, False)
    with pytest.raises(PlatformError, match="no account with this id"):
        await synapse.apply(order("@tyop2:ts.localhost"))
    assert (await server.admin("GET", "/v2/users/@tyop2:ts.localhost"))[0] == 404


async def test_a_creation_instead_of_a_lock_is_loud(server: Server) -> None:
    """As when the account vanishes between the look and the lock: here a proxy made it up."""

    async def handle(request: web.Request) -> web.Response:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        looks_for_ghost = request.method == "GET" and "ghost" in request.path
        path = request.raw_path.replace("ghost", "alice") if looks_for_ghost else request.raw_path
        body = await request.json() if request.can_read_body else None
        status, answer = await server.call(request.method, path, token, body)
        if looks_for_ghost:
            answer["name"] = "@ghost:ts.localhost"
        return web.json_response(answer, status=status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    async with TestServer(app) as proxy:
        settings = Settings(url=str(proxy.make_url("")), token=SecretStr(server.token))
        synapse = Synapse(settings, SandboxClock(lambda: NOW))
        with pytest.raises(PlatformError, match="CREATED") as caught:
            await synapse.apply(order("@ghost:ts.localhost"))
        await synapse.aclose()
    assert caught.value.fate is Fate.UNCLEAR


async def test_an_accounts_age_is_the_same_in_record_and_list(
    synapse: Synapse, server: Server
) -> None:
    """The record has it in seconds, the list in milliseconds."""
    user_id = await server.add("carol")
    twin_id = await server.add("car0l")
    record = await synapse.fetch(subject(twin_id))
    [listed] = [s for s in await synapse.lookalikes("carol") if s.subject.id == twin_id]
    assert record
    assert record.created_at
    assert record.created_at == listed.created_at
    assert listed.roles is None  # the list does not tell who belongs to an application service
    assert user_id not in {s.subject.id for s in await synapse.lookalikes("carol")}


async def test_the_bots_own_account_is_known_by_its_token(synapse: Synapse) -> None:
    found = await synapse.find("nolone")
    assert found
    assert found.is_bot_itself
    assert found.roles == frozenset({"admin"})


async def test_a_bot_that_is_locked_out_says_so(synapse: Synapse, server: Server) -> None:
    """What would come of locking oneself: no way back with that token."""
    user_id = await server.add("second_bot", admin=True)
    path = f"/v2/users/{quote(user_id, safe='')}"
    token = SecretStr(server.sessions[user_id])
    bot = Synapse(Settings(url=server.url, token=token), SandboxClock(lambda: NOW))
    assert await bot.find("alice")
    assert (
        await server.call(
            "PUT", f"/_synapse/admin{path}", token.get_secret_value(), {"locked": True}
        )
    )[0] == 200
    status, _ = await server.call(
        "PUT", f"/_synapse/admin{path}", token.get_secret_value(), {"locked": False}
    )
    assert status == 401
    with pytest.raises(PlatformError, match="M_USER_LOCKED") as caught:
        await bot.find("alice")
    assert caught.value.fate is Fate.REFUSED
    await bot.aclose()


async def test_an_account_in_the_directory_is_seen_to_vanish_and_come_back(
    synapse: Synapse, server: Server
) -> None:
    user_id = await server.add()
    await server.go_public(user_id)
    for action, state in (
        (None, AccountState.ACTIVE),
        (ActionKind.DEACTIVATE, AccountState.DEACTIVATED),
        (ActionKind.RESTORE, AccountState.ACTIVE),
    ):
        if action:
            await synapse.apply(order(user_id, action))
        seen = await synapse.observe(subject(user_id))
        assert (seen.state, seen.surface) == (state, "user-directory search")


async def test_after_a_restart_or_without_a_listing_the_user_list_shows_it(
    synapse: Synapse, server: Server
) -> None:
    user_id = await server.add()
    await server.go_public(user_id)
    await synapse.apply(order(user_id))  # this process never saw it in the directory
    seen = await synapse.observe(subject(user_id))
    assert (seen.state, seen.surface) == (AccountState.DEACTIVATED, "user list")
    hermit = await server.add()
    seen = await synapse.observe(subject(hermit))
    assert (seen.state, seen.surface) == (AccountState.ACTIVE, "user list")


async def test_absence_from_the_directory_alone_is_no_evidence(
    synapse: Synapse, server: Server
) -> None:
    """An account that leaves its last public room vanishes there too."""
    user_id = await server.add()
    await server.go_public(user_id)
    assert (await synapse.observe(subject(user_id))).surface == "user-directory search"
    session = server.sessions[user_id]
    _, rooms = await server.call("GET", "/_matrix/client/v3/joined_rooms", session)
    for room in rooms["joined_rooms"]:
        path = f"/_matrix/client/v3/rooms/{quote(room)}/leave"
        assert (await server.call("POST", path, session, {}))[0] == 200
    assert (await synapse.observe(subject(user_id))).state is AccountState.ACTIVE


async def test_a_rate_limited_directory_leaves_the_user_list(server: Server) -> None:
    """The directory allows 200 searches, then one a minute."""
    user_id = await server.add("busy_bot", admin=True)
    token = server.sessions[user_id]
    search = "/_matrix/client/v3/user_directory/search"
    for _ in range(300):
        status, answer = await server.call("POST", search, token, {"search_term": "alice"})
        if status == 429:
            break
    assert status == 429
    assert answer["retry_after_ms"] > 0
    bot = Synapse(Settings(url=server.url, token=SecretStr(token)), SandboxClock(lambda: NOW))
    seen = await bot.observe(subject("@alice:ts.localhost"))
    assert (seen.state, seen.surface) == (AccountState.ACTIVE, "user list")
    await bot.aclose()


async def test_an_underscore_in_an_id_is_not_any_character(
    synapse: Synapse, server: Server
) -> None:
    """The list's filter is SQL's LIKE: `d_ve` finds `dave` too."""
    await server.add("dave")
    with_underscore = await server.add("d_ve")
    await synapse.apply(order(with_underscore))
    assert (await synapse.observe(subject(with_underscore))).state is AccountState.DEACTIVATED
    assert (await synapse.observe(subject("@dave:ts.localhost"))).state is AccountState.ACTIVE
    assert (await synapse.observe(subject("@_ave:ts.localhost"))).state is AccountState.UNKNOWN


@pytest.mark.parametrize("localpart", ["a/b", "a.b=c", "x+y", "=2e=2e"])
async def test_ids_with_odd_characters_reach_the_right_account(
    synapse: Synapse, server: Server, localpart: str
) -> None:
    user_id = await server.add(localpart)
    found = await synapse.find(localpart)
    assert found
    assert found.subject.id == user_id
    await synapse.apply(order(user_id))
    assert (await synapse.observe(subject(user_id))).state is AccountState.DEACTIVATED
    assert await server.whoami(user_id) == 401


@pytest.mark.parametrize("erase", [False, True])
async def test_an_account_that_synapse_deactivated_is_gone_for_good(
    synapse: Synapse, server: Server, erase: bool
) -> None:
    user_id = await server.add()
    path = f"/v1/deactivate/{quote(user_id, safe='')}"
    assert (await server.admin("POST", path, {"erase": erase}))[0] == 200
    found = await synapse.fetch(subject(user_id))
    assert found
    assert found.state is AccountState.ERASED
    assert (await synapse.observe(subject(user_id))).state is AccountState.ERASED
    for action in ActionKind:
        with pytest.raises(PlatformError, match="erased"):
            await synapse.apply(order(user_id, action))


async def test_a_guest_can_be_locked(synapse: Synapse, server: Server) -> None:
    path = "/_matrix/client/v3/register?kind=guest"
    status, guest = await server.call("POST", path, body={})
    assert status == 200
    user_id = guest["user_id"]
    server.sessions[user_id] = guest["access_token"]
    found = await synapse.fetch(subject(user_id))
    assert found
    assert found.roles == frozenset({"guest"})
    await synapse.apply(order(user_id))
    assert (await synapse.observe(subject(user_id))).state is AccountState.DEACTIVATED
    assert await server.whoami(user_id) == 401


async def test_an_application_services_user_goes_on_when_locked_and_is_refused(
    synapse: Synapse, server: Server
) -> None:
    body = {"type": "m.login.application_service", "username": "bridge_zoe"}
    status, answer = await server.call("POST", "/_matrix/client/v3/register", "as-token", body)
    assert status == 200, answer
    user_id = "@bridge_zoe:ts.localhost"
    found = await synapse.fetch(subject(user_id))
    assert found
    assert found.roles == frozenset({"appservice"})
    with pytest.raises(PlatformError, match="application service") as caught:
        await synapse.apply(order(user_id))
    assert caught.value.fate is Fate.REFUSED
    # The trap, as the server has it: locked by somebody else, it acts all the same.
    await server.admin("PUT", f"/v2/users/{user_id}", {"locked": True})
    whoami = f"/_matrix/client/v3/account/whoami?user_id={user_id}"
    assert (await server.call("GET", whoami, "as-token"))[0] == 200
    await synapse.apply(order(user_id, ActionKind.RESTORE))  # giving access back is no trap
    assert (await synapse.observe(subject(user_id))).state is AccountState.ACTIVE


async def test_a_lock_loses_nothing(synapse: Synapse, server: Server) -> None:
    """Password, device, rooms and name are as before; Synapse's own deactivation loses them."""
    user_id = await server.add(displayname="Erin")
    await server.go_public(user_id)
    session = server.sessions[user_id]
    kept = ("/_matrix/client/v3/joined_rooms", "/_matrix/client/v3/devices")
    before = [await server.call("GET", path, session) for path in kept]
    await synapse.apply(order(user_id))
    status, answer = await server.call("GET", kept[0], session)
    assert (status, answer["errcode"], answer["soft_logout"]) == (401, "M_USER_LOCKED", True)
    await synapse.apply(order(user_id, ActionKind.RESTORE))
    after = [await server.call("GET", path, session) for path in kept]
    assert [a[1].keys() for a in after] == [b[1].keys() for b in before]
    assert after[0] == before[0]
    assert await server.log_in(user_id.removeprefix("@").partition(":")[0], "pw-x")
    found = await synapse.fetch(subject(user_id))
    assert found
    assert found.display_name == "Erin"


async def test_a_wrong_address_is_not_a_server_without_accounts(server: Server) -> None:
    """Synapse answers 404 there as well, with another word."""
    token = SecretStr(server.token)
    wrong = Synapse(Settings(url=f"{server.url}/x", token=token), SandboxClock(lambda: NOW))
    with pytest.raises(PlatformError, match="check its address"):
        await wrong.find("alice")
    await wrong.aclose()


async def test_without_an_administrators_token_nothing_is_seen(server: Server) -> None:
    user_id = await server.add()
    token = SecretStr(server.sessions[user_id])
    nosy = Synapse(Settings(url=server.url, token=token), SandboxClock(lambda: NOW))
    with pytest.raises(PlatformError, match="M_FORBIDDEN"):
        await nosy.find("alice")
    await nosy.aclose()
