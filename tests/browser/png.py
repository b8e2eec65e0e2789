"""PNG files made smaller: flat colours and text pack better without a filter than with Chromium's."""

import struct
import zlib
from pathlib import Path

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {2: 3, 6: 4}  # by colour type


def shrink(path: Path) -> None:
    """Write an 8-bit PNG anew, the same picture, if that makes it smaller."""
    before = path.read_bytes()
    chunks = _chunks(before)
    head = chunks[b"IHDR"]
    width, height, _, colour, *_ = struct.unpack(">IIBBBBB", head)
    rows = _unfiltered(zlib.decompress(chunks[b"IDAT"]), width, height, CHANNELS[colour])
    packed = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    after = b"".join(
        (SIGNATURE, _chunk(b"IHDR", head), _chunk(b"IDAT", packed), _chunk(b"IEND", b""))
    )
    if len(after) < len(before):
        path.write_bytes(after)


def _chunks(data: bytes) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    at = len(SIGNATURE)
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        found[name] = found.get(name, b"") + data[at + 8 : at + 8 + length]
        at += length + 12
    return found


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _unfiltered(raw: bytes, width: int, height: int, channels: int) -> list[bytes]:
    size = width * channels
    above = bytearray(size)
    rows = []
    for start in range(0, height * (size + 1), size + 1):
        kind, row = raw[start], bytearray(raw[start + 1 : start + 1 + size])
        for x in range(size):
            left = row[x - channels] if x >= channels else 0
            corner = above[x - channels] if x >= channels else 0
            row[x] = (row[x] + _predicted(kind, left, above[x], corner)) & 255
        rows.append(bytes(row))
        above = row
    return rows


def _predicted(kind: int, left: int, up: int, corner: int) -> int:
    match kind:
        case 0:
            return 0
        case 1:
            return left
        case 2:
            return up
        case 3:
            return (left + up) // 2
    guess = left + up - corner
    return min((left, up, corner), key=lambda value: abs(guess - value))
