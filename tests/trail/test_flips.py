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

COUNTS = {
    "entries": "seq",
    "openings": "seq, field",
    "tree": "level, idx",
    "requests": "n",
    "involved": "person, role, request",
    "claims": "subject",
}
NOT_COUNTED = ("requests.due_at",)  # when the worker looks again; whatever it says, it looks


def dump(path: Path) -> list[list[tuple[object, ...]]]:
    """All that counts."""
    with sqlite3.connect(path) as db:
        columns = {
            table: ", ".join(
                name
                for _, name, *_ in db.execute(f"PRAGMA table_info({table})")
                if f"{table}.{name}" not in NOT_COUNTED
            )
            for table in COUNTS
        }
        found = [
            db.execute(f"SELECT {columns[table]} FROM {table} ORDER BY {order}").fetchall()
            for table, order in COUNTS.items()
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
