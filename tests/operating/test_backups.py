"""A copy of a database is all of it, of one moment, and verified; or there is none."""

import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bot import backups
from bot.ledger.verify import Verified
from bot.store import copy as copying
from bot.store import ledger, outbox
from bot.store.copy import TABLES
from bot.store.database import open_store
from bot.store.sqlite import SqliteStore
from bot.store.tx import Tx
from tests.audit.trail import Trail
from tests.postgres import database_url

from .conftest import everything, nolone

STAY = TABLES.keys() - {"entries", "tree", "openings", "requests", "claims", "involved"}


def back_up(trail: Trail, to: Path) -> Verified:
    with backups.visit(f"sqlite:///{trail.path}") as source:
        return backups.back_up(source, to)


def restore(file: Path, to: Path | str) -> backups.Restored:
    url = to if isinstance(to, str) else f"sqlite:///{to}"
    with backups.visit(f"sqlite:///{file}") as source:
        return backups.restore(source, url, "root", 2**42)


def others(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir()}


def damaged(file: Path, statement: str, parameters: tuple[object, ...] = ()) -> None:
    with closing(sqlite3.connect(file)) as db, db:
        for name in ("entries_are_final", "entries_are_kept", "tree_is_final", "tree_is_kept"):
            db.execute(f"DROP TRIGGER {name}")
        assert db.execute(statement, parameters).rowcount == 1


# --- what is copied ------------------------------------------------------------------------------


def test_every_column_that_is_stored_is_copied(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "db")
    store.migrate()
    store.close()
    with closing(sqlite3.connect(tmp_path / "db")) as db:
        names = [n for (n,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        there = {
            name: {c[1] for c in db.execute(f"PRAGMA table_xinfo({name})") if c[6] == 0}
            for name in names
            if not name.startswith(("sqlite_", "_sqlite", "words_"))
        }
    assert there == {name: set(columns) for name, columns in TABLES.items()}


async def test_a_backup_is_made_beside_a_running_bot_and_is_all_of_it(
    trail: Trail, tmp_path: Path
) -> None:
    before = others(tmp_path)
    found = back_up(trail, tmp_path / "backup")  # the trail's store holds the lock
    assert everything(tmp_path / "backup") == everything(trail.path)
    assert all(everything(tmp_path / "backup").values())
    assert found.findings == ()
    assert stat.S_IMODE((tmp_path / "backup").stat().st_mode) == 0o600
    assert others(tmp_path) - before == {"backup"}


async def test_a_backup_is_one_file_and_can_be_kept_where_nothing_is_written(
    trail: Trail, tmp_path: Path
) -> None:
    back_up(trail, tmp_path / "backup")
    locked = tmp_path / "locked"
    locked.mkdir()
    shutil.copy(tmp_path / "backup", locked)
    with closing(sqlite3.connect(locked / "backup")) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    restore(locked / "backup", tmp_path / "restored")
    assert others(locked) == {"backup"}


async def test_a_backup_is_of_one_moment(
    trail: Trail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(trail.path)
    real = copying._copy

    def copy(source: Tx, target: Tx, table: str) -> object:
        if table == "openings":  # entries and tree are copied by then
            done = trail.store.run_now(lambda tx: tx.execute("DELETE FROM posts"))
            assert done
        return real(source, target, table)

    monkeypatch.setattr(copying, "_copy", copy)
    assert back_up(trail, tmp_path / "backup").findings == ()
    assert everything(tmp_path / "backup") == before != everything(trail.path)


async def test_a_backup_puts_nothing_in_anothers_place(trail: Trail, tmp_path: Path) -> None:
    (tmp_path / "backup").write_text("mine")
    said = nolone(trail.path, "backup", tmp_path / "backup")
    assert said.code == 1
    assert "exists, and is not overwritten" in said.text
    assert (tmp_path / "backup").read_text() == "mine"
    said = nolone(trail.path, "backup", tmp_path / "nowhere" / "backup")
    assert said.code == 1
    assert "No such file or directory" in said.text


async def test_a_backup_of_a_damaged_trail_is_kept_and_says_so(
    trail: Trail, tmp_path: Path
) -> None:
    damaged(trail.path, "UPDATE entries SET body = replace(body, 'U02ANN', 'U03BOB') WHERE seq = 4")
    said = nolone(trail.path, "backup", tmp_path / "backup")
    assert said.code == 1
    assert "its trail is not as it was" in said.text
    assert everything(tmp_path / "backup") == everything(trail.path)


# --- restoring -----------------------------------------------------------------------------------


async def test_what_is_restored_is_what_was_backed_up_and_more_entries(
    trail: Trail, tmp_path: Path, new: str
) -> None:
    back_up(trail, tmp_path / "backup")
    said = nolone(new, "restore", tmp_path / "backup")
    assert said.code == 0
    assert "not gone on with, since a veto may be lost: R-2, R-7, R-8, R-11, R-12" in said.text
    was, now = everything(tmp_path / "backup"), everything(new)
    assert set(was["entries"]) < set(now["entries"])
    assert len(now["entries"]) == len(was["entries"]) + 5
    for table in STAY - {"outbox", "drafts", "words"}:
        assert now[table] == was[table], table
    assert now["drafts"] == []
    assert nolone(new, "audit", "verify").code == 0


async def test_a_database_that_has_anything_in_it_takes_no_backup(
    trail: Trail, tmp_path: Path, new: str
) -> None:
    back_up(trail, tmp_path / "backup")
    restore(tmp_path / "backup", new)
    before = everything(new)
    said = nolone(new, "restore", tmp_path / "backup")
    assert said.code == 1
    assert "it is not empty: there is something in entries" in said.text
    assert everything(new) == before
    assert "in use by another process" in nolone(trail.path, "restore", tmp_path / "backup").text


@pytest.mark.parametrize("table", sorted(TABLES.keys() - {"openings"}))
async def test_one_row_of_anything_is_something(trail: Trail, tmp_path: Path, table: str) -> None:
    back_up(trail, tmp_path / "backup")
    new = f"sqlite:///{tmp_path / 'new'}"
    store = open_store(new)
    store.migrate()
    columns = TABLES[table]
    row = next(r for r in everything(tmp_path / "backup")[table])
    sql = (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(':' + c for c in columns)})"
    )
    store.run_now(lambda tx: tx.execute(sql, **dict(zip(columns, row, strict=True))))
    store.close()
    said = nolone(new, "restore", tmp_path / "backup")
    assert (said.code, f"there is something in {table}" in said.text) == (1, True)


DAMAGE: dict[str, Callable[[Path], None]] = {
    "an entry": lambda f: damaged(
        f, "UPDATE entries SET body = replace(body, 'U02ANN', 'U03BOB') WHERE seq = 4"
    ),
    "a column": lambda f: damaged(f, "UPDATE entries SET actor = 'U03BOB' WHERE seq = 4"),
    "a hash": lambda f: damaged(
        f, "UPDATE tree SET hash = ? WHERE level = 1 AND idx = 2", (bytes(32),)
    ),
    "a value": lambda f: damaged(
        f, "UPDATE openings SET value = value || ' ' WHERE seq = 2 AND field = 'grounds'"
    ),
    "a lost value": lambda f: damaged(
        f, "DELETE FROM openings WHERE seq = 2 AND field = 'grounds'"
    ),
    "the index": lambda f: damaged(f, "UPDATE requests SET requester = 'U02ANN' WHERE n = 1"),
    "a claim": lambda f: damaged(f, "UPDATE claims SET holder = 'R-1' WHERE holder = 'R-8'"),
}


@pytest.mark.parametrize("what", DAMAGE)
async def test_a_backup_that_is_not_as_it_was_is_not_restored(
    trail: Trail, tmp_path: Path, new: str, what: str
) -> None:
    back_up(trail, tmp_path / "backup")
    DAMAGE[what](tmp_path / "backup")
    said = nolone(new, "restore", tmp_path / "backup")
    assert said.code == 1
    # PostgreSQL does not even take an entry whose bytes have become text
    assert "the trail is not as it was written" in said.text or what == "an entry"
    assert not any(everything(new).values())


async def test_what_reads_otherwise_than_it_was_written_is_not_kept(
    trail: Trail, tmp_path: Path
) -> None:
    back_up(trail, tmp_path / "backup")
    new = f"sqlite:///{tmp_path / 'new'}"
    store = open_store(new)
    store.migrate()
    store.run_now(
        lambda tx: tx.execute(
            "CREATE TRIGGER worn AFTER INSERT ON posts BEGIN UPDATE posts SET ts = '0'; END"
        )
    )
    store.close()
    said = nolone(new, "restore", tmp_path / "backup")
    assert said.code == 1
    assert "posts was written, and reads otherwise" in said.text
    assert not any(everything(new).values())


def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a database, and long enough to be looked at " * 100)
    assert "cannot be used" in nolone(tmp_path / "db", "restore", tmp_path / "text").text
    assert "is not there" in nolone(tmp_path / "db", "restore", tmp_path / "none").text
    assert not (tmp_path / "none").exists()
    with closing(sqlite3.connect(tmp_path / "other")) as db:
        db.execute("CREATE TABLE t (x)")
    said = nolone(tmp_path / "db", "restore", tmp_path / "other")
    assert (said.code, "of an earlier version" in said.text) == (1, True)


# --- moving --------------------------------------------------------------------------------------


async def test_a_move_takes_everything_along_and_sets_nothing_back(
    trail: Trail, tmp_path: Path, new: str
) -> None:
    before = everything(trail.path)
    trail.close()
    said = nolone(new, "migrate", "--from", f"sqlite:///{trail.path}")
    assert said.code == 0, said.text
    assert everything(new) == before == everything(trail.path)
    assert f"{len(before['entries'])} entries, verified" in said.text
    store = open_store(new)  # and it goes on counting
    store.run_now(lambda tx: ledger.once(tx, "view:V9", 0))
    store.run_now(lambda tx: outbox.refresh_card(tx, "R-1", trail.now))
    was, now = ({row[0] for row in rows["outbox"]} for rows in (before, everything(new)))
    (added,) = now - was
    assert added > max(was)
    store.close()
    assert nolone(new, "audit", "verify").code == 0
    trail.store = SqliteStore(trail.path)  # closed once more by the fixture


async def test_a_database_that_a_bot_serves_is_not_moved(trail: Trail, tmp_path: Path) -> None:
    new = f"sqlite:///{tmp_path / 'new'}"
    said = nolone(new, "migrate", "--from", f"sqlite:///{trail.path}")
    assert said.code == 1
    assert "in use by another process" in said.text
    assert not (tmp_path / "new").exists()


def test_what_is_not_there_is_not_moved_nor_made(tmp_path: Path) -> None:
    new = f"sqlite:///{tmp_path / 'new'}"
    said = nolone(new, "migrate", "--from", f"sqlite:///{tmp_path / 'old'}")
    assert (said.code, "old is not there" in said.text) == (1, True)
    assert others(tmp_path) == set()
    said = nolone(new, "migrate", "--from", "postgresql://u:secret@h/db")
    assert (said.code, "write sqlite:///" in said.text) == (1, True)
    assert "secret" not in said.text


async def test_a_backup_of_postgresql_is_the_same_file_and_is_restored_anywhere(
    trail: Trail, tmp_path: Path, new: str
) -> None:
    before = everything(trail.path)
    back_up(trail, tmp_path / "first")
    theirs = database_url()
    assert nolone(theirs, "migrate", "--from", f"sqlite:///{tmp_path / 'first'}").code == 0
    assert nolone(theirs, "backup", tmp_path / "backup").code == 0
    assert everything(tmp_path / "backup") == before
    assert nolone(new, "restore", tmp_path / "backup").code == 0
    assert nolone(new, "audit", "verify").code == 0
