"""The schema, as one ordered list of steps. Steps are only ever added, never changed."""

import sqlite3
from collections.abc import Callable
from typing import NamedTuple

from sqlite_utils import Database, Migrations

from bot.ledger.entry import leaf_hash
from bot.ledger.tree import Frontier
from bot.store import search, tree

AT_A_TIME = 1024  # entries, so that a database of any size is migrated in the same memory


class Step(NamedTuple):
    name: str
    sql: str
    fill: Callable[[sqlite3.Connection], None] | None = None  # what SQL cannot say, after it


def _grow_tree(connection: sqlite3.Connection) -> None:
    """The tree over the entries that are there already."""
    edge = Frontier()
    bodies = connection.execute("SELECT body FROM entries ORDER BY seq")
    while batch := bodies.fetchmany(AT_A_TIME):
        leaves = [leaf_hash(body) for (body,) in batch]
        connection.executemany(tree.INSERT, tree.rows(edge, leaves))


STEPS: list[Step] = [
    Step(
        "0001 ledger, requests and outbox",
        """
        CREATE TABLE entries (
            seq INTEGER PRIMARY KEY,
            stream TEXT NOT NULL,
            version INTEGER NOT NULL,
            at INTEGER NOT NULL,
            kind TEXT NOT NULL,
            actor TEXT NOT NULL,
            body BLOB NOT NULL,
            UNIQUE (stream, version)
        );
        CREATE TABLE openings (
            seq INTEGER NOT NULL REFERENCES entries (seq),
            field TEXT NOT NULL,
            salt TEXT NOT NULL,
            value TEXT NOT NULL,
            PRIMARY KEY (seq, field)
        ) WITHOUT ROWID;
        CREATE TABLE deliveries (
            key TEXT PRIMARY KEY,
            at INTEGER NOT NULL
        ) WITHOUT ROWID;

        -- derived from the entries, to find requests by
        CREATE TABLE requests (
            n INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            version INTEGER NOT NULL,
            action TEXT NOT NULL,
            tier TEXT NOT NULL,
            subject TEXT NOT NULL,
            handle TEXT NOT NULL,
            requester TEXT NOT NULL,
            filed_at INTEGER NOT NULL,
            undoes TEXT,
            quorum_at INTEGER,
            eta INTEGER,
            started_seq INTEGER,
            unknown_since INTEGER,
            phase TEXT,
            ended_at INTEGER,
            outcome TEXT,
            due_at INTEGER
        );
        CREATE INDEX requests_due ON requests (due_at) WHERE due_at IS NOT NULL;
        CREATE INDEX requests_subject ON requests (subject);
        CREATE INDEX requests_handle ON requests (handle);
        CREATE INDEX requests_undoes ON requests (undoes) WHERE undoes IS NOT NULL;
        CREATE INDEX requests_filed ON requests (filed_at);
        CREATE TABLE involved (
            person TEXT NOT NULL,
            role TEXT NOT NULL,
            request TEXT NOT NULL,
            at INTEGER NOT NULL,
            PRIMARY KEY (person, role, request)
        ) WITHOUT ROWID;
        CREATE TABLE claims (
            subject TEXT PRIMARY KEY,
            holder TEXT NOT NULL
        ) WITHOUT ROWID;

        -- an id is never given again: a lease of a row that is gone must not fit a later one
        CREATE TABLE outbox (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            key TEXT NOT NULL UNIQUE,
            lane TEXT NOT NULL,
            stream TEXT NOT NULL,
            seq INTEGER NOT NULL,
            what TEXT NOT NULL,
            recipient TEXT NOT NULL,
            wanted INTEGER NOT NULL DEFAULT 1, -- how often it was asked for
            due_at INTEGER NOT NULL,
            fence INTEGER NOT NULL DEFAULT 0,
            leased_until INTEGER NOT NULL DEFAULT 0,
            attempts INTEGER NOT NULL DEFAULT 0,
            tried INTEGER NOT NULL DEFAULT 0,
            error TEXT
        );
        CREATE INDEX outbox_due ON outbox (due_at);
        CREATE INDEX outbox_order ON outbox (stream, lane, id);
        CREATE TABLE posts (
            key TEXT PRIMARY KEY,
            channel TEXT NOT NULL,
            ts TEXT NOT NULL,
            seq INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE drafts (
            view_id TEXT PRIMARY KEY,
            person TEXT NOT NULL,
            action TEXT NOT NULL,
            handle TEXT NOT NULL,
            found TEXT NOT NULL,
            at INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE clock (
            one INTEGER PRIMARY KEY CHECK (one = 1),
            boot TEXT NOT NULL,
            up INTEGER NOT NULL,
            at INTEGER NOT NULL
        );

        CREATE TRIGGER entries_are_kept BEFORE DELETE ON entries
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
        CREATE TRIGGER entries_are_final BEFORE UPDATE ON entries
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
        """,
    ),
    Step(
        "0002 tree",
        """
        CREATE TABLE tree (
            level INTEGER NOT NULL,
            idx INTEGER NOT NULL, -- among those of its level, from 0
            hash BLOB NOT NULL, -- over the leaves from idx << level on, 1 << level of them
            PRIMARY KEY (level, idx)
        ) WITHOUT ROWID;
        CREATE TRIGGER tree_is_kept BEFORE DELETE ON tree
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
        CREATE TRIGGER tree_is_final BEFORE UPDATE ON tree
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
        """,
        _grow_tree,
    ),
    Step(
        "0003 anchors",
        """
        CREATE TABLE anchored ( -- the newest checkpoint that each anchor keeps
            anchor TEXT PRIMARY KEY,
            size INTEGER NOT NULL,
            root BLOB NOT NULL,
            at INTEGER NOT NULL,
            place TEXT NOT NULL,
            signed BLOB NOT NULL
        ) WITHOUT ROWID;
        """,
    ),
    Step(
        "0004 search",
        """
        CREATE TABLE words (
            n INTEGER PRIMARY KEY, -- of the request
            text TEXT NOT NULL
        );
        -- R-12 is 12
        ALTER TABLE involved ADD COLUMN n INTEGER AS (CAST(substr(request, 3) AS INTEGER)) VIRTUAL;
        CREATE INDEX involved_decided ON involved (person, n)
            WHERE role IN ('Approved', 'Vetoed', 'SettlementProposed');
        CREATE INDEX involved_vetoed ON involved (at) WHERE role = 'Vetoed';
        CREATE INDEX requests_requester ON requests (requester, n, phase, tier);
        CREATE INDEX requests_phase ON requests (phase, n, tier);
        CREATE INDEX requests_tier ON requests (tier, n, phase);
        CREATE INDEX requests_bare ON requests (substr(subject, instr(subject, ':') + 1));
        CREATE INDEX requests_restored ON requests (ended_at)
            WHERE action = 'restore' AND phase = 'executed';
        """,
        search.set_up,
    ),
    Step(
        "0005 stats",
        """
        -- approved the first time; over then unless something is done
        ALTER TABLE requests ADD COLUMN approved_at INTEGER;
        ALTER TABLE requests ADD COLUMN expires_at INTEGER;
        UPDATE requests SET approved_at = (
            SELECT min(at) FROM entries WHERE stream = id AND kind = 'Approved');
        UPDATE requests SET expires_at = (
            SELECT CASE WHEN eta IS NULL
                THEN at + json_extract(CAST(body AS TEXT), '$.data.terms.open_for')
                ELSE eta + json_extract(CAST(body AS TEXT), '$.data.terms.run_within') END
            FROM entries WHERE stream = id AND kind IN ('Filed', 'Reopened')
            ORDER BY entries.version DESC LIMIT 1)
        WHERE phase IS NULL AND coalesce((
            SELECT kind FROM entries WHERE stream = id
            AND kind IN ('ExecutionStarted', 'ExecutionUnknown', 'AttemptEnded')
            ORDER BY entries.version DESC LIMIT 1), 'AttemptEnded') = 'AttemptEnded';
        """,
    ),
]


def migrations() -> Migrations:
    """The steps as sqlite-utils applies and records them."""
    steps = Migrations("nolone")
    for given in STEPS:

        def step(db: Database, given: Step = given) -> None:
            for statement in given.sql.split(
                ";\n"
            ):  # one by one, so that a step is one transaction
                db.execute(statement)
            if given.fill is not None:
                given.fill(db.conn)

        steps(name=given.name)(step)
    return steps
