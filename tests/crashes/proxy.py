"""A way to the database for one replica, that the harness can close."""

import asyncio
from enum import Enum
from pathlib import Path


class Way(Enum):
    OPEN = "open"
    DROPS = "drops"  # connections are broken, and none is let in
    SWALLOWS = "swallows"  # nothing comes through, in either direction, and nobody is told
    DEAF = "deaf"  # what the replica says comes through, and no answer to it


class Proxy:
    """Loopback to a Unix socket."""

    def __init__(self, there: Path) -> None:
        self.port = 0
        self._there = there
        self._way = Way.OPEN
        self._opened = asyncio.Event()
        self._opened.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def is_closed(self) -> bool:
        return self._way is not Way.OPEN

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self.set(Way.DROPS)
        if self._server is not None:
            self._server.close()

    def set(self, way: Way) -> None:
        """What was swallowed stays so: connections of that time end when the way is opened."""
        if way is Way.DROPS or (way is Way.OPEN and self._way is not Way.OPEN):
            for writer in self._writers:
                writer.transport.abort()
        self._way = way
        if way in (Way.OPEN, Way.DROPS):
            self._opened.set()
        else:
            self._opened.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        back: asyncio.StreamWriter | None = None
        try:
            await self._opened.wait()
            if self._way is Way.DROPS:
                return
            answers, back = await asyncio.open_unix_connection(self._there)
            self._writers.add(back)
            await asyncio.gather(
                self._pass(reader, back, answer=False), self._pass(answers, writer, answer=True)
            )
        except OSError:
            pass
        finally:
            for end in (writer, back):
                if end is not None:
                    self._writers.discard(end)
                    end.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bool
    ) -> None:
        while data := await reader.read(65_536):
            if self._way is Way.SWALLOWS or (answer and self._way is Way.DEAF):
                continue
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError  # one end is gone: so goes the other
