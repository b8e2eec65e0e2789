"""The tree is kept with the entries: in the same transaction, and for those that were there before."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.commands import HOST
from bot.core.events import Queried
from bot.core.sealed import Words, seal
from bot.ledger.entry import LedgerBroken, leaf_hash
from bot.ledger.tree import Frontier
from bot.store import ledger, migrations
from bot.store.sqlite import SqliteStore, SqliteVisit
from bot.store.trail import Trail, verify_trail
from bot.store.tx import StoreError, Tx
from tests.core.build import ANN, NOW, approve

from .backends import Connection
from .build import about, executed, filed, give, rows


def root(store: Connection) -> bytes:
    """As it follows from the entries."""
    frontier = Frontier()
    frontier.extend([leaf_hash(b) for (b,) in rows(store, "SELECT body FROM entries ORDER BY seq")])  # type: ignore[arg-type]
    return frontier.root


def kept(store: Connection) -> bytes:
    def script(tx: Tx) -> bytes:
        trail = Trail(tx)
        return trail.root(trail.size)

    return store.run_now(script)


def test_every_entry_grows_the_tree(store: Connection) -> None:
    assert kept(store) == root(store)
    executed(store)
    for n in range(5):
        give(store, *about(f"b{n}"))
        assert kept(store) == root(store)
    assert store.run_now(verify_trail).findings == ()


def test_a_transaction_that_is_undone_leaves_the_tree_as_it_was(store: Connection) -> None:
    filed(store)
    before = rows(store, "SELECT * FROM tree")

    def undone(tx: Tx) -> None:
        ledger.append(tx, ledger.AUDIT, None, [asked("x")])
        raise LookupError

    with pytest.raises(LookupError):
        store.run_now(undone)
    assert rows(store, "SELECT * FROM tree") == before


def asked(query: str, by: str = f"{HOST}root") -> Queried:
    return Queried(at=NOW, by=by, query=seal(Words(text=query), "5a" * 32, "q"), answered=0)


def test_nothing_is_added_to_a_ledger_that_its_tree_does_not_belong_to(store: Connection) -> None:
    request = filed(store)
    give(store, *about("a2"))
    store.run_now(lambda tx: tx.execute("DROP TRIGGER tree_is_kept /*pg ON tree */"))
    store.run_now(lambda tx: tx.execute("DELETE FROM tree WHERE level = 1"))
    with pytest.raises(LedgerBroken, match="the tree is not one over 2 entries"):
        give(store, approve(request, ANN))


def test_nothing_is_added_to_a_ledger_that_was_cut_off(store: Connection) -> None:
    request = filed(store)
    give(store, *about("a2"))
    give(store, *about("a3"))
    store.run_now(lambda tx: tx.execute("DROP TRIGGER entries_are_kept /*pg ON entries */"))
    store.run_now(lambda tx: tx.execute("DELETE FROM openings WHERE seq = 3"))
    store.run_now(lambda tx: tx.execute("DELETE FROM entries WHERE seq = 3"))
    with pytest.raises(LedgerBroken, match="the tree is not one over 2 entries"):
        give(store, approve(request, ANN))


@pytest.mark.parametrize("tampering", ["DELETE FROM tree", "UPDATE tree SET hash = NULL"])
def test_the_tree_stays_as_it_is(store: Connection, tampering: str) -> None:
    filed(store)
    with pytest.raises(Exception, match="the ledger is append-only"):
        store.run_now(lambda tx: tx.execute(tampering))


def test_columns_are_compared_whatever_is_in_them(store: Connection) -> None:
    # PostgreSQL's texts cannot hold a NUL, and no id of a person has one
    @given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20))
    def check(by: str) -> None:
        store.run_now(lambda tx: ledger.append(tx, ledger.AUDIT, None, [asked("x", by)]))
        assert store.run_now(verify_trail).findings == ()

    check()


def test_a_migration_makes_the_tree_over_the_entries_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "nolone.db"
    store = SqliteStore(path)
    store.migrate()
    executed(store)
    for n in range(30):
        give(store, *about(f"b{n}"))
    as_it_grew = rows(store, "SELECT * FROM tree ORDER BY level, idx")
    # as it was before there was a tree
    store.run_now(lambda tx: tx.execute("DROP TABLE tree"))
    store.run_now(lambda tx: tx.execute("DELETE FROM _sqlite_migrations WHERE name = '0002 tree'"))
    assert store.pending() == ["0002 tree"]
    with pytest.raises(StoreError, match="Run `nolone migrate`"):
        SqliteVisit(path)
    monkeypatch.setattr(migrations, "AT_A_TIME", 7)
    store.migrate()
    assert rows(store, "SELECT * FROM tree ORDER BY level, idx") == as_it_grew
    give(store, *about("c1"))
    assert store.run_now(verify_trail).findings == ()
    store.close()


def test_who_looks_keeps_nobody_from_writing_and_changes_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "nolone.db")
    store.migrate()
    filed(store)
    visit = SqliteVisit(tmp_path / "nolone.db")

    def look(tx: Tx) -> tuple[int, int]:
        before = Trail(tx).size
        give(store, *about("a2"))
        return before, Trail(tx).size

    assert visit.look(look) == (1, 1)  # as it was when the look began
    assert visit.look(lambda tx: Trail(tx).size) == 2
    with pytest.raises(Exception, match="readonly"):
        visit.look(lambda tx: tx.execute("DELETE FROM outbox"))
    visit.run_now(lambda tx: tx.execute("DELETE FROM outbox"))  # which is to write, and does
    visit.close()
    store.close()
