"""The way to a platform over HTTP: one address, no redirects, limits on size and time, JSON only.

Every failure comes out as a PlatformError whose `fate` says what can have become of the call.
Its text names the platform and what was attempted: no address, id, token or answer body.
"""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import quote, urlsplit

import aiohttp
from pydantic import AfterValidator, BaseModel, SecretStr, ValidationError

from bot.ports import Fate, PlatformError

MAX_BYTES = 1 << 20  # of one answer's body
TIMEOUT = 10.0  # seconds for one call, from name look-up to the last byte of the answer
MAX_WAIT = 3_600_000  # ms; a platform that asks for a longer pause than this is asked again then

T = TypeVar("T", bound=BaseModel)


def _base_url(text: str) -> str:
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("an address like https://host or http://127.0.0.1:8008 is needed")
    if url.username is not None or url.query or url.fragment:
        raise ValueError("an address without user, password, query or fragment is needed")
    return text.rstrip("/")


BaseUrl = Annotated[str, AfterValidator(_base_url)]
"""A platform's address, for its Settings."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What a write was answered: the HTTP status (always 2xx) and the body, checked."""

    status: int
    body: T


class _Lost(Exception):
    """The connection broke after the request may have been sent."""


async def _once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a PUT or DELETE again by itself when a connection breaks."""
    try:
        return await handler(request)
    except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Lost from error


class Http:
    """A client for one platform. `missing` tells that a 404's body means "no such account".

    Any other 404 is an error: with a wrong address, every account would seem to be gone.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        token: SecretStr,
        missing: Callable[[Mapping[str, Any]], bool],
        timeout: float = TIMEOUT,
    ) -> None:
        self._name = name
        self._base_url = base_url
        self._token = SecretStr(token.get_secret_value().strip())  # files end in a newline
        self._missing = missing
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def read(
        self,
        model: type[T],
        what: str,
        *path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        public: bool = False,
    ) -> T | None:
        """Read the resource at `path` (segments, encoded here); None if there is no such account.

        `what` says in an error what was attempted ("look up an account"). A search that wants its
        terms in a `body` is POSTed; `public` leaves the token out. A read changes nothing:
        whatever goes wrong, its fate is NOT_SENT or REFUSED.
        """
        method = "GET" if body is None else "POST"
        status, answer = await self._call(
            method,
            what,
            path,
            Fate.NOT_SENT,
            self._timeout,
            query=query,
            json=body,
            public=public,
        )
        if status == 404:
            return None
        return self._parse(model, answer, what, Fate.NOT_SENT)

    async def write(
        self,
        method: str,
        model: type[T],
        what: str,
        *path: str,
        body: Mapping[str, Any],
        within: float,
        headers: Mapping[str, str] | None = None,
    ) -> Answer[T]:
        """Send a change, once, and be done with it `within` so many seconds.

        Any failure after which it may have been carried out has the fate UNCLEAR.
        """
        within = min(self._timeout, within)
        status, answer = await self._call(
            method, what, path, Fate.UNCLEAR, within, json=body, headers=headers
        )
        if status == 404:
            raise self._error(what, "there is no such account", Fate.REFUSED)
        return Answer(status, self._parse(model, answer, what, Fate.UNCLEAR))

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        """The session, made on first use since aiohttp wants a running loop for it."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(force_close=True),  # none is found dead by a write
                middlewares=(_once,),
                trust_env=False,
            )
        return self._session

    async def _call(
        self,
        method: str,
        what: str,
        path: tuple[str, ...],
        fate: Fate,
        within: float,
        *,
        query: Mapping[str, str] | None = None,
        json: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        public: bool = False,
    ) -> tuple[int, Mapping[str, Any]]:
        """Call, and return a 2xx or a 404 that means a missing account; `fate` once it is sent."""
        if any(segment in ("", ".", "..") for segment in path):
            raise self._error(what, "this is not an id", Fate.REFUSED)
        url = "/".join((self._base_url, *(quote(segment, safe="") for segment in path)))
        sent = {"Accept": "application/json", **(headers or {})}
        if not public:
            sent["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        try:
            async with (
                asyncio.timeout(within),
                self._open().request(
                    method,
                    url,
                    params=query,
                    json=json,
                    headers=sent,
                    allow_redirects=False,
                    # Half the time at most to connect, so that only what was sent is unclear.
                    timeout=aiohttp.ClientTimeout(total=None, connect=within / 2),
                ) as response,
            ):
                raw = await _read(response)
        # `from None`: aiohttp's own errors name the address and the ids in it.
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError):
            raise self._error(what, "it cannot be reached", Fate.NOT_SENT) from None
        except TimeoutError:
            raise self._error(what, f"no answer within {within:.3g} s", fate) from None
        except (_Lost, aiohttp.ClientError):
            raise self._error(what, "the connection broke", fate) from None
        return response.status, self._judge(response, raw, what, fate)

    def _judge(
        self, response: aiohttp.ClientResponse, raw: bytes | None, what: str, fate: Fate
    ) -> Mapping[str, Any]:
        """The body of an answer that is of use; any other answer as the error that it is."""
        status = response.status
        body = None if raw is None else _object(raw)
        said = f"{status}{_code(body or {})}"
        if status == 429:
            wait = _retry_after(response.headers, body or {})
            raise self._error(what, f"it asks us to slow down ({said})", Fate.NOT_SENT, wait)
        if status >= 500 or status == 408:
            raise self._error(what, f"it has a fault of its own ({said})", fate)
        if 300 <= status < 400:
            raise self._error(what, f"it redirects ({said}), which is not followed", fate)
        if status in (401, 403):
            raise self._error(what, f"it refuses our token ({said})", Fate.REFUSED)
        if status == 404:
            if body is not None and self._missing(body):
                return body
            why = f"it has no such page ({said}): check its address"
            raise self._error(what, why, Fate.REFUSED)
        if status >= 400:
            raise self._error(what, f"it refuses ({said})", Fate.REFUSED)
        if raw is None:
            raise self._error(what, f"its answer is larger than {MAX_BYTES} bytes", fate)
        if body is None or status < 200:
            raise self._error(what, f"its answer ({status}) is not a JSON object", fate)
        return body

    def _parse(self, model: type[T], body: Mapping[str, Any], what: str, fate: Fate) -> T:
        try:
            return model.model_validate(body)
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors()[0]["loc"])
            text = f"its answer is not understood (at {where!r})"
            raise self._error(what, text, fate) from None

    def _error(
        self, what: str, why: str, fate: Fate, retry_after_ms: int | None = None
    ) -> PlatformError:
        return PlatformError(f"{self._name}: could not {what}: {why}", fate, retry_after_ms)


async def _read(response: aiohttp.ClientResponse) -> bytes | None:
    """The body, or None as soon as it is too large."""
    raw = bytearray()
    async for chunk in response.content.iter_any():
        raw += chunk
        if len(raw) > MAX_BYTES:
            response.close()
            return None
    return bytes(raw)


def _object(raw: bytes) -> Mapping[str, Any] | None:
    """The JSON object in `raw`, or None if it is anything else (or nested beyond reason)."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _code(body: Mapping[str, Any]) -> str:
    """The platform's own word for an error, such as M_USER_LOCKED, if it is a plain word."""
    for code in (body.get("errcode"), body.get("error")):
        if isinstance(code, str) and re.fullmatch(r"[A-Za-z_]{1,40}", code):
            return f" {code}"
    return ""


def _retry_after(headers: Mapping[str, str], body: Mapping[str, Any]) -> int | None:
    """Milliseconds to wait, from `retry_after_ms` in the body or from `Retry-After` in seconds."""
    ms = body.get("retry_after_ms")
    if type(ms) is int and ms >= 0:
        return min(ms, MAX_WAIT)
    seconds = headers.get("Retry-After", "")
    plain = seconds.isascii() and seconds.isdigit() and len(seconds) <= 9
    return min(int(seconds) * 1000, MAX_WAIT) if plain else None
