"""Tiles, bundles and proofs as files, in the formats that others read."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.events import Retracted
from bot.ledger import proof, tiles
from bot.ledger.checkpoint import Checkpoint
from bot.ledger.entry import LONGEST, EntryTooLong, leaf_hash, write
from bot.ledger.note import BadSignature, NoteError, SigningKey
from bot.ledger.proof import Proof
from bot.ledger.tiles import Tile, level_tiles
from bot.ledger.tree import Frontier, inclusion, root

from .test_tree import of

KEY = SigningKey("log", b"\x01" * 32)


def leaves(size: int) -> list[bytes]:
    return [leaf_hash(str(n).encode()) for n in range(size)]


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 1234067), "tile/0/x001/x234/067"),  # the specification's example
        (Tile(2, 0, 1), "tile/2/000.p/1"),
        (Tile(1, 999, 255), "tile/1/999.p/255"),
        (Tile(0, 1000), "tile/0/x001/000"),
    ],
)
def test_a_tile_has_the_path_of_the_specification(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert tile.bundle == "tile/entries/" + path.split("/", 2)[2]


def test_a_tree_of_70000_has_the_tiles_of_the_specification() -> None:
    """273 full and one of 112 at level 0, a full one and one of 17 at level 1, one of 1 at level 2."""
    found = list(tiles.tiles(70_000))
    assert [(t.level, t.width) for t in found if t.width < 256] == [(0, 112), (1, 17), (2, 1)]
    assert [sum(t.level == n and t.width == 256 for t in found) for n in range(3)] == [273, 1, 0]
    assert [(t.level, t.width) for t in tiles.tiles(256)] == [(0, 256), (1, 1)]
    assert list(tiles.tiles(0)) == []


@given(st.integers(0, 140_000), st.integers(0, 140_000))
def test_going_on_makes_the_tiles_that_were_not_there(one: int, two: int) -> None:
    since, size = sorted((one, two))
    before, now = set(tiles.tiles(since)), set(tiles.tiles(size))
    assert set(tiles.tiles(size, since)) == now - before


@given(st.integers(1, 1200), st.data())
def test_the_tree_is_read_back_from_its_tiles(size: int, data: st.DataObject) -> None:
    all_leaves = leaves(size)
    node = of(all_leaves)

    def hashes(tile: Tile) -> list[bytes]:
        assert tile in set(level_tiles(tile.level, size))
        first = tile.index * 256
        return [node(tile.level * 8, first + n) for n in range(tile.width)]

    again = tiles.nodes(size, hashes)
    index = data.draw(st.integers(0, size - 1))
    older = data.draw(st.integers(1, size))
    assert root(older, again) == root(older, node)
    assert inclusion(index, size, again) == inclusion(index, size, node)


@given(st.lists(st.binary(max_size=40), max_size=256))
def test_a_bundle_is_read_back_as_far_as_it_goes(entries: list[bytes]) -> None:
    raw = tiles.pack(entries)
    assert tiles.unpack(raw) == entries
    if entries:
        assert tiles.unpack(raw[:-1]) == entries[:-1]
        assert raw[:2] == struct.pack(">H", len(entries[0]))


def test_a_tile_is_its_hashes_side_by_side() -> None:
    assert tiles.split(b"a" * 32 + b"b" * 32) == [b"a" * 32, b"b" * 32]


def test_an_entry_that_no_bundle_could_hold_is_never_written() -> None:
    assert tiles.unpack(tiles.pack([b"x" * LONGEST])) == [b"x" * LONGEST]
    with pytest.raises(EntryTooLong, match="an entry of 65536 bytes: at most 65535"):
        tiles.pack([b"x" * (LONGEST + 1)])
    body = len(write(Retracted(at=1, by="U1"), 1, "R-1", 1)[0].body)
    longest = Retracted(at=1, by="U1" + "x" * (LONGEST - body))
    assert len(write(longest, 1, "R-1", 1)[0].body) == LONGEST
    with pytest.raises(EntryTooLong):
        write(longest.model_copy(update={"by": longest.by + "x"}), 1, "R-1", 1)


# --- proofs -----------------------------------------------------------------------------------------


def made(size: int = 5, index: int = 3) -> tuple[Proof, bytes]:
    node = of(leaves(size))
    frontier = Frontier()
    frontier.extend(leaves(size))
    signed = Checkpoint("log", size, frontier.root).sign([KEY])
    body = str(index).encode()
    return Proof(index, tuple(inclusion(index, size, node)), signed, body), body


@given(st.integers(1, 300), st.data())
def test_a_proof_is_read_back_and_shows_what_it_is_for(size: int, data: st.DataObject) -> None:
    found, body = made(size, data.draw(st.integers(0, size - 1)))
    again = proof.parse(found.text)
    assert again == found
    head = proof.verify(again, body, [KEY.public], "log")
    assert head is not None
    assert head.size == size
    assert proof.verify(again, body + b"!", [KEY.public], "log") is None


def test_a_proof_is_written_as_the_specification_has_it() -> None:
    found, _ = made()
    lines = found.text.decode().split("\n")
    assert lines[:3] == ["c2sp.org/tlog-proof@v1", "extra Mw==", "index 3"]
    assert lines[6:9] == ["", "log", "5"]
    without = Proof(found.index, found.hashes, found.checkpoint)
    assert proof.parse(without.text) == without
    assert b"extra" not in without.text


def test_a_proof_under_a_checkpoint_that_nobody_signed_shows_nothing() -> None:
    found, body = made()
    other = SigningKey("log", b"\x02" * 32)
    with pytest.raises(BadSignature):
        proof.verify(found, body, [other.public], "log")


@pytest.mark.parametrize(
    "change",
    [
        (b"c2sp.org/tlog-proof@v1", b"c2sp.org/tlog-proof@v2"),
        (b"index 3", b"index 03"),
        (b"index 3", b"index -1"),
        (b"index 3", b"place 3"),
        (b"extra Mw==", b"extra Mw="),
        (b"index 3\n", b"index 3\nnot base64\n"),
        (b"extra Mw==\nindex 3\n", b""),
        (b"\n\n", b"\n"),
        (b"index", b"\xff"),
    ],
)
def test_what_is_no_proof_is_refused(change: tuple[bytes, bytes]) -> None:
    found, body = made()
    with pytest.raises(NoteError):
        proof.verify(proof.parse(found.text.replace(*change)), body, [KEY.public], "log")


def test_a_proof_that_ends_after_its_head_is_refused() -> None:
    with pytest.raises(NoteError, match="which entry"):
        proof.parse(b"c2sp.org/tlog-proof@v1\n\nlog\n")
