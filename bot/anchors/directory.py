"""A folder that keeps every checkpoint in a file of its own, a folder a day: on a share, or a
write-once store, that is not the bot's to change."""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.core.text import utc
from bot.ledger import note
from bot.ledger.checkpoint import Checkpoint
from bot.ledger.note import NoteError
from bot.ports import AnchorError, Clock, Consistency, Published

R = TypeVar("R")

LOOK_AT = 16  # of the newest files, when asked for the newest


class Settings(BaseSettings):
    """`ANCHOR_DIRECTORY_PATH`: the folder; it has to be there."""

    model_config = SettingsConfigDict(
        env_prefix="ANCHOR_DIRECTORY_", frozen=True, env_ignore_empty=True
    )

    path: Path


def create(clock: Clock) -> "Directory":
    return Directory(Settings().path, clock)


class Directory:
    name = "directory"
    weak = None

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    async def publish(self, head: Checkpoint, signed: bytes, since: Consistency) -> Published:
        day = utc(self._clock.now())[:10]
        path = self._path / day / str(head.size)
        await self._in_thread(lambda: self._keep(path, signed))
        return Published(signed, str(path))

    async def latest(self, kept: bytes | None) -> Sequence[bytes]:
        return await self._in_thread(lambda: list(self._newest()))

    async def aclose(self) -> None:
        return

    async def _in_thread(self, work: Callable[[], R]) -> R:
        try:
            return await asyncio.to_thread(work)  # a share can take its time
        except OSError as e:
            raise AnchorError(f"{e.filename or self._path}: {e.strerror}") from e

    def _keep(self, path: Path, signed: bytes) -> None:
        if not self._path.is_dir():
            raise AnchorError(f"{self._path} is no folder: make it, or mount what belongs there")
        path.parent.mkdir(exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        with new.open("wb") as file:
            file.write(signed)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(new, path)  # unlike a renaming, this puts nothing in another's place
        except FileExistsError as e:
            if not _same(path.read_bytes(), signed):
                raise AnchorError(f"{path} keeps another checkpoint over as many entries") from e
        finally:
            new.unlink()

    def _newest(self) -> Iterator[bytes]:
        left = LOOK_AT
        for day in sorted(self._path.iterdir(), reverse=True):
            if not day.is_dir():
                continue
            files = [file for file in day.iterdir() if file.name.isdecimal()]
            for file in sorted(files, key=lambda file: int(file.name), reverse=True)[:left]:
                yield file.read_bytes()
                left -= 1
            if not left:
                return


def _same(one: bytes, other: bytes) -> bool:
    """Whether both tell the same head, whoever signed it."""
    try:
        return note.parse(one).text == note.parse(other).text
    except NoteError:
        return False
