"""What the entries come to, told from the entries alone: replay reads a trail once more."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.core.commands import Veto
from bot.core.decide import decide
from bot.store import ledger
from bot.store.replay import replay
from bot.store.sqlite import SqliteStore
from tests.core.build import ANN, NOW, STANDARD, approve
from tests.store.build import executed, filed


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(tmp_path / "nolone.db")
    made.migrate()
    yield made
    made.close()


def told(store: SqliteStore) -> list[str]:
    return store.run_now(lambda tx: [str(finding) for finding in replay(tx)])


def test_nothing_is_told_of_what_the_bot_wrote(store: SqliteStore) -> None:
    executed(store)
    assert told(store) == []


def test_what_comes_after_the_end_of_a_request_is_taken_for_its_own(store: SqliteStore) -> None:
    request = filed(store)
    events = decide(request, Veto(ANN, request.id, "No."), STANDARD, NOW)
    ended = store.run_now(lambda tx: ledger.append(tx, request.id, request, events))
    assert ended is not None
    assert ended.ending is not None
    store.run_now(lambda tx: ledger.append(tx, request.id, ended, events))
    assert told(store) == []


def test_a_request_filed_on_a_subject_that_another_holds_is_told(store: SqliteStore) -> None:
    first = filed(store)
    store.run_now(lambda tx: tx.execute("DELETE FROM claims"))
    second = filed(store)
    assert first.subject.value == second.subject.value
    (said,) = told(store)
    assert said.startswith("index differs: entry 2 does not follow from those before it")


def test_a_request_that_does_not_begin_with_its_filing_is_told(store: SqliteStore) -> None:
    request = filed(store)
    approved = decide(request, approve(request, ANN), STANDARD, NOW)[0]
    store.run_now(lambda tx: ledger.append(tx, "R-7", replace(request, version=0), [approved]))
    (said,) = told(store)
    assert said.startswith("index differs: entry 2 does not follow from those before it")


def test_a_request_that_is_filed_twice_is_told(store: SqliteStore) -> None:
    request = filed(store)
    store.run_now(lambda tx: tx.execute("DELETE FROM claims"))
    store.run_now(lambda tx: tx.execute("DELETE FROM requests"))
    ((_, event),) = store.run_now(lambda tx: ledger.events(tx, request.id))
    store.run_now(lambda tx: ledger.append(tx, request.id, None, [event]))
    (said,) = told(store)
    assert said.endswith("entry 2 does not follow from those before it: R-1 is filed twice")
