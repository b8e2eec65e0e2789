"""A witness, and a log for it to watch, after the specifications and with nothing of ours.

What is checked is what tlog-witness says, in its order, and no more is forgiven than it forgives.
"""

import asyncio
import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

NOW = 1_795_514_400  # 2026-11-24T10:00:00Z


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def join(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(n: int) -> int:
    """RFC 6962's k: the largest power of two smaller than n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def mth(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962, 2.1."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256().digest()
    k = split(len(leaves))
    return join(mth(leaves[:k]), mth(leaves[k:]))


def subproof(m: int, leaves: Sequence[bytes], whole: bool) -> list[bytes]:
    """RFC 6962, 2.1.2."""
    n = len(leaves)
    if m == n:
        return [] if whole else [mth(leaves)]
    k = split(n)
    if m <= k:
        return [*subproof(m, leaves[:k], whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def roots(m: int, n: int, proof: list[bytes], old: bytes, whole: bool) -> tuple[bytes, bytes]:
    """The roots of m and of n leaves that a consistency proof comes to; it is used up."""
    if m == n:
        found = old if whole else proof.pop(0)
        return found, found
    k = split(n)
    if m <= k:
        before, left = roots(m, k, proof, old, whole)
        return before, join(left, proof.pop(0))
    before, right = roots(m - k, n - k, proof, old, False)
    left = proof.pop(0)
    return join(left, before), join(left, right)


def key_id(name: str, type: int, key: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + bytes([type]) + key).digest()[:4]


@dataclass
class Log:
    """A log that can be rewritten and set back, since it is in its owner's hands."""

    origin: str = "example.org/trail"
    entries: list[str] = field(default_factory=list)
    key: Ed25519PrivateKey = field(
        default_factory=lambda: Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
    )

    def grow(self, to: int, word: str = "entry") -> "Log":
        self.entries += [f"{word} {n}" for n in range(len(self.entries) + 1, to + 1)]
        return self

    @property
    def leaves(self) -> list[bytes]:
        return [hashlib.sha256(b"\x00" + e.encode()).digest() for e in self.entries]

    @property
    def public(self) -> bytes:
        return self.key.public_key().public_bytes_raw()

    @property
    def vkey(self) -> str:
        id = key_id(self.origin, 1, self.public)
        return f"{self.origin}+{id.hex()}+{b64(bytes([1]) + self.public)}"

    @property
    def text(self) -> str:
        return f"{self.origin}\n{len(self.entries)}\n{b64(mth(self.leaves))}\n"

    @property
    def signed(self) -> bytes:
        id = key_id(self.origin, 1, self.public)
        return (
            f"{self.text}\n— {self.origin} {b64(id + self.key.sign(self.text.encode()))}\n".encode()
        )

    async def since(self, size: int) -> list[bytes]:
        assert 0 < size < len(self.entries), "no proof is needed"
        return subproof(size, self.leaves, True)


@dataclass
class FakeWitness:
    """Its state outlives its server."""

    name: str
    mood: str = "well"
    delays: list[float] = field(default_factory=list)  # of the next requests (s)
    before: str = ""  # what a good answer starts with
    also: str = ""  # and what it ends with
    logs: dict[str, bytes] = field(default_factory=dict)  # the keys that it was told of
    seen: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    asked: list[bytes] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)

    @property
    def key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(self.name.encode()).digest())

    @property
    def vkey(self) -> str:
        public = self.key.public_key().public_bytes_raw()
        return f"{self.name}+{key_id(self.name, 4, public).hex()}+{b64(bytes([4]) + public)}"

    def watch(self, log: Log) -> None:
        self.logs[log.origin] = log.public

    def app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 20)
        app.router.add_post("/prefix/add-checkpoint", self._answer)
        app.router.add_post("/elsewhere", self._elsewhere)
        return app

    async def _elsewhere(self, request: web.Request) -> web.Response:
        return self._add(await request.read())

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.asked.append(body)
        if self.delays:
            await asyncio.sleep(self.delays.pop(0))
        answer = await self._in_its_mood(request, body)
        self.answered.append(answer.status)
        return answer

    async def _in_its_mood(self, request: web.Request, body: bytes) -> web.StreamResponse:
        match self.mood.split():
            case ["drops"]:
                assert request.transport
                request.transport.abort()
                return web.Response()
            case ["redirects"]:
                return web.Response(status=307, headers={"Location": "/elsewhere"})
            case ["garbage"]:
                return web.Response(body=b"\xff\x00 what?")
            case ["nothing"]:
                return web.Response()
            case ["huge"]:
                return web.Response(text="— x AAAAAAAA\n" * 6000)
            case ["status", status]:
                return web.Response(status=int(status), text="secret address 10.0.0.7")
            case ["counts"]:
                return size_told(f"{len(self.asked)}\n")
            case ["tells", size]:
                return size_told(size + "\n")
            case ["tells-plainly", size]:
                return web.Response(status=409, text=size + "\n")
            case ["tells-badly", size]:
                return size_told(size)
            case _:
                return self._add(body)

    def _add(self, body: bytes) -> web.Response:
        above, blank, checkpoint = body.partition(b"\n\n")
        first, *lines = above.decode().split("\n")
        old = re.fullmatch(r"old (0|[1-9][0-9]*)", first)
        if not old or not blank or len(lines) > 63:
            return web.Response(status=400)
        proof = [base64.b64decode(line, validate=True) for line in lines]
        if any(len(hash) != 32 for hash in proof):
            return web.Response(status=400)
        text, _, below = checkpoint.decode().rpartition("\n\n")
        text += "\n"
        origin, said, root64, *_ = text.split("\n")
        if origin not in self.logs:
            return web.Response(status=404)
        if not self._is_signed(origin, text, below):
            return web.Response(status=403)
        before, size, root = int(old[1]), int(said), base64.b64decode(root64)
        if before > size:
            return web.Response(status=400)
        seen, seen_root = self.seen.get(origin, (0, mth([])))
        if before != seen:
            return size_told(f"{seen}\n")
        if before == size and root != seen_root:
            return web.Response(status=422 if self.mood == "as-litewitness" else 409)
        if not fits(before, seen_root, size, root, proof):
            return web.Response(status=422)
        self.seen[origin] = size, root
        return web.Response(text=self.before + self._cosigned(text) + self.also)

    def _is_signed(self, origin: str, text: str, below: str) -> bool:
        public = self.logs[origin]
        wanted = key_id(origin, 1, public)
        for line in below.splitlines():
            dash, name, value = line.split(" ")
            raw = base64.b64decode(value)
            if (dash, name, raw[:4]) != ("—", origin, wanted):
                continue
            try:
                Ed25519PublicKey.from_public_bytes(public).verify(raw[4:], text.encode())
            except InvalidSignature:
                return False
            return True
        return False

    def _cosigned(self, text: str) -> str:
        name, signer = self.name, self.key
        if self.mood == "another-key":
            signer = Ed25519PrivateKey.from_private_bytes(b"\x09" * 32)
        if self.mood == "another-text":
            text += "more\n"
        id = key_id(name, 4, signer.public_key().public_bytes_raw())
        if self.mood == "wrong-signature":
            signer = Ed25519PrivateKey.from_private_bytes(b"\x09" * 32)
        value = signer.sign(f"cosignature/v1\ntime {NOW}\n{text}".encode())
        return f"— {name} {b64(id + NOW.to_bytes(8, 'big') + value)}\n"


def fits(old: int, old_root: bytes, size: int, root: bytes, proof: list[bytes]) -> bool:
    if old in (0, size):
        return not proof
    left = list(proof)
    try:
        return roots(old, size, left, old_root, True) == (old_root, root) and not left
    except IndexError:
        return False


def size_told(size: str) -> web.Response:
    return web.Response(
        status=409, body=size.encode(), headers={"Content-Type": "text/x.tlog.size"}
    )
