"""Single bits of the database file, turned over one at a time.

Each is found and named, or it hit nothing that counts: entries, the values beside them, the tree and
the index all read as before.
"""

import random
import shutil
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from bot.ledger.verify import Fault

from .conftest import House

COUNTS = {  # but for requests.due_at: when the worker looks again, and whatever it says, it looks
    "entries": "seq, stream, version, at, kind, actor, body",
    "openings": "seq, field, salt, value",
    "tree": "level, idx, hash",
    "requests": "n, id, version, action, tier, subject, handle, requester, filed_at, undoes,"
    " quorum_at, eta, started_seq, unknown_since, phase, ended_at, outcome",
    "involved": "person, role, request, at",
    "claims": "subject, holder",
    "words": "n, text",
    "words_held": "term, doc, col, offset",
}


def dump(path: Path) -> list[list[tuple[object, ...]]]:
    """All that counts."""
    with sqlite3.connect(path) as db:
        found = [
            db.execute(f"SELECT {columns} FROM {table} ORDER BY 1, 2").fetchall()
            for table, columns in COUNTS.items()
        ]
    db.close()
    return found


def flip(house: House, flips: int, seed: int) -> Counter[str]:
    """What became of so many bits."""
    whole = house.folder / "whole.db"
    with sqlite3.connect(house.database) as db:
        db.execute("PRAGMA journal_mode = DELETE")
    db.close()
    shutil.copy(house.database, whole)
    before, raw = dump(whole), whole.read_bytes()
    chance = random.Random(seed)
    became: Counter[str] = Counter()
    for _ in range(flips):
        bit = chance.randrange(len(raw) * 8)
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        house.database.write_bytes(changed)
        found = house.verify()
        if found.code == 0:
            assert dump(house.database) == before, f"bit {bit} was not found"
            became["nothing that counts"] += 1
        elif found.code == 1:
            named = [f for f in Fault if f"\n  {f}: " in found.text]
            assert len(named) == 1, found.text
            became[named[0]] += 1
        else:
            assert "cannot be" in found.text or "version" in found.text, found.text
            became["not a database of ours"] += 1
    return became


def test_a_flipped_bit_is_found_or_hit_nothing_that_counts(house: House) -> None:
    assert sum(flip(house, 60, seed=1).values()) == 60


@pytest.mark.slow
def test_a_thousand_flipped_bits_are_found_or_hit_nothing_that_counts(house: House) -> None:
    became = flip(house, 1000, seed=2)
    print(dict(became.most_common()))
    assert sum(became.values()) == 1000
    assert became[Fault.EDITED] > 0
