"""Moving a database, backing it up, and restoring a backup: each is a copy into an empty database,
verified before it stands.

A backup is a SQLite database of its own, whatever it was made from. What is restored is an older
state: vetoes, withdrawals and executions since then are not in it. So nothing that was still to run
in it may run; see `set_back`.
"""

import os
import secrets
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bot.core.commands import HOST, SetBack
from bot.core.decide import Refused, decide
from bot.core.events import PolicyAdopted
from bot.core.facts import Facts
from bot.ledger.verify import Verified
from bot.store import due, ledger
from bot.store.copy import copy
from bot.store.database import SQLITE, file_of, open_store, open_visit
from bot.store.facts import complete
from bot.store.trail import verify_trail
from bot.store.tx import StoreError, Tx, Visit

R = TypeVar("R")

WHY = "an older state of the trail was restored, and a veto since then may be lost with it. File it anew"


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, and which requests were set back; their phase before was still open."""

    trail: Verified
    set_back: tuple[str, ...]


def back_up(source: Visit, file: Path) -> Verified:
    """All that is in the database at this moment, in a new file that nobody else can read.

    A bot can serve the database meanwhile. The file is there as a whole or not at all; whatever is
    found wrong with the trail is wrong in the database too, and the file is kept. Raises StoreError.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as folder:
            new = Path(folder) / "nolone.db"
            os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            with _empty(f"{SQLITE}{new}") as target:
                _both(source, target, copy)
                found = target.look(verify_trail)
            _make_one_file(new)
            os.link(new, file)  # unlike a renaming, this puts nothing in another's place
            _sync(file.parent)
    except FileExistsError as e:
        raise StoreError(f"{file} exists, and is not overwritten.") from e
    except OSError as e:
        raise StoreError(f"{e.filename or file}: {e.strerror}.") from e
    return found


def move(source: str, target: str) -> Verified:
    """All of a SQLite database that no bot serves, into another that is empty; both by their
    addresses. Raises StoreError."""
    file = file_of(source)
    if file is None:  # it may hold a password
        raise StoreError(
            "Only a SQLite database is moved: write sqlite:/// and the path of its file."
        )
    if not file.exists():
        raise StoreError(_not_there(file))
    held = open_store(source)  # what a bot wrote after this would be left behind
    try:
        if held.pending():
            raise StoreError(f"{file} is of an earlier version. Run `nolone migrate` on it first.")
        with visit(source) as beside, _empty(target) as into:
            return _both(beside, into, _verified)
    finally:
        held.close()


def restore(source: Visit, target: str, user: str, now: int) -> Restored:
    """A backup, into the database at an address, which is empty; `now` (ms) is when. Raises
    StoreError."""

    def script(backup: Tx, tx: Tx) -> Restored:
        return Restored(_verified(backup, tx), tuple(set_back(tx, user, now)))

    with _empty(target) as into:
        return _both(source, into, script)


def set_back(tx: Tx, user: str, now: int) -> Iterator[str]:
    """Let nothing that was still to be done in a restored database be done unseen: it may have been
    done already, or stopped. Gives the ids of the requests that this ended or left unknown.

    Messages are looked for in Slack before they are posted; orders are not sent, their effect is
    looked for; whatever waited for its quorum, its cool-off or its start has lapsed.
    """
    tx.execute("UPDATE outbox SET tried = 1, leased_until = 0, fence = fence + 1")
    tx.execute("DELETE FROM outbox WHERE what = 'execute'")
    tx.execute("DELETE FROM drafts")
    adopted = [e for _, e in ledger.events(tx, ledger.POLICY) if isinstance(e, PolicyAdopted)]
    for id in due.still_open(tx):
        request = ledger.request(tx, id)
        command = SetBack(f"{HOST}{user}", id, WHY)
        facts = Facts(origin="", policy=adopted[-1].policy.open, seed=secrets.token_hex(32))
        whole = complete(tx, facts, request, None, command.by, now)
        try:
            events = decide(request, command, whole, now)
        except Refused:
            continue  # its effect is not known, and looked for already
        ledger.append(tx, id, request, events)
        yield id


def _verified(source: Tx, target: Tx) -> Verified:
    copy(source, target)
    found = verify_trail(target)
    if found.findings:
        told = "\n".join(f"  {finding}" for finding in found.findings)
        raise StoreError(f"the trail is not as it was written, and was not taken over:\n{told}")
    return found


def _both(source: Visit, target: Visit, script: Callable[[Tx, Tx], R]) -> R:
    """Run `script` with a transaction of each; what it raises leaves the target empty."""

    def both(one: Tx, other: Tx) -> R:
        try:
            return script(one, other)
        except (*one.damaged, *other.damaged) as e:
            said = str(e).partition("\n")[0]  # the rest may quote what was written
            raise StoreError(f"{source.name} could not be copied: {said}") from e

    try:
        return source.look(lambda one: target.run_now(lambda other: both(one, other)))
    except StoreError as e:
        raise StoreError(f"{target.name}: {e}") from e


@contextmanager
def visit(url: str) -> Iterator[Visit]:
    """The database at an address. Raises StoreError where there is none of this version."""
    file = file_of(url)
    if file is not None and not file.exists():
        raise StoreError(_not_there(file))
    opened = open_visit(url)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def _empty(url: str) -> Iterator[Visit]:
    """A database with this version's schema, for one transaction; a SQLite one is nobody else's
    meanwhile."""
    store = open_store(url)
    try:
        store.migrate()
        with visit(url) as target:
            yield target
    finally:
        store.close()


def _not_there(file: Path) -> str:
    return f"{file} is not there."


def _make_one_file(database: Path) -> None:
    """Leave nothing of a database outside its file, and that on the disk."""
    connection = sqlite3.connect(database)
    try:
        connection.execute("PRAGMA journal_mode = DELETE")
    finally:
        connection.close()
    _sync(database)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
