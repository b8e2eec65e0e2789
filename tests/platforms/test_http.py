"""The wrapper around HTTP, against a server that misbehaves."""

import asyncio
import contextlib
import gzip
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer
from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError

from bot.platforms.http import MAX_BYTES, BaseUrl, Http
from bot.ports import Fate, PlatformError

TOKEN = "tok-s3cret"
Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Thing(BaseModel):
    id: str


async def ok(request: web.Request) -> web.StreamResponse:
    return web.json_response({"id": "id-7"})


@dataclass
class Peer:
    """A server that answers with `answer`, and remembers what it was asked."""

    http: Http
    server: BaseTestServer
    answer: Answering = ok
    asked: list[web.Request] = field(default_factory=list)

    async def read(self, public: bool = False) -> Thing | None:
        return await self.http.read(Thing, "look", "things", "id-7", public=public)

    async def write(self, within: float = 5, method: str = "PUT") -> int:
        answer = await self.http.write(
            method, Thing, "change it", "things", "id-7", body={}, within=within
        )
        return answer.status


async def drop(request: web.Request) -> web.StreamResponse:
    assert request.transport
    request.transport.abort()
    return web.Response()


async def hang(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(1)
    return web.Response()


def say(body: object = None, status: int = 200, **headers: str) -> Answering:
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(request: web.Request) -> web.StreamResponse:
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(text=text, status=status, headers=named)

    return answer


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async def handle(request: web.Request) -> web.StreamResponse:
        it.asked.append(request)
        return await it.answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    async with TestServer(app) as server:
        http = Http(
            "acme",
            str(server.make_url("")).rstrip("/"),
            SecretStr(TOKEN + "\n"),
            missing=lambda body: body.get("code") == "gone",
            timeout=0.3,
        )
        it = Peer(http, server)
        yield it
        await http.aclose()


async def fails(call: Awaitable[object]) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        await call
    text = str(caught.value)
    assert text.startswith("acme: could not ")
    for secret in (TOKEN, "id-7", "127.0.0.1", "things"):
        assert secret not in text
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


@pytest.mark.parametrize(
    ("answer", "read", "write"),
    [
        (drop, Fate.NOT_SENT, Fate.UNCLEAR),
        (hang, Fate.NOT_SENT, Fate.UNCLEAR),
        (say({}, 500), Fate.NOT_SENT, Fate.UNCLEAR),
        (say("down", 502), Fate.NOT_SENT, Fate.UNCLEAR),
        (say({}, 408), Fate.NOT_SENT, Fate.UNCLEAR),
        (say({}, 400), Fate.REFUSED, Fate.REFUSED),
        (say({}, 401), Fate.REFUSED, Fate.REFUSED),
        (say("no", 403), Fate.REFUSED, Fate.REFUSED),
        (say({}, 409), Fate.REFUSED, Fate.REFUSED),
        (say({}, 404), Fate.REFUSED, Fate.REFUSED),
        (say("<h1>404</h1>", 404), Fate.REFUSED, Fate.REFUSED),
        (say({}, 429), Fate.NOT_SENT, Fate.NOT_SENT),
        (say({}, 307, Location="/elsewhere"), Fate.NOT_SENT, Fate.UNCLEAR),
        (say("<h1>hi</h1>"), Fate.NOT_SENT, Fate.UNCLEAR),
        (say(""), Fate.NOT_SENT, Fate.UNCLEAR),
        (say([]), Fate.NOT_SENT, Fate.UNCLEAR),
        (say({"id": 7}), Fate.NOT_SENT, Fate.UNCLEAR),
        (say({}), Fate.NOT_SENT, Fate.UNCLEAR),
        (say("[" * 100_000), Fate.NOT_SENT, Fate.UNCLEAR),
        (say('{"id": "x"}}'), Fate.NOT_SENT, Fate.UNCLEAR),
        (say({"id": "x" * MAX_BYTES}), Fate.NOT_SENT, Fate.UNCLEAR),
    ],
)
async def test_each_failure_has_its_fate(
    peer: Peer, answer: Answering, read: Fate, write: Fate
) -> None:
    peer.answer = answer
    assert (await fails(peer.read())).fate is read
    peer.asked.clear()
    assert (await fails(peer.write())).fate is write
    assert len(peer.asked) == 1


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
async def test_a_change_is_sent_once_even_on_a_connection_that_was_used(
    peer: Peer, method: str
) -> None:
    """aiohttp by itself sends a PUT or DELETE again when the connection breaks."""
    assert await peer.write(method=method) == 200
    peer.asked.clear()
    peer.answer = drop
    assert (await fails(peer.write(method=method))).fate is Fate.UNCLEAR
    assert len(peer.asked) == 1


async def write_to(url: str, within: float = 5) -> PlatformError:
    http = Http("acme", url, SecretStr(TOKEN), missing=lambda _: False)
    try:
        return await fails(
            http.write("PUT", Thing, "change it", "things", "id-7", body={}, within=within)
        )
    finally:
        await http.aclose()


async def test_nobody_there_is_nothing_sent() -> None:
    async with TestServer(web.Application()) as server:
        url = str(server.make_url("")).rstrip("/")
    assert (await write_to(url)).fate is Fate.NOT_SENT


async def test_a_name_that_leads_nowhere_is_nothing_sent() -> None:
    assert (await write_to("http://nowhere.invalid")).fate is Fate.NOT_SENT


async def test_a_machine_that_does_not_pick_up_was_sent_nothing() -> None:
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # until its queue is full, and the kernel answers no more
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        assert (await write_to(url, within=0.4)).fate is Fate.NOT_SENT


async def test_a_missing_account_is_none_only_in_the_platforms_own_words(peer: Peer) -> None:
    peer.answer = say({"code": "gone"}, 404)
    assert await peer.read() is None
    assert (await fails(peer.write())).fate is Fate.REFUSED


async def test_a_body_that_swells_when_unpacked_is_too_large(peer: Peer) -> None:
    async def bomb(request: web.Request) -> web.StreamResponse:
        body = gzip.compress(b'{"id": "' + b" " * (50 * MAX_BYTES) + b'"}')
        assert len(body) < MAX_BYTES
        return web.Response(body=body, headers={"Content-Encoding": "gzip"})

    peer.answer = bomb
    assert (await fails(peer.read())).fate is Fate.NOT_SENT


async def test_an_answer_that_trickles_in_is_cut_off(peer: Peer) -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(20):
            await response.write(b" ")
            await asyncio.sleep(0.05)
        return response

    peer.answer = trickle
    async with asyncio.timeout(0.6):
        assert "no answer within" in str(await fails(peer.read()))


async def test_a_change_ends_within_its_own_time(peer: Peer) -> None:
    peer.answer = hang
    async with asyncio.timeout(0.2):
        assert (await fails(peer.write(within=0.05))).fate is Fate.UNCLEAR


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (say({"retry_after_ms": 1500}, 429), 1500),
        (say({}, 429, Retry_After="3"), 3000),
        (say({"retry_after_ms": 1500}, 429, Retry_After="3"), 1500),
        (say("slow down", 429, Retry_After="3"), 3000),
        (say({}, 429, Retry_After="Wed, 21 Oct 2026 07:28:00 GMT"), None),
        (say({}, 429, Retry_After="-3"), None),
        (say({}, 429, Retry_After="²"), None),
        (say({"retry_after_ms": -5}, 429), None),
        (say({"retry_after_ms": True}, 429), None),
        (say({"retry_after_ms": 10**30}, 429), 3_600_000),
        (say({}, 429), None),
    ],
)
async def test_how_long_to_wait(peer: Peer, answer: Answering, wait: int | None) -> None:
    peer.answer = answer
    assert (await fails(peer.write())).retry_after_ms == wait


@pytest.mark.parametrize(
    ("body", "word"),
    [({"errcode": "M_USER_LOCKED"}, "401 M_USER_LOCKED"), ({"error": "x" * 99}, "(401)")],
)
async def test_the_platforms_own_word_is_passed_on_if_it_is_one(
    peer: Peer, body: object, word: str
) -> None:
    peer.answer = say(body, 401)
    assert word in str(await fails(peer.read()))


async def test_the_token_goes_with_a_call_and_not_with_a_public_look(peer: Peer) -> None:
    await peer.read()
    await peer.read(public=True)
    with_token, without = peer.asked
    assert with_token.headers["Authorization"] == f"Bearer {TOKEN}"
    assert "Authorization" not in without.headers


async def test_a_cookie_is_not_kept(peer: Peer) -> None:
    """By name, since aiohttp would keep none of an address anyway."""
    peer.answer = say({"id": "x"}, Set_Cookie="a=b; Path=/")
    url = str(peer.server.make_url("")).replace("127.0.0.1", "localhost").rstrip("/")
    http = Http("acme", url, SecretStr(TOKEN), missing=lambda _: False)
    for _ in range(2):
        await http.read(Thing, "look", "x")
    await http.aclose()
    assert "Cookie" not in peer.asked[1].headers


@pytest.mark.parametrize("segment", ["a/b", "a?b#c", "%2e%2e", "a b+c", "@ü:x", "=2f"])
async def test_a_segment_stays_one_segment(peer: Peer, segment: str) -> None:
    await peer.http.read(Thing, "look", "things", segment, query={"q": segment})
    [asked] = peer.asked
    assert asked.raw_path.partition("?")[0].count("/") == 2
    assert asked.path == f"/things/{segment}"
    assert asked.query["q"] == segment


@pytest.mark.parametrize("segment", ["", ".", ".."])
async def test_a_segment_that_would_climb_is_not_sent(peer: Peer, segment: str) -> None:
    error = await fails(peer.http.read(Thing, "look", "x", segment))
    assert error.fate is Fate.REFUSED
    assert not peer.asked


@pytest.mark.parametrize(
    "url", ["ftp://host", "host", "http://", "https://u:p@host", "http://host/?a=b", "http://h#f"]
)
def test_an_address_that_is_not_plain_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(BaseUrl).validate_python(url)
