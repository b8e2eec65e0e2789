"""What PostgreSQL brings with it: other processes, a network, and a server that can go away."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from bot.core.commands import Query
from bot.core.decide import decide
from bot.store import ledger, migrations, postgres
from bot.store.migrations import Step
from bot.store.postgres import PostgresStore, PostgresVisit, named
from bot.store.tx import StoreError, Tx
from tests.core.build import MANAGER, NOW, STANDARD
from tests.postgres import Server, database_url


@pytest.fixture
def url() -> str:
    return database_url()


@pytest.fixture
def store(url: str) -> Iterator[PostgresStore]:
    with closing(PostgresStore(url)) as made:
        made.migrate()
        yield made


def ask(tx: Tx, n: int = 0) -> None:
    query = Query(MANAGER, f"state:open {n}", 0)
    ledger.append(tx, ledger.AUDIT, None, decide(None, query, STANDARD, NOW))


def count(store: PostgresStore) -> int:
    (row,) = store.run_now(lambda tx: tx.query("SELECT count(*) AS n FROM entries"))
    n: int = row["n"]
    return n


def test_its_name_has_no_password() -> None:
    assert named("postgresql://bot:s3cret@db.example:5433/nolone") == (
        "postgresql://db.example/nolone"
    )


def test_a_database_that_is_not_there_is_told_without_the_password() -> None:
    with pytest.raises(StoreError, match="cannot be used") as told:
        PostgresStore("postgresql://bot:s3cret@127.0.0.1:1/nolone")
    assert "s3cret" not in str(told.value)


def test_a_schema_of_a_newer_version_is_refused(store: PostgresStore, url: str) -> None:
    store.run_now(
        lambda tx: tx.execute("INSERT INTO nolone_migrations (name) VALUES ('9999 from tomorrow')")
    )
    for refused in (store.pending, store.migrate, lambda: PostgresVisit(url)):
        with pytest.raises(StoreError, match=r"newer version \(9999 from tomorrow\)"):
            refused()


def test_a_process_that_runs_while_a_newer_version_migrates_does_nothing_more(
    store: PostgresStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = Step("0099 from tomorrow", "ALTER TABLE posts ADD COLUMN told TEXT;\n")
    with monkeypatch.context() as tomorrow:
        tomorrow.setattr(postgres, "STEPS", [*migrations.STEPS, newer])
        theirs = PostgresStore(url)
        theirs.migrate()
        theirs.run_now(lambda tx: tx.execute("DELETE FROM posts"))  # which they may
        theirs.close()
    ran: list[str] = []
    for _ in range(2):
        with pytest.raises(StoreError, match="migrated by a newer version"):
            store.run_now(lambda tx: ran.append("ran"))
    assert ran == []


def test_a_step_that_fails_leaves_nothing_of_itself(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Step("0099 broken", "CREATE TABLE half (n INTEGER);\nSELECT 1 / 0;\n")
    monkeypatch.setattr(postgres, "STEPS", [*migrations.STEPS, broken])
    with pytest.raises(StoreError, match="could not be migrated: division by zero"):
        store.migrate()
    assert store.pending() == ["0099 broken"]
    store.run_now(lambda tx: tx.execute("CREATE TABLE half (n INTEGER)"))  # it is not there


def test_many_who_migrate_at_once_do_it_once(url: str) -> None:
    stores = [PostgresStore(url) for _ in range(4)]
    threads = [threading.Thread(target=store.migrate) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (row,) = stores[0].run_now(lambda tx: tx.query("SELECT count(*) AS n FROM nolone_migrations"))
    assert row["n"] == len(migrations.STEPS)
    for store in stores:
        store.close()


def test_the_ledger_cannot_be_emptied(store: PostgresStore) -> None:
    store.run_now(ask)
    for table in ("entries", "tree"):
        with pytest.raises(psycopg.Error, match="append-only"):
            store.run_now(lambda tx, table=table: tx.execute(f"TRUNCATE {table} CASCADE"))


def test_commits_of_the_ledger_are_durable_whatever_the_server_s_default(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
    asked = "SELECT current_setting('synchronous_commit') AS s"
    with closing(PostgresStore(url)) as store:
        store.migrate()
        (row,) = store.run_now(lambda tx: tx.query(asked))
        assert row["s"] == "on"
        (row,) = asyncio.run(store.run(lambda tx: tx.query(asked), durable=False))
        assert row["s"] == "off"


def test_what_may_write_to_the_ledger_waits_for_the_others(store: PostgresStore, url: str) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow(tx: Tx) -> None:
        inside.set()
        go_on.wait(10)
        ask(tx, 1)

    with closing(PostgresStore(url)) as other:
        thread = threading.Thread(target=store.run_now, args=[slow])
        thread.start()
        inside.wait(10)
        # what works on other rows alone goes on beside it
        asyncio.run(other.run(lambda tx: tx.query("SELECT 1 AS one"), alone=False))
        waited = threading.Thread(target=other.run_now, args=[ask])
        waited.start()
        waited.join(0.3)
        assert waited.is_alive()
        go_on.set()
        waited.join(5)
        thread.join(5)
    assert count(store) == 2


def test_a_connection_that_was_ended_is_made_anew(store: PostgresStore, url: str) -> None:
    store.run_now(ask)
    with psycopg.connect(url, autocommit=True) as killer:
        killer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'nolone'"
        )
    store.run_now(lambda tx: ask(tx, 2))
    assert count(store) == 2


def test_one_that_is_ended_in_the_midst_of_a_script_is_run_again_from_its_beginning(
    store: PostgresStore, url: str
) -> None:
    tries = 0

    def script(tx: Tx) -> None:
        nonlocal tries
        tries += 1
        ask(tx)
        if tries == 1:
            (row,) = tx.query("SELECT pg_backend_pid() AS pid")
            with psycopg.connect(url, autocommit=True) as killer:
                killer.execute("SELECT pg_terminate_backend(%s)", [row["pid"]])
        ask(tx, 1)

    store.run_now(script)
    assert (tries, count(store)) == (2, 2)


def test_whoever_falls_silent_in_a_transaction_holds_nobody_up(
    store: PostgresStore, url: str
) -> None:
    """As a process that is frozen; the server ends it, and its thaw finds nothing of it kept."""
    with psycopg.connect(url, autocommit=True) as frozen:
        frozen.execute(f"SET idle_in_transaction_session_timeout = {postgres.SILENT}".encode())
        frozen.execute("BEGIN")
        frozen.execute(f"SELECT pg_advisory_xact_lock({postgres.LEDGER})".encode())
        began = time.monotonic()
        store.run_now(ask)
        assert time.monotonic() - began < postgres.SILENT / 1000 + 1
        with pytest.raises(psycopg.Error):
            frozen.execute("COMMIT")


def test_a_crash_of_the_server_loses_nothing_that_was_committed() -> None:
    server = Server()  # one of its own, since the others would notice
    with closing(PostgresStore(server.create())) as store:
        store.migrate()
        store.run_now(ask)
        server.crash()
        with pytest.raises(StoreError, match="cannot be used"):
            store.run_now(lambda tx: ask(tx, 1))
        server.start()
        store.run_now(lambda tx: ask(tx, 2))
        assert count(store) == 2
    server.stop()


def test_a_network_that_says_nothing_any_more_is_given_up(store: PostgresStore, url: str) -> None:
    with closing(Silence(url)) as network, closing(PostgresStore(network.url)) as beyond:
        beyond.run_now(ask)
        network.silent = True
        began = time.monotonic()
        with pytest.raises(StoreError):
            beyond.run_now(lambda tx: ask(tx, 1))
        assert time.monotonic() - began < postgres.DEADLINE + 2.5  # one more try to connect
        network.silent = False
        beyond.run_now(lambda tx: ask(tx, 2))
    assert count(store) == 2


class Silence:
    """A way to the server on which nothing gets through once it is `silent`; nothing is refused."""

    def __init__(self, url: str) -> None:
        import socket

        parts = psycopg.conninfo.conninfo_to_dict(url)
        self._to = f"{parts['host']}/.s.PGSQL.5432"
        self._listening = socket.create_server(("127.0.0.1", 0))
        port = self._listening.getsockname()[1]
        self.url = f"postgresql://postgres@127.0.0.1:{port}/{parts['dbname']}"
        self.silent = False
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        import socket

        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._to)
            self._open += [client, server]
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=[one, other], daemon=True).start()

    def _pass_on(self, one: object, other: object) -> None:
        was = self.silent
        try:
            while data := one.recv(65536):  # type: ignore[attr-defined]
                if self.silent or was:
                    was = True  # this connection stays mute
                    continue
                other.sendall(data)  # type: ignore[attr-defined]
        except OSError:
            pass
        other.close()  # type: ignore[attr-defined]

    def close(self) -> None:
        self._listening.close()
        for one in self._open:
            one.close()


def test_by_how_much_the_time_is_held_back_is_durable_at_once(store: PostgresStore) -> None:
    asked = "SELECT current_setting('synchronous_commit') AS s"
    store.run_now(ask)
    store.run_now(lambda tx: tx.execute("UPDATE shared_time SET beat = 0"))
    assert store.time._at is not None
    store.time._at -= 3 * 3_600_000  # as if the database's clock had been set forward since
    for durable in ("on", "off"):  # a crash of the server must not forget it
        (row,) = asyncio.run(store.run(lambda tx: tx.query(asked), durable=False, alone=False))
        assert row["s"] == durable
