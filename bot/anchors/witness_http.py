"""One question to a witness over HTTP: no redirects, no proxy, limits on time and size."""

import asyncio
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp

MAX_BYTES = 1 << 16  # of one answer's body
TIMEOUT = 5.0  # seconds for one question, from name look-up to the last byte of the answer


class NoAnswer(Exception):
    """There was none, or none of use; the text says why, without address or content."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    type: str  # its media type
    body: bytes


def flaw(url: str) -> str | None:
    """Why no witness is asked at this address; None where one can be."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "it is no address"
    if parts.scheme not in ("http", "https") or not host:
        return "an address like https://witness.example.org is needed"
    if parts.username is not None or parts.query or parts.fragment:
        return "an address without user, password, query or fragment is needed"
    if parts.scheme == "http" and not _is_here(host):
        return "what is not on this machine is asked through https"
    return None


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class Http:
    """A client for all of them."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes) -> Answer:
        """Raises NoAnswer."""
        try:
            async with (
                asyncio.timeout(TIMEOUT),
                self._open().post(url, data=body, allow_redirects=False) as response,
            ):
                return Answer(response.status, response.content_type, await _read(response))
        # `from None`: aiohttp's own errors name the address
        except aiohttp.ClientConnectorError:
            raise NoAnswer("it cannot be reached") from None
        except TimeoutError:
            raise NoAnswer(f"no answer within {TIMEOUT:.3g} s") from None
        except aiohttp.ClientError:
            raise NoAnswer("the connection broke") from None

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        """The session, made on first use since aiohttp wants a running loop for it."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                trust_env=False,
            )
        return self._session


async def _read(response: aiohttp.ClientResponse) -> bytes:
    raw = bytearray()
    async for chunk in response.content.iter_any():
        raw += chunk
        if len(raw) > MAX_BYTES:
            response.close()
            raise NoAnswer(f"its answer is larger than {MAX_BYTES} bytes")
    return bytes(raw)
