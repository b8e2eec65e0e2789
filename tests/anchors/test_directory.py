"""A folder that keeps checkpoints: one file each, and none in another's place."""

from pathlib import Path

import pytest

from bot.anchors.directory import Directory
from bot.ledger.checkpoint import Checkpoint
from bot.ledger.note import SigningKey
from bot.ports import AnchorError
from bot.sandbox.clock import SandboxClock

DAY = 24 * 60 * 60_000
KEY, OTHER = SigningKey.made("log.example"), SigningKey.made("log.example")


def head(size: int, root: bytes = b"\x01" * 32) -> Checkpoint:
    return Checkpoint("log.example", size, root)


async def nothing(size: int) -> list[bytes]:
    raise AssertionError("a folder asks for no proof")


@pytest.fixture
def clock() -> SandboxClock:
    return SandboxClock(lambda: 1_790_000_000_000)


@pytest.fixture
def directory(tmp_path: Path, clock: SandboxClock) -> Directory:
    return Directory(tmp_path, clock)


async def publish(directory: Directory, of: Checkpoint, key: SigningKey = KEY) -> str:
    return (await directory.publish(of, of.sign([key]), nothing)).place


async def test_each_checkpoint_has_a_file_of_its_own_under_its_day(
    directory: Directory, clock: SandboxClock, tmp_path: Path
) -> None:
    assert await publish(directory, head(7)) == str(tmp_path / "2026-09-21" / "7")
    clock.skip(DAY)
    assert await publish(directory, head(12)) == str(tmp_path / "2026-09-22" / "12")
    assert (tmp_path / "2026-09-21" / "7").read_bytes() == head(7).sign([KEY])
    assert {p.name for p in tmp_path.rglob("*") if p.is_file()} == {"7", "12"}


async def test_the_newest_come_first(directory: Directory, clock: SandboxClock) -> None:
    for size in (9, 10, 100):
        await publish(directory, head(size))
    clock.skip(DAY)
    await publish(directory, head(101))
    assert list(await directory.latest(None)) == [head(n).sign([KEY]) for n in (101, 100, 10, 9)]


async def test_the_same_checkpoint_again_does_no_harm(directory: Directory) -> None:
    assert await publish(directory, head(7)) == await publish(directory, head(7))
    await publish(directory, head(7), OTHER)  # as while a key is changed
    assert list(await directory.latest(None)) == [head(7).sign([KEY])]


async def test_another_one_of_the_same_size_is_refused_and_changes_nothing(
    directory: Directory,
) -> None:
    await publish(directory, head(7))
    with pytest.raises(AnchorError, match="keeps another checkpoint over as many entries"):
        await publish(directory, head(7, b"\x02" * 32))
    assert list(await directory.latest(None)) == [head(7).sign([KEY])]


async def test_a_file_that_is_no_checkpoint_is_not_taken_for_the_same(
    directory: Directory, tmp_path: Path
) -> None:
    place = Path(await publish(directory, head(7)))
    place.write_bytes(b"half a checkp")
    with pytest.raises(AnchorError, match="keeps another"):
        await publish(directory, head(7))


async def test_what_else_lies_there_is_left_alone(directory: Directory, tmp_path: Path) -> None:
    (tmp_path / "README").write_text("ours")
    (tmp_path / "2026-09-21").mkdir()
    (tmp_path / "2026-09-21" / "notes.txt").write_text("ours")
    await publish(directory, head(7))
    assert list(await directory.latest(None)) == [head(7).sign([KEY])]


async def test_a_folder_that_is_gone_is_named_and_not_made_anew(tmp_path: Path) -> None:
    gone = Directory(tmp_path / "share", SandboxClock(lambda: 0))
    with pytest.raises(AnchorError, match=r"share is no folder: make it, or mount what belongs"):
        await publish(gone, head(7))
    with pytest.raises(AnchorError, match=r"share: No such file"):
        await gone.latest(None)
    assert not (tmp_path / "share").exists()
