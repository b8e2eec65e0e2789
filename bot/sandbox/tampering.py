"""Tampering with the trail behind the bot's back, as whoever can write the database file could.

It goes past the bot, through a connection of its own, and takes away the triggers that make the ledger
append-only: they are a speed bump, and no more. What it does is the lesson of `/audit verify`.
"""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from bot.ledger.entry import leaf_hash
from bot.ledger.tree import Frontier
from bot.store import tree

REVIEWERS = ("U02REV", "U03REV", "U05LEGAL")
_TRIGGERS = ("entries_are_kept", "entries_are_final", "tree_is_kept", "tree_is_final")
_DID = {"Approved": "approved", "Vetoed": "vetoed", "Filed": "filed"}


class Way(StrEnum):
    EDIT = "edit"  # who an entry is by
    DELETE = "delete"  # an entry
    REWRITE = "rewrite"  # edit one, and make everything else fit


class NothingToTamperWith(Exception):
    """The ledger has nothing to be tampered with in that way; the text says why."""


class _Target(NamedTuple):
    seq: int
    stream: str
    kind: str
    actor: str


def tamper(database: Path, way: Way, names: Mapping[str, str]) -> str:
    """Do it, and say in words what was done. `names`: of people, by id. Raises NothingToTamperWith."""
    with closing(sqlite3.connect(database, timeout=5, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        target = _target(db)
        for name in _TRIGGERS:
            db.execute(f"DROP TRIGGER IF EXISTS {name}")
        seq, did = target.seq, f"{_DID[target.kind]} {target.stream}"
        was = names.get(target.actor, target.actor)
        if way is Way.DELETE:
            db.execute("DELETE FROM openings WHERE seq = ?", (seq,))
            db.execute("DELETE FROM entries WHERE seq = ?", (seq,))
            said = f"Entry {seq} said that {was} {did}. It is gone."
        else:
            other = next(id for id in REVIEWERS if id != target.actor)
            _replace(db, seq, target.actor, other)
            said = f"Entry {seq} said that {was} {did}. Now it says {names.get(other, other)}."
            if way is Way.REWRITE:
                _make_it_fit(db, target, other)
                said += " The tree over all entries was made anew, and everything fits."
        db.execute("COMMIT")
        return said


def _target(db: sqlite3.Connection) -> _Target:
    """The newest decision, or else the newest request."""
    row = db.execute(
        "SELECT seq, stream, kind, actor FROM entries"
        " WHERE kind IN ('Approved', 'Vetoed', 'Filed') ORDER BY kind = 'Filed', seq DESC LIMIT 1"
    ).fetchone()
    if row is None:
        raise NothingToTamperWith("nobody has filed or decided anything yet: file a request first")
    return _Target(*row)


def _replace(db: sqlite3.Connection, seq: int, actor: str, other: str) -> None:
    """Let an entry name one person instead of another, wherever it does."""
    was, now = (json.dumps(id).encode() for id in (actor, other))
    ((body,),) = db.execute("SELECT body FROM entries WHERE seq = ?", (seq,))
    db.execute(
        "UPDATE entries SET body = ?, actor = replace(actor, ?, ?) WHERE seq = ?",
        (body.replace(was, now), actor, other, seq),
    )


def _make_it_fit(db: sqlite3.Connection, target: _Target, other: str) -> None:
    """What counts the entry, what it is found by, and the tree over them all."""
    ((n, newest),) = db.execute("SELECT count(*), max(seq) FROM entries")
    if n != newest:
        raise NothingToTamperWith(
            "an entry is gone already, and without it nothing can be made to fit"
        )
    if target.kind == "Approved":
        counted = "SELECT seq FROM entries WHERE stream = ? AND kind = 'QuorumReached'"
        for (seq,) in db.execute(counted, (target.stream,)).fetchall():
            _replace(db, seq, target.actor, other)
    db.execute(
        "UPDATE OR REPLACE involved SET person = ? WHERE person = ? AND request = ?"
        " AND role IN (?, 'QuorumReached')",
        (other, target.actor, target.stream, target.kind),
    )
    if target.kind == "Filed":
        db.execute("UPDATE requests SET requester = ? WHERE id = ?", (other, target.stream))
    db.execute("DELETE FROM tree")
    bodies = [body for (body,) in db.execute("SELECT body FROM entries ORDER BY seq")]
    rows = tree.rows(Frontier(), [leaf_hash(body) for body in bodies])
    db.executemany(tree.INSERT, rows)
