"""Every way to tamper with the trail is found and named, in the database and in an export."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import rfc8785

from bot.ledger import note, tiles
from bot.ledger.checkpoint import Checkpoint, parse
from bot.ledger.entry import leaf_hash
from bot.ledger.tree import Frontier

from .conftest import House

# --- the database -------------------------------------------------------------------------------------

REGROW = "DELETE FROM tree"


def regrow(db: sqlite3.Connection) -> None:
    """Make the tree that belongs to the entries as they have become."""
    db.execute(REGROW)
    bodies = [body for (body,) in db.execute("SELECT body FROM entries ORDER BY seq")]
    for level, first, hashes in Frontier().extend([leaf_hash(b) for b in bodies]):
        rows = [(level, n, hash) for n, hash in enumerate(hashes, first)]
        db.executemany("INSERT INTO tree (level, idx, hash) VALUES (?, ?, ?)", rows)


def renumber(db: sqlite3.Connection) -> None:
    """Let every entry say that it always had the place that it has come to."""
    rows = db.execute(
        "SELECT seq, stream, version, at, kind, actor, body FROM entries ORDER BY seq"
    ).fetchall()
    values = db.execute("SELECT seq, field, salt, value FROM openings").fetchall()
    place = {row[0]: n for n, row in enumerate(rows, 1)}
    db.execute("DELETE FROM openings")
    db.execute("DELETE FROM entries")
    for n, (_, stream, version, at, kind, actor, body) in enumerate(rows, 1):
        said = json.loads(body) | {"seq": n}
        row = (n, stream, version, at, kind, actor, rfc8785.dumps(said))
        db.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    for seq, *rest in values:
        if seq in place:
            db.execute("INSERT INTO openings VALUES (?, ?, ?, ?)", (place[seq], *rest))


EDIT = """
    UPDATE entries SET body = CAST(replace(CAST(body AS TEXT), actor, 'U99EVE') AS BLOB),
    actor = 'U99EVE' WHERE seq = 5
"""
DELETE = "DELETE FROM openings WHERE seq = 5; DELETE FROM entries WHERE seq = 5"
INSERT = """
    UPDATE entries SET seq = -seq - 1 WHERE seq >= 5;
    UPDATE entries SET seq = -seq WHERE seq < 0;
    INSERT INTO entries SELECT 5, stream, 99, at, kind, actor,
        CAST(replace(CAST(body AS TEXT), actor, 'U99EVE') AS BLOB) FROM entries WHERE seq = 3
"""
APPEND = "INSERT INTO entries SELECT seq + 1, 'R-1', 99, at, kind, actor, body FROM entries ORDER BY seq DESC LIMIT 1"
REORDER = """
    UPDATE entries SET seq = -5 WHERE seq = 5; UPDATE entries SET seq = 5 WHERE seq = 9;
    UPDATE entries SET seq = 9 WHERE seq = -5
"""
TRUNCATE = "DELETE FROM openings WHERE seq >= 20; DELETE FROM entries WHERE seq >= 20"

BY_ITSELF = {
    "edit": (EDIT, "edited: entry 5 is not what it was when it was written"),
    "delete": (DELETE, "missing: entry 5 is gone; entry 6 stands in its place"),
    "insert": (INSERT, "inserted: what stands in the place of entry 5 is not in the tree"),
    "append": (APPEND, "inserted: entry {more} is not in the tree, which ends before it"),
    "reorder": (REORDER, "reordered: in the place of entry 5 stands entry 9"),
    "truncate": (TRUNCATE, "truncated: the tree goes on after entry 19, and the entries do not"),
    "a column: stream": (
        "UPDATE entries SET stream = 'R-99' WHERE seq = 5",
        "column differs: entry 5 is found by another stream than it says itself",
    ),
    "a column: actor": (
        "UPDATE entries SET actor = 'U99EVE' WHERE seq = 5",
        "column differs: entry 5 is found by another actor",
    ),
    "a column: kind and time": (
        "UPDATE entries SET kind = 'Vetoed', at = at + 1 WHERE seq = 5",
        "column differs: entry 5 is found by another at and kind",
    ),
    "a column: the bytes' type": (
        "UPDATE entries SET body = CAST(body AS TEXT) WHERE seq = 5",
        "column differs: entry 5 is found by another type",
    ),
    "a value": (
        "UPDATE openings SET value = replace(value, 'expired', 'mallory') WHERE seq = 2",
        "edited: the value kept for 'snapshot' of entry 2 is not the one sealed in it",
    ),
    "a salt": (
        "UPDATE openings SET salt = 'zz' WHERE seq = 2 AND field = 'grounds'",
        "edited: the value kept for 'grounds' of entry 2 is not the one sealed in it",
    ),
    "the spelling of a salt": (
        "UPDATE openings SET salt = upper(salt) WHERE seq = 2",
        "edited: the value kept for 'grounds' of entry 2 is not the one sealed in it",
    ),
    "a value less": (
        "DELETE FROM openings WHERE seq = 2 AND field = 'subject'",
        "missing: the value sealed as 'subject' in entry 2 is gone",
    ),
    "a value more": (
        "INSERT INTO openings VALUES (2, 'more', '00', '1')",
        "edited: the value kept for 'more' of entry 2 is not the one sealed in it",
    ),
    "a value of nothing": (
        "INSERT INTO openings VALUES (9999, 'more', '00', '1')",
        "inserted: a value is kept for 'more' of entry 9999, which is not there",
    ),
    "a hash of the tree": (
        "UPDATE tree SET hash = zeroblob(32) WHERE level = 1 AND idx = 2",
        "tree damaged: the hash kept over entries 5 to 6 is not theirs",
    ),
    "an entry's hash": (
        "UPDATE tree SET hash = zeroblob(32) WHERE level = 0 AND idx = 4",
        "tree damaged: the hash kept of entry 5 is not its; the entry is in order",
    ),
    "a hash less": (
        "DELETE FROM tree WHERE level = 2 AND idx = 1",
        "tree damaged: the hash kept over entries 5 to 8 is not theirs",
    ),
    "the place of the last hash": (
        "UPDATE tree SET idx = idx + 7 WHERE level = 0 AND idx = (SELECT max(idx) FROM tree)",
        "tree damaged: at level 0 the tree has hashes out of place",
    ),
    "a hash of no level": (
        "INSERT INTO tree VALUES (60, 0, zeroblob(32))",
        "tree damaged: at level 60 the tree has hashes out of place",
    ),
    "the index: whose account": (
        "UPDATE requests SET handle = 'somebody' WHERE id = 'R-5'",
        "index differs: R-5 stands in requests otherwise than its entries say",
    ),
    "the index: a request less": (
        "DELETE FROM requests WHERE id = 'R-5'",
        "index differs: R-5 stands in requests otherwise",
    ),
    "the index: who was in it": (
        "DELETE FROM involved WHERE request = 'R-9' AND role = 'Vetoed'",
        "index differs: R-9 stands in involved otherwise",
    ),
    "the index: a claim": (
        "DELETE FROM claims WHERE holder = 'R-12'",
        "index differs: R-12 stands in claims otherwise",
    ),
    "the search: other words": (
        "UPDATE words SET text = ' nobody ' WHERE n = 5",
        "index differs: R-5 stands in words otherwise",
    ),
    "the search: a request less": (
        "DELETE FROM words WHERE n = 5",
        "index differs: R-5 stands in words otherwise",
    ),
    "the search: what its index holds": (
        "INSERT INTO words_fts (words_fts, rowid, text) SELECT 'delete', n, text FROM words"
        " WHERE n = 5",
        "index differs: R-5 stands in words_held otherwise",
    ),
}


@pytest.mark.parametrize("how", BY_ITSELF)
def test_the_database_tells_by_itself(house: House, how: str) -> None:
    statement, said = BY_ITSELF[how]
    (last,) = house.rows("SELECT max(seq) FROM entries")[0]
    house.tamper(statement)
    found = house.verify()
    assert found.code == 1
    assert said.format(more=int(str(last)) + 1) in found.text


def test_nothing_is_found_where_nothing_was_done(house: House) -> None:
    found = house.verify()
    assert found.code == 0, found.text
    assert "entries verified" in found.text
    assert "held against nothing that others keep" in found.text


def test_an_index_of_the_file_that_is_not_its_tables_is_told(house: House) -> None:
    (page,) = house.rows("SELECT rootpage FROM sqlite_schema WHERE name = 'requests_handle'")[0]
    (size,) = house.rows("PRAGMA page_size")[0]
    house.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    raw = bytearray(house.database.read_bytes())
    start = (int(str(page)) - 1) * int(str(size))
    at = raw.index(b"lapsed", start, start + int(str(size)))
    raw[at : at + 6] = b"lapsee"
    house.database.write_bytes(raw)
    found = house.verify()
    assert found.code == 1
    assert "unreadable: the database file is damaged: row" in found.text
    assert "missing from index requests_handle" in found.text


def test_a_gap_is_told_even_where_the_tree_was_made_anew(house: House) -> None:
    house.tamper(DELETE, regrow)
    found = house.verify()
    assert found.code == 1
    assert "missing: there is no entry 5, and the tree is without it too" in found.text
    refused = house.run("audit", "export", house.export)
    assert refused.code == 1
    assert "missing: there is no entry 5. Nothing was signed." in refused.text


CONSISTENTLY = {  # the tree and all: who did it knows what they do, and holds the signing key
    "edit": (EDIT, "forked"),
    "delete": (DELETE, "checkpoint ahead of the log"),
    "insert": (INSERT, "forked"),
    "reorder": (REORDER, "forked"),
    "truncate": (TRUNCATE, "checkpoint ahead of the log"),
}


@pytest.mark.parametrize("how", CONSISTENTLY)
def test_what_was_rewritten_and_signed_anew_is_told_by_a_kept_checkpoint(
    house: House, how: str
) -> None:
    house.exported()
    kept = house.keep()
    assert house.verify("--against", kept).code == 0
    statement, fault = CONSISTENTLY[how]
    house.tamper(statement, renumber, regrow)
    found = house.verify("--against", kept)
    assert found.code == 1
    assert f"{fault}: {kept} is over" in found.text
    # an export that is made of it is signed with the real key, and is told by the same checkpoint
    anew = house.exported(house.folder / "anew")
    assert house.verify(anew).code == 0
    found = house.verify(anew, "--against", kept)
    assert found.code == 1
    assert f"{fault}: {kept} is over" in found.text
    # and the export that is there is not gone on with
    refused = house.run("audit", "export", house.export)
    assert refused.code == 1
    assert fault in refused.text
    assert "Nothing was signed." in refused.text


def test_an_old_backup_is_told_by_a_kept_checkpoint(house: House, told: Path) -> None:
    house.run("audit", "show", "state:vetoed")  # which is an entry more than in the backup
    house.exported()
    kept = house.keep()
    for file in house.folder.glob("nolone.db*"):
        file.unlink()
    shutil.copy(told, house.database)
    assert house.verify().code == 0
    found = house.verify("--against", kept)
    assert found.code == 1
    assert "checkpoint ahead of the log" in found.text
    assert "it was cut off, or set back to an older state" in found.text


def test_kept_checkpoints_narrow_down_where_it_forked(house: House) -> None:
    house.exported()
    early = house.keep("early")
    (size,) = house.rows("SELECT max(seq) FROM entries")[0]
    house.run("audit", "show", "R-1")
    house.run("audit", "show", "R-2")
    house.exported()
    late = house.keep("late")
    house.tamper(
        f"UPDATE entries SET body = CAST(replace(CAST(body AS TEXT), 'Queried', 'queried') AS BLOB)"
        f" WHERE seq = {size} + 2",
        regrow,
    )
    found = house.verify("--against", early, "--against", late)
    assert found.code == 1
    assert f"one of {int(str(size)) + 1} to {int(str(size)) + 2}" in found.text
    assert f"It agrees with {early}" in found.text


# --- an export ----------------------------------------------------------------------------------------


def bundle(house: House) -> Path:
    (found,) = (house.export / "tile/entries/000.p").iterdir()
    return found


def leaf_tile(house: House) -> Path:
    (found,) = (house.export / "tile/0/000.p").iterdir()
    return found


def rewrite(house: House, change: Callable[[list[bytes]], None]) -> None:
    path = bundle(house)
    entries = tiles.unpack(path.read_bytes())
    change(entries)
    path.write_bytes(tiles.pack(entries))


def _edit(entries: list[bytes]) -> None:
    entries[4] = entries[4].replace(b"U", b"V")


def _delete(entries: list[bytes]) -> None:
    del entries[4]


def _insert(entries: list[bytes]) -> None:
    entries.insert(4, b"{}")


def _reorder(entries: list[bytes]) -> None:
    entries[4], entries[8] = entries[8], entries[4]


def _truncate(entries: list[bytes]) -> None:
    del entries[19:]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_edit, "edited: entry 5 "),
        (_delete, "missing: entry 5 is gone; entry 6 stands in its place"),
        (_insert, "inserted: what stands in the place of entry 5"),
        (_reorder, "reordered: in the place of entry 5 stands entry 9"),
        (_truncate, "truncated: the tree goes on after entry 19"),
    ],
)
def test_an_export_tells_by_itself(
    house: House, change: Callable[[list[bytes]], None], said: str
) -> None:
    house.exported()
    rewrite(house, change)
    found = house.verify(house.export)
    assert found.code == 1
    assert said in found.text


def test_an_export_whose_tiles_were_changed_with_it_is_not_what_was_signed(house: House) -> None:
    house.exported()
    rewrite(house, _edit)
    entries = tiles.unpack(bundle(house).read_bytes())
    leaf_tile(house).write_bytes(b"".join(leaf_hash(e) for e in entries))
    found = house.verify(house.export)
    assert found.code == 1
    assert "forked: its own checkpoint is over" in found.text


def test_an_export_whose_entries_say_that_they_are_others_is_told(house: House) -> None:
    house.tamper(REORDER, regrow)
    house.exported()  # the tree is in order, and so is the signature
    found = house.verify(house.export)
    assert found.code == 1
    assert "reordered: in the place of entry 5 stands 9" in found.text


def test_an_export_that_lacks_files_is_told(house: House) -> None:
    house.exported()
    bundle(house).unlink()
    assert "truncated: the tree goes on after entry 0" in house.verify(house.export).text
    house.exported(house.folder / "more")
    (house.folder / "more" / "vkey").unlink()
    assert house.verify(house.folder / "more").code == 2
    (house.folder / "more" / "checkpoint").unlink()
    assert house.verify(house.folder / "more", "--vkey", house.vkey).code == 2
    leaf_tile(house).unlink()
    found = house.verify(house.export)
    assert found.code == 1


def test_an_entry_less_in_entries_and_tiles_is_less_than_was_signed(house: House) -> None:
    house.exported()
    rewrite(house, lambda entries: entries.__delitem__(slice(19, None)))
    leaf_tile(house).write_bytes(leaf_tile(house).read_bytes()[: 19 * 32])
    found = house.verify(house.export)
    assert found.code == 1
    assert "truncated" in found.text or "tree damaged" in found.text


def test_signatures_that_were_swapped_are_told(house: House) -> None:
    other = house.folder / "other"
    made = house.run("keygen", other)
    assert made.code == 0
    house.key.write_text(house.key.read_text() + other.read_text())
    house.exported()
    path = house.export / "checkpoint"
    found = note.parse(path.read_bytes())
    one, two = found.signatures
    lines = [
        f"— {a.name} {note.rebase64(a.id + b.value)}\n".encode()
        for a, b in ((one, two), (two, one))
    ]
    path.write_bytes(found.text + b"\n" + b"".join(lines))
    said = house.verify(house.export)
    assert said.code == 1
    assert "bad signature: the checkpoint of the export: the signature of" in said.text
    # the same for one that somebody kept
    said = house.verify("--against", path)
    assert said.code == 1
    assert f"bad signature: {path}: the signature of" in said.text


def test_a_checkpoint_under_another_ones_signature_is_told(house: House) -> None:
    house.exported()
    path = house.export / "checkpoint"
    found = note.parse(path.read_bytes())
    head = parse(found.text)
    signature = path.read_bytes().partition(b"\n\n")[2]
    less = Checkpoint(head.origin, head.size - 1, head.root)
    path.write_bytes(less.text + b"\n" + signature)
    said = house.verify(house.export)
    assert said.code == 1
    assert "bad signature" in said.text


def test_an_export_under_a_key_that_is_not_the_logs_is_told_by_the_logs_own(house: House) -> None:
    house.exported()
    other = house.folder / "other"
    house.run("keygen", other)
    forged = house.folder / "forged"
    assert house.run("audit", "export", forged, key=other).code == 0
    found = house.verify(forged)
    assert found.code == 0
    assert "The keys came with it: compare them" in found.text
    found = house.verify(forged, "--vkey", house.vkey)
    assert found.code == 1
    assert "bad signature: the checkpoint of the export: no key that is known here" in found.text


def test_proofs_of_something_else_are_told(house: House) -> None:
    house.exported()
    proof = house.export / "proof/R-3.tlog-proof"
    whole = proof.read_bytes()
    proof.write_bytes(whole.replace(b"index ", b"index 1"))
    found = house.verify(house.export)
    assert found.code == 1
    assert "edited: R-3.tlog-proof does not show what it says of entry 1" in found.text
    proof.write_bytes(whole.replace(b"extra ", b"extra e30="))
    assert "bad signature: R-3.tlog-proof: this is not base64" in house.verify(house.export).text
    proof.write_bytes(whole)
    house.run("audit", "show", "R-1")
    ahead = house.exported(house.folder / "later") / "proof/R-3.tlog-proof"
    shutil.copy(ahead, proof)
    assert "checkpoint ahead of the log: R-3.tlog-proof" in house.verify(house.export).text
    house.tamper(EDIT, regrow)
    forked = house.exported(house.folder / "forked") / "proof/R-3.tlog-proof"
    shutil.copy(forked, house.folder / "later" / "proof/R-3.tlog-proof")
    said = house.verify(house.folder / "later")
    assert "forked: R-3.tlog-proof is of another log of this name" in said.text
