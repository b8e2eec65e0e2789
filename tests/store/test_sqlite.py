"""What is SQLite's own: the file, its lock, its durability, and what can be wrong with them."""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import pytest

from bot.core.request import Request
from bot.store import ledger, migrations
from bot.store.sqlite import Outcome, Script, SqliteStore, SqliteVisit
from bot.store.tx import StoreError, Tx
from tests.core.build import ANN, NOW, approve

from .build import about, everything, filed, give, given, rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "nolone.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(path)
    made.migrate()
    yield made
    made.close()


def test_what_was_committed_is_on_the_disk(store: SqliteStore) -> None:
    def pragma(name: str) -> object:
        return store._thread.submit(
            lambda: store._db.execute(f"PRAGMA {name}").fetchone()[0]
        ).result()

    assert pragma("journal_mode") == "wal"
    assert pragma("synchronous") == 2  # FULL: the write-ahead log is synced at every commit
    assert pragma("foreign_keys") == 1


def test_a_store_that_is_opened_again_goes_on(path: Path) -> None:
    store = SqliteStore(path)
    assert store.pending() == [step.name for step in migrations.STEPS]
    store.migrate()
    request = filed(store)
    store.close()

    store = SqliteStore(path)
    assert store.pending() == []
    store.migrate()  # changes nothing
    assert store.run_now(lambda tx: ledger.request(tx, "R-1")) == request
    store.close()


def test_another_process_is_told_that_the_file_is_in_use(store: SqliteStore, path: Path) -> None:
    code = "import sys, pathlib; from bot.store.sqlite import SqliteStore; SqliteStore(pathlib.Path(sys.argv[1]))"
    told = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert told.returncode != 0
    assert "nolone.db is in use by another process. Stop that one first" in told.stderr


def test_the_file_is_free_again_when_the_store_was_closed_or_could_not_be_opened(
    path: Path,
) -> None:
    for _ in range(2):
        path.write_bytes(b"not a database" * 100)
        with pytest.raises(StoreError, match="cannot be used as a database"):
            SqliteStore(path)
    path.unlink()
    for _ in range(2):
        SqliteStore(path).close()


def test_a_file_made_by_a_newer_version_is_refused(store: SqliteStore, path: Path) -> None:
    store.run_now(
        lambda tx: tx.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('nolone', '0009 from the future', '')"
        )
    )
    before = everything(store)
    with pytest.raises(StoreError, match=r"newer version \(0009 from the future\)"):
        store.migrate()
    with pytest.raises(StoreError, match="newer version"):
        SqliteVisit(path)
    assert everything(store) == before


def test_a_step_that_fails_leaves_the_schema_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(path)
    store.migrate()
    wrong = migrations.Step(
        "0009 wrong", "CREATE TABLE fine (n INTEGER);\nCREATE TABLE entries (n INTEGER)"
    )
    monkeypatch.setattr(migrations, "STEPS", [*migrations.STEPS, wrong])
    with pytest.raises((StoreError, sqlite3.DatabaseError), match="entries already exists"):
        store.migrate()
    assert store.pending() == ["0009 wrong"]
    assert rows(store, "SELECT name FROM sqlite_schema WHERE name = 'fine'") == []
    store.close()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file or directory"):
        SqliteStore(tmp_path / "nowhere" / "nolone.db")


def test_a_folder_that_cannot_be_written_to_is_named() -> None:
    """Root may write everywhere, so somebody else tries, in a process of their own."""
    code = (
        "import os, sys, pathlib; from bot.store.sqlite import SqliteStore\n"
        "if os.getuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "SqliteStore(pathlib.Path(sys.argv[1]))"
    )
    with TemporaryDirectory() as folder:  # not pytest's, which nobody else may look into
        Path(folder).chmod(0o555)
        path = Path(folder) / "nolone.db"
        told = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert told.returncode != 0
    assert "Permission denied. Make its folder writable" in told.stderr


def test_a_visitor_needs_a_database_of_this_version(path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be used"):
        SqliteVisit(path)
    store = SqliteStore(path)
    with pytest.raises(StoreError, match="Run `nolone migrate`"):
        SqliteVisit(path)
    store.migrate()
    SqliteVisit(path).close()
    store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for little more than a fresh database."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", folder], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_a_full_disk_is_told_and_loses_nothing(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    kept = []

    def until_it_is_full(store: SqliteStore) -> None:
        for n in range(10_000):
            kept.append(give(store, *about(f"a{n}")).id)

    with closing(SqliteStore(small_disk / "nolone.db")) as store:
        store.migrate()
        request = filed(store)
        fill(ballast)
        with pytest.raises(StoreError, match=r"could not be written to: .* full"):
            until_it_is_full(store)
        before = everything(store)
        assert len(before["requests"]) == 1 + len(kept)

        ballast.unlink()
        assert give(store, approve(request, ANN)).version == 3
        assert give(store, *about("more")).id == f"R-{len(kept) + 2}"

    with closing(SqliteStore(small_disk / "nolone.db")) as store:
        assert everything(store)["entries"][: len(before["entries"])] == before["entries"]
        assert rows(store, "PRAGMA integrity_check") == [("ok",)]


# --- many scripts at the same time ----------------------------------------------------------------


@contextlib.contextmanager
def held_up(store: SqliteStore) -> Iterator[None]:
    """While this lasts the store's thread is busy, so that what is asked of it waits together."""
    free = Event()
    store._thread.submit(free.wait)
    yield
    free.set()


class Spy(SqliteStore):
    """Counts the scripts in each transaction."""

    sizes: tuple[int, ...] = ()

    def _transact(self, scripts: Sequence[Script]) -> Sequence[Outcome]:
        self.sizes += (len(scripts),)
        return super()._transact(scripts)


@pytest.fixture
def spy(path: Path) -> Iterator[Spy]:
    with closing(Spy(path)) as made:
        made.migrate()
        yield made


async def test_scripts_that_wait_together_share_a_commit_and_each_is_a_transaction(
    spy: Spy,
) -> None:
    def fail(tx: Tx) -> None:
        given(tx, *about("a1"))
        raise ValueError("no")

    with held_up(spy):
        first = asyncio.ensure_future(spy.run(lambda tx: given(tx, *about("a0"))))
        second = asyncio.ensure_future(spy.run(fail))
        third = asyncio.ensure_future(spy.run(lambda tx: given(tx, *about("a2"))))
        await asyncio.sleep(0)
    ended = await asyncio.gather(first, second, third, return_exceptions=True)
    assert spy.sizes == (3,)
    assert [type(e) for e in ended] == [Request, ValueError, Request]
    assert rows(spy, "SELECT id, subject FROM requests ORDER BY n") == [
        ("R-1", "demo:a0"),
        ("R-2", "demo:a2"),
    ]
    assert rows(spy, "SELECT seq FROM entries") == [(1,), (2,)]


async def test_nobody_hears_of_an_end_before_the_commit(spy: Spy, path: Path) -> None:
    def stored() -> int:
        with closing(sqlite3.connect(path)) as another:
            count: int = another.execute("SELECT count(*) FROM entries").fetchone()[0]
            return count

    with held_up(spy):
        ends = [
            asyncio.ensure_future(spy.run(lambda tx, n=n: given(tx, *about(f"a{n}"))))
            for n in range(5)
        ]
        for end in ends:
            end.add_done_callback(lambda _: seen.append(stored()))
        seen: list[int] = []
        await asyncio.sleep(0)
    await asyncio.gather(*ends)
    assert seen == [5] * 5


async def test_when_the_commit_fails_nobody_is_told_otherwise(small_disk: Path) -> None:
    with closing(Spy(small_disk / "nolone.db")) as store:
        store.migrate()
        fill(small_disk / "ballast")

        def large(tx: Tx) -> None:
            tx.execute(
                "INSERT INTO drafts VALUES ('v', 'p', 'a', 'h', :found, 0)", found="x" * 600_000
            )

        with held_up(store):
            ends = [
                asyncio.ensure_future(store.run(script))
                for script in (lambda tx: given(tx, *about("a0")), large, lambda tx: 7)
            ]
            await asyncio.sleep(0)
        ended = await asyncio.gather(*ends, return_exceptions=True)
        assert [type(e) for e in ended] == [StoreError] * 3
        assert rows(store, "SELECT count(*) FROM entries") == [(0,)]


async def test_who_gave_up_waiting_has_nothing_done(spy: Spy) -> None:
    with held_up(spy):
        end = asyncio.ensure_future(spy.run(lambda tx: given(tx, *about("a0"))))
        await asyncio.sleep(0)
        end.cancel()
        await asyncio.sleep(0)
    assert rows(spy, "SELECT count(*) FROM entries") == [(0,)]


async def test_only_what_is_void_after_a_restart_does_not_wait_for_the_disk(spy: Spy) -> None:
    def level(tx: Tx) -> object:
        return tx.query("PRAGMA synchronous")[0]["synchronous"]

    full, normal = 2, 1
    assert await spy.run(level) == full
    assert await spy.run(level, durable=False) == normal
    assert await spy.run(level) == full
    with held_up(spy):
        ends = [asyncio.ensure_future(spy.run(level, durable=d)) for d in (False, True, False)]
        await asyncio.sleep(0)
    assert await asyncio.gather(*ends) == [full] * 3


def test_scripts_of_many_callers_are_done_one_after_the_other(store: SqliteStore) -> None:
    ids = {give(store, *about(f"a{n}"), now=NOW + n).id for n in range(20)}
    assert ids == {f"R-{n}" for n in range(1, 21)}
