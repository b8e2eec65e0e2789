"""The large trail that is measured is one that the bot could have written."""

import sqlite3
from pathlib import Path

import pytest

from bot.core.request import Phase
from bot.ledger.entry import Entry, Opening, read, write
from bot.store.sqlite import SqliteVisit
from bot.store.trail import verify_trail

from .build import build
from .population import BEGAN, YEARS

ENTRIES = 2_000


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("built") / "nolone.db"
    assert build(ENTRIES, path).entries == ENTRIES
    return path


def test_nothing_is_wrong_with_a_built_trail(built: Path) -> None:
    visit = SqliteVisit(built)
    found = visit.look(verify_trail)
    visit.close()
    assert (found.size, found.findings) == (ENTRIES, ())


def test_every_entry_has_the_bytes_that_the_ledger_would_have_written(built: Path) -> None:
    db = sqlite3.connect(built)
    openings: dict[int, list[Opening]] = {}
    for seq, *opening in db.execute("SELECT seq, field, salt, value FROM openings"):
        openings.setdefault(seq, []).append(Opening(*opening))
    entries = db.execute("SELECT seq, stream, version, body FROM entries").fetchall()
    db.close()
    assert len(entries) == ENTRIES
    for row in entries:
        entry, kept = Entry(*row), openings.get(row[0], [])
        again, opened = write(read(entry, kept), entry.seq, entry.stream, entry.version)
        assert again.body == entry.body
        assert sorted(opened, key=lambda o: o.field) == kept


def test_a_built_trail_has_something_of_everything(built: Path) -> None:
    db = sqlite3.connect(built)
    phases = {phase for (phase,) in db.execute("SELECT DISTINCT phase FROM requests")}
    (restores,) = db.execute("SELECT count(*) FROM requests WHERE undoes IS NOT NULL").fetchone()
    ((first, last),) = db.execute("SELECT min(at), max(at) FROM entries")
    db.close()
    assert phases == {None, *(phase.value for phase in Phase if phase.closed)}
    assert restores > 0
    assert first == BEGAN
    assert 0.8 * YEARS < last - first < 1.2 * YEARS
