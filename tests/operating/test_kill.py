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

point = sys.argv.pop(1)
real_copy, real_verify, real_link, real_run = (
    copy._copy, backups.verify_trail, os.link, backups.SqliteVisit.run_now)

def dies(at, call):
    def instead(*args, **kw):
        if at(args) == point:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **kw)
    return instead

def run_now(self, script):
    return real_run(self, lambda tx: dies(lambda _: "commit", lambda made: made)(script(tx)))

copy._copy = dies(lambda args: args[2], real_copy)
backups.verify_trail = dies(lambda _: "verify", real_verify)
backups.SqliteVisit.run_now = run_now
os.link = dies(lambda _: "link", real_link)
main()
"""
INSIDE = ["entries", "openings", "requests", "outbox", "anchored", "commit"]


def killed(database: Path, point: str, *words: object) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MORTAL, point, *map(str, words)],
        env={"DATABASE_URL": f"sqlite:///{database}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def back_up(trail: Trail, to: Path) -> Path:
    with backups.visit(trail.path) as source:
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
    trail: Trail, tmp_path: Path, point: str
) -> None:
    file = back_up(trail, tmp_path / "backup")
    killed(tmp_path / "new", point, "restore", file)
    assert not any(everything(tmp_path / "new").values())
    assert nolone(tmp_path / "new", "restore", file).code == 0
    assert nolone(tmp_path / "new", "audit", "verify").code == 0


@pytest.mark.parametrize("point", [*INSIDE, "verify"])
async def test_a_move_that_was_killed_has_left_nothing(
    trail: Trail, tmp_path: Path, point: str
) -> None:
    old = back_up(trail, tmp_path / "old")
    before = everything(old)
    killed(tmp_path / "new", point, "migrate", "--from", f"sqlite:///{old}")
    assert not any(everything(tmp_path / "new").values())
    assert everything(old) == before
    assert nolone(tmp_path / "new", "migrate", "--from", f"sqlite:///{old}").code == 0
    assert everything(tmp_path / "new") == before
