"""Whether a saved answer is complete: it is answered once more, from an export and nothing else.

The export has to be in order, and to hold the very entries that the answer says it considered: as
many, under the same root. Their events are appended to a database of its own, and that is asked the
same at the same instant.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import islice
from pathlib import Path

from bot.audit import folder, saved, verifying
from bot.audit.answer import MOST, answer
from bot.audit.folder import Folder
from bot.audit.openings import OPENINGS
from bot.audit.query import BadQuery, Query, parse
from bot.audit.saved import NotSaved, Saved
from bot.core.text import one_line, utc
from bot.ledger.entry import Entry, Opening
from bot.ledger.note import PublicKey, rebase64
from bot.ledger.tree import root
from bot.store import replay, search
from bot.store.replay import Told


class Found(IntEnum):
    COMPLETE = 0
    OTHERWISE = 1
    UNKNOWN = 2


@dataclass(frozen=True, slots=True)
class Proved:
    found: Found
    text: str


class _NotFoundOut(Exception):
    """The text says why, and what to do."""


@dataclass(slots=True)
class _Values:
    """Which requests' words are not all given, though at the answer's time they may have been."""

    path: Path
    hidden: set[str] = field(default_factory=set)


def prove(file: Path, dir: Path, known: Sequence[PublicKey]) -> Proved:
    """Whether the answer in `file` is complete, by the export in `dir`, with these keys or for want
    of any with those that came with it. Raises KeyFileError, and OSError for what cannot be read.
    """
    try:
        said = saved.read(file)
        query = parse(said.query, said.asked)
        log = _in_order(dir, known, said)
        if (own := rebase64(root(said.size, log.node))) != said.root:
            return Proved(
                Found.OTHERWISE,
                f"{file}: it is of another log, or of one that was changed: over its first {said.size}"
                f" entries the export's root is {own}, and the answer's {said.root}.",
            )
        again, hidden = _again(query, said, log)
    except (NotSaved, BadQuery, _NotFoundOut) as e:
        return Proved(Found.UNKNOWN, f"{file}: cannot be found out: {e}")
    wrong = list(_differences(said, again, hidden, query))
    if wrong:
        lines = [f"{file}: NOT what the entries say", *(f"  {line}" for line in wrong)]
        return Proved(Found.OTHERWISE, "\n".join(lines))
    if hidden:
        n = f"{len(hidden)} request{'' if len(hidden) == 1 else 's'}"
        return Proved(
            Found.UNKNOWN,
            f"{file}: cannot be found out whole: the words of {n} are not in the"
            " export: they were erased since, or left out. All others are told as they should be."
            " To know of these, an export from before the erasure is needed.",
        )
    return Proved(Found.COMPLETE, _complete(file, said, own_keys=not known))


def _in_order(dir: Path, known: Sequence[PublicKey], said: Saved) -> Folder:
    trusted, origin = verifying.trusted(dir, known)
    verified = folder.verify_folder(dir, trusted, origin)
    if verified.findings:
        raise _NotFoundOut(f"{dir} is itself not in order: {verified.findings[0]}")
    log = Folder(dir, folder.head(dir, trusted, origin))
    if said.size > log.size:
        raise _NotFoundOut(
            f"the answer considered {said.size} entries, and {dir} has only {log.size}."
            " Bring it up to date: nolone audit export DIR."
        )
    return log


def _again(query: Query, said: Saved, log: Folder) -> tuple[Saved, set[str]]:
    """The answer as it should be, and whose words it lacks."""
    by_words = bool(query.filters.account or query.filters.words)
    values = _Values(log.path / OPENINGS)
    if by_words and not values.path.exists():
        raise _NotFoundOut(
            f"it was asked for an account or for words, and {log.path} holds no values: a subject's"
            f" names and what was typed stand sealed in the entries. Have it with {OPENINGS}: nolone audit export DIR --values."
        )
    with replay.scratch() as tx:
        wrong = replay.again(_told(log, said.size, values), tx)
        if wrong is not None:
            raise _NotFoundOut(f"{log.path}: {wrong.said}")
        return saved.save(answer(tx, query, said.at, 1, MOST)), values.hidden if by_words else set()


def _told(log: Folder, size: int, values: _Values) -> Iterator[Told]:
    """What the entries say, with the values that are given."""
    lines = _lines(values.path)
    line = next(lines, None)
    for seq, body in enumerate(islice(log.bodies(), size), 1):
        said = json.loads(body)
        openings: list[Opening] = []
        while line is not None and line[0] == seq:
            openings.append(line[1])
            line = next(lines, None)
        stream, data = said["stream"], said["data"]
        sealed = {k for k, v in data.items() if isinstance(v, dict) and v.keys() == {"sealed"}}
        if said["kind"] == "Erased":  # by then the answer could not know them either
            values.hidden.discard(stream)
        if stream.startswith("R-") and search.FIELDS & sealed - {o.field for o in openings}:
            values.hidden.add(stream)
        yield Entry(seq, stream, said["version"], body), openings


def _lines(path: Path) -> Iterator[tuple[int, Opening]]:
    """The values that are given, each with the seq of its entry. Raises _NotFoundOut."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for n, line in enumerate(file, 1):
            try:
                said = json.loads(line)
                yield said["seq"], Opening(said["field"], said["salt"], said["value"])
            except (ValueError, LookupError, TypeError) as e:
                raise _NotFoundOut(f"{path}: line {n} is no value of an entry") from e


def _differences(said: Saved, again: Saved, hidden: set[str], query: Query) -> Iterator[str]:
    """What is told otherwise than it should be, but for what nobody can know."""
    told = {r.id: r.state for r in said.requests}
    should = {r.id: r.state for r in again.requests}
    # what is told for one whose words are hidden now takes the place of an older one
    full = hidden and said.total == (query.limit or MOST)
    oldest = min(map(_number, told), default=0) if full else 0
    for id, state in should.items():
        if id not in told and _number(id) >= oldest:
            yield f"left out: {id}, {state}"
        elif id in told and told[id] is not state:
            yield f"told otherwise: {id} was {state}, and is told as {told[id]}"
    for id in told.keys() - should.keys() - hidden:
        yield f"put in: {id}"
    if told.keys() == should.keys():
        if [r.id for r in said.requests] != [r.id for r in again.requests]:
            yield "told in another order than the newest first, or twice"
        if (said.total, said.more) != (again.total, again.more):
            yield f"told otherwise: how many there are: {again.total}{', and more' * again.more}"
    for name in sorted(said.figures.keys() | again.figures.keys()):
        if said.figures.get(name) != again.figures.get(name):
            yield f"told otherwise: {name} is {again.figures.get(name, 0)}"


def _number(id: str) -> int:
    return int(id.removeprefix("R-"))


def _complete(file: Path, said: Saved, *, own_keys: bool) -> str:
    asked = f"“{one_line(said.query, 300)}”" if said.query else "the summary"
    lines = [
        f"{file}: complete",
        f"It tells all that the first {said.size} entries hold for {asked} as of {utc(said.at)}:"
        f" {said.total} request{'' if said.total == 1 else 's'} named"
        + (", the newest of more." if said.more else "."),
        f"root {said.root}, as in the export",
    ]
    if own_keys:
        lines.append(verifying.OWN_KEYS)
    return "\n".join(lines)
