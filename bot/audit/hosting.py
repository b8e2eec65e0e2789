"""Exports and unmasking on the bot's machine: what is made there is recorded before it is there."""

import os
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TypeVar

from bot.audit import export, exporting, openings
from bot.audit.ask import facts_on_host
from bot.audit.export import ExportError
from bot.audit.exporting import Made
from bot.audit.people import left_out
from bot.audit.query import parse
from bot.core.commands import HOST, Export, Unmask
from bot.core.decide import decide
from bot.core.events import Exported, Format
from bot.ledger.note import SigningKey
from bot.ports import Clock
from bot.store import ledger
from bot.store.opened import Between
from bot.store.trail import Trail
from bot.store.tx import Tx, Visit

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Host:
    """Who exports, from where, and by which clock."""

    store: Visit
    clock: Clock
    user: str

    @property
    def by(self) -> str:
        return f"{HOST}{self.user}"


@dataclass(frozen=True, slots=True)
class Hidden:
    """What is not shown: the values of some subjects, and who people are."""

    subjects: tuple[str, ...] = ()
    people: bool = False

    @property
    def said(self) -> str:
        """As it was asked for."""
        said = "".join(f" --redact {subject}" for subject in self.subjects)
        return said + (" --pseudonyms" if self.people else "")


def to_file(host: Host, path: Path, text: str, hidden: Hidden) -> tuple[Made, int]:
    """Write the entries that `text` asks for, as `export` does in Slack, to a new file; what it is,
    and the seq of its entry.

    Raises BadQuery, NoSuchSubject, ExportError, StoreError.
    """
    query = parse(text, host.clock.now())
    form, times = exporting.form_of(query), query.filters
    secret = secrets.token_bytes(32) if hidden.people else None
    if path.exists():
        raise ExportError(f"{path} exists, and is not overwritten.")
    with _new(path) as file:

        def write(tx: Tx) -> Made:
            between = Between(Trail(tx).size, times.since, times.until)
            out = left_out(tx, hidden.subjects)
            return exporting.entries(tx, form, between, out, file, secret)

        made = host.store.look(write)
        seq = _record(host, text + hidden.said, form, made, times.since, times.until)
    return made, seq


def to_folder(
    host: Host,
    path: Path,
    signers: Sequence[SigningKey],
    origin: str,
    values: Hidden | None = None,
) -> tuple[export.Exported, Made | None]:
    """Bring the folder to the trail's present end. `values`: with what opens its commitments, whole
    and anew, but for what is hidden; None: without any. Only these are recorded: they alone tell
    what people wrote, and of whom.

    Raises ExportError, Unfit, NoSuchSubject, StoreError.
    """
    subjects = values.subjects if values else ()
    out = host.store.look(lambda tx: left_out(tx, subjects))
    done = host.store.look(lambda tx: export.export(tx, path, signers, origin))
    place = path / openings.OPENINGS
    place.unlink(missing_ok=True)
    if values is None:
        return done, None
    with _new(place) as file:
        made = host.store.look(lambda tx: exporting.values(tx, done.size, out, file))
        _record(host, f"export --values{values.said}", "openings", made)
    return done, made


def unmask(host: Host, seq: int, name: str, reason: str) -> str:
    """Who stands behind a name in the export of entry `seq`, once that is recorded.

    Raises Refused and StoreError.
    """

    def script(tx: Tx) -> str:
        exported = _export_at(tx, seq)
        facts = replace(facts_on_host(tx), exported=exported)
        events = decide(None, Unmask(host.by, seq, name, reason), facts, host.clock.now())
        ledger.append(tx, ledger.AUDIT, None, events)
        assert exported is not None
        assert exported.names is not None
        return dict(exported.names.open.people)[name]

    return host.store.run_now(script)


def _export_at(tx: Tx, seq: int) -> Exported | None:
    found = tx.query("SELECT kind FROM entries WHERE seq = :seq", seq=seq)
    if not found or found[0]["kind"] != "Exported":
        return None
    event = ledger.event_at(tx, seq)
    assert isinstance(event, Exported)
    return event


def _record(
    host: Host,
    text: str,
    form: Format,
    made: Made,
    since: int | None = None,
    until: int | None = None,
) -> int:
    """Record the export; the seq of its entry."""
    command = Export(
        by=host.by,
        text=text,
        format=form,
        since=since,
        until=until,
        size=made.size,
        root=made.root,
        entries=made.entries,
        digest=made.digest,
        names=made.names,
    )

    def script(tx: Tx) -> int:
        events = decide(None, command, facts_on_host(tx), host.clock.now())
        ledger.append(tx, ledger.AUDIT, None, events)
        return ledger.last_seq(tx, ledger.AUDIT)

    return host.store.run_now(script)


@contextmanager
def _new(path: Path) -> Iterator[IO[bytes]]:
    """A file that nobody else can read, which becomes `path` at the end of the context, unless that
    raises. Raises ExportError."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        new = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                os.fsync(file.fileno())
            new.replace(path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
    except OSError as e:
        raise ExportError(f"{path}: {e.strerror}.") from e
