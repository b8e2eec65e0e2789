"""The sandbox's platform by itself, as people and scripts see it."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.sandbox.clock import SandboxClock
from bot.sandbox.platform import SandboxPlatform
from bot.sandbox.platform_seeds import Account

NOW = 1_509_700_000_000


@pytest.fixture
async def pipit() -> AsyncIterator[SandboxPlatform]:
    pipit = SandboxPlatform(SandboxClock(lambda: NOW))
    await pipit.start()
    yield pipit
    await pipit.stop()


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def post(url: str, token: str, key: str | None) -> tuple[int, dict[str, object]]:
    headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
    async with aiohttp.ClientSession(headers=headers) as session, session.post(url) as answer:
        return answer.status, await answer.json()


async def test_a_deactivated_accounts_page_says_that_it_does_not_exist(
    pipit: SandboxPlatform,
) -> None:
    status, page = await get(f"{pipit.url}/@president")
    assert status == 200
    assert "The President" in page
    assert "43,600,000" in page
    pipit.deactivate("acct-1000", by="somebody")
    status, page = await get(f"{pipit.url}/@president")
    assert status == 404
    assert "This account doesn't exist" in page
    for path in ("api/public/president", "api/public/id/acct-1000"):
        assert (await get(f"{pipit.url}/{path}"))[0] == 404
    assert "governors" not in (await get(f"{pipit.url}/feed.json"))[1]
    pipit.restore("acct-1000", by="somebody")
    assert (await get(f"{pipit.url}/@president"))[0] == 200


async def test_what_people_write_is_not_markup(pipit: SandboxPlatform) -> None:
    pipit.add("mallory", display_name="<script>x</script>", bio="<img src=x>")
    _, page = await get(f"{pipit.url}/@mallory")
    assert "<script" not in page
    assert "<img" not in page
    _, page = await get(f"{pipit.url}/@%3Cscript%3E")
    assert "<script" not in page


async def test_the_api_wants_the_token(pipit: SandboxPlatform) -> None:
    for path in ("me", "accounts", "accounts/acct-1000", "accounts/by-handle/ada"):
        assert (await get(f"{pipit.url}/api/{path}"))[0] == 401
    assert (await post(f"{pipit.url}/api/accounts/acct-1000/deactivate", "x", "k"))[0] == 401
    assert pipit.effects == []


async def test_a_key_is_for_one_call(pipit: SandboxPlatform) -> None:
    url = f"{pipit.url}/api/accounts"
    assert (await post(f"{url}/acct-1002/deactivate", pipit.token, None))[0] == 400
    first = await post(f"{url}/acct-1002/deactivate", pipit.token, "k")
    pipit.restore("acct-1002", by="somebody")
    assert await post(f"{url}/acct-1002/deactivate", pipit.token, "k") == first
    assert (await post(f"{url}/acct-1003/deactivate", pipit.token, "k"))[0] == 422
    assert [(e.action, e.by, e.key) for e in pipit.effects] == [
        ("deactivate", "nolone", "k"),
        ("restore", "somebody", None),
    ]


async def test_whoever_listens_hears_of_each_change(pipit: SandboxPlatform) -> None:
    heard: list[Account] = []
    pipit.on_change.append(heard.append)
    pipit.deactivate("acct-1002", by="x")
    pipit.deactivate("acct-1002", by="y")  # it is already, by x
    pipit.update("acct-1002", handle="ada2")
    assert [(a.handle, a.state, a.by) for a in heard] == [
        ("ada", "deactivated", "x"),
        ("ada2", "deactivated", "x"),
    ]


def test_a_handle_is_one_accounts() -> None:
    pipit = SandboxPlatform(SandboxClock(lambda: NOW))
    with pytest.raises(ValueError, match="taken"):
        pipit.add("PRESIDENT")
    with pytest.raises(ValueError, match="taken"):
        pipit.update("acct-1001", handle="president")
    assert pipit.update("acct-1000", handle="President").handle == "President"


async def test_it_can_be_mounted_under_a_prefix() -> None:
    app = web.Application()
    SandboxPlatform(SandboxClock(lambda: NOW)).routes(app, "/pipit")
    async with TestServer(app) as server:
        assert (await get(str(server.make_url("/pipit/@ada"))))[0] == 200
        assert (await get(str(server.make_url("/@ada"))))[0] == 404


async def test_it_can_be_stopped_and_started_again(pipit: SandboxPlatform) -> None:
    port = int(pipit.url.rpartition(":")[2])
    await pipit.stop()
    with pytest.raises(aiohttp.ClientConnectorError):
        await get(f"{pipit.url}/@ada")
    await pipit.start(port)
    assert (await get(f"{pipit.url}/@ada"))[0] == 200
