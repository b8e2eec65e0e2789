"""kill -9 in the midst of a copy: there is all of it or nothing, and it can be begun again."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bot import backups
from tests.audit.trail import Trail

from .conftest import everything, nolone

# The command line, in a process that dies before it does one of these.
MORTAL = """
import os, signal, sys
from bot import backups
from bot.cli import main
from bot.store import copy
from bot.store.postgres import PostgresVisit
from bot.store.sqlite import SqliteVisit

point = sys.argv.pop(1)
real_copy, real_verify, real_link = copy._copy, backups.verify_trail, os.link

def dies(at, call):
    def instead(*args, **kw):
        if at(args) == point:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **kw)
    return instead

def mortal(visit):
    real = visit.run_now
    def run_now(self, script):
        return real(self, lambda tx: dies(lambda _: "commit", lambda made: made)(script(tx)))
    visit.run_now = run_now

copy._copy = dies(lambda args: args[2], real_copy)
backups.verify_trail = dies(lambda _: "verify", real_verify)
mortal(SqliteVisit)
mortal(PostgresVisit)
os.link = dies(lambda _: "link", real_link)
main()
"""
INSIDE = ["entries", "openings", "requests", "outbox", "anchored", "commit"]


def killed(database: Path | str, point: str, *words: object) -> None:
    url = database if isinstance(database, str) else f"sqlite:///{database}"
    done = subprocess.run(
        [sys.executable, "-c", MORTAL, point, *map(str, words)],
        env={"DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def back_up(trail: Trail, to: Path) -> Path:
    with backups.visit(f"sqlite:///{trail.path}") as source:
        backups.back_up(source, to)
    return to


@pytest.mark.parametrize("point", [*INSIDE, "verify", "link"])
async def test_a_backup_that_was_killed_is_not_there(
    trail: Trail, tmp_path: Path, point: str
) -> None:
    killed(trail.path, point, "backup", tmp_path / "backup")
    assert not (tmp_path / "backup").exists()
    assert nolone(trail.path, "backup", tmp_path / "backup").code == 0
    assert everything(tmp_path / "backup") == everything(trail.path)


@pytest.mark.parametrize("point", [*INSIDE, "verify"])
async def test_a_restore_that_was_killed_has_left_nothing(
    trail: Trail, tmp_path: Path, new: str, point: str
) -> None:
    file = back_up(trail, tmp_path / "backup")
    killed(new, point, "restore", file)
    assert not any(everything(new).values())
    assert nolone(new, "restore", file).code == 0
    assert nolone(new, "audit", "verify").code == 0


@pytest.mark.parametrize("point", [*INSIDE, "verify"])
async def test_a_move_that_was_killed_has_left_nothing(
    trail: Trail, tmp_path: Path, new: str, point: str
) -> None:
    old = back_up(trail, tmp_path / "old")
    before = everything(old)
    killed(new, point, "migrate", "--from", f"sqlite:///{old}")
    assert not any(everything(new).values())
    assert everything(old) == before
    assert nolone(new, "migrate", "--from", f"sqlite:///{old}").code == 0
    assert everything(new) == before
