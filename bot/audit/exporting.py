"""One file of the trail, for people: made the same, byte for byte, whenever it is made of the same
trail with the same values. What was recorded of it can so be made again, and held to its digest."""

import asyncio
import hashlib
import tempfile
import zipfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO, BinaryIO, TypeVar, cast

from bot.audit import export, formats, openings
from bot.audit.people import LeftOut, Shown, shown
from bot.audit.pseudonyms import Masks, names
from bot.audit.query import BadQuery, Query, parse
from bot.core.commands import Export
from bot.core.events import Format, Queried
from bot.ledger.note import SigningKey, rebase64
from bot.store.opened import Between, lengths
from bot.store.trail import Trail
from bot.store.tx import Store, Tx

R = TypeVar("R")

LARGEST = 50 * 1024 * 1024  # bytes of what is sent: it has to be made and sent within a delivery
COUNT_WITHIN = 1.5  # s; what cannot even be counted by then is too large, too
_ZIPPED_AT = (1980, 1, 1, 0, 0, 0)  # the earliest that the format knows


def form_of(query: Query) -> Format:
    match query.format:
        case "csv":
            return "csv"
        case "tiles":
            return "tiles"
        case _:
            return "jsonl"


@dataclass(frozen=True, slots=True)
class Made:
    """What a file is. `names`: who is who in it, by name."""

    size: int
    root: str  # base64
    entries: int
    length: int  # bytes
    digest: str  # SHA-256, hex
    names: tuple[tuple[str, str], ...] | None = None


class _Digesting:
    """Passes on what is written, and digests it. There is no way back in it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        self.length = 0

    def write(self, data: bytes) -> int:
        self._sha256.update(data)
        self.length += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    @property
    def digest(self) -> str:
        return self._sha256.hexdigest()


def entries(
    tx: Tx,
    form: Format,
    between: Between,
    out: LeftOut,
    file: IO[bytes],
    secret: bytes | None = None,
) -> Made:
    """Write a file of entries, as `jsonl` or `csv`. `secret` (32 random bytes, used once): people
    appear in it under names that it makes."""

    who = None
    masks = None
    if secret is not None:
        named = names(shown(tx, between, out), secret)
        who = tuple(sorted((name, id) for id, name in named.items()))
        masks = Masks(named, secret)

    def all_of_them() -> Iterator[Shown]:
        found = shown(tx, between, out)
        return found if masks is None else map(masks.masked, found)

    digesting = _Digesting(file)
    target = cast(BinaryIO, digesting)
    if form == "jsonl":
        n = formats.jsonl(all_of_them(), target)
    else:
        n = formats.table(all_of_them, target)
    return _made(tx, between.size, n, digesting, who)


def values(tx: Tx, size: int, out: LeftOut, file: IO[bytes]) -> Made:
    """Write what opens the commitments of the first `size` entries; `entries` is how many values."""
    digesting = _Digesting(file)
    n = openings.write(tx, size, out, cast(BinaryIO, digesting))
    return _made(tx, size, n, digesting)


def zipped(tx: Tx, size: int, signers: Sequence[SigningKey], origin: str, file: IO[bytes]) -> Made:
    """Write what `nolone audit export DIR` writes, in one archive. Raises ExportError and Unfit."""
    digesting = _Digesting(file)
    # not compressed: how that comes out is the library's business, and may change with it
    with zipfile.ZipFile(cast(BinaryIO, digesting), "w", zipfile.ZIP_STORED) as archive:
        for name, content in export.files(Trail(tx, size), signers, origin):
            entry = zipfile.ZipInfo(name, _ZIPPED_AT)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            archive.writestr(entry, content)
    return _made(tx, size, size, digesting)


def _made(
    tx: Tx,
    size: int,
    entries: int,
    file: _Digesting,
    who: tuple[tuple[str, str], ...] | None = None,
) -> Made:
    file.flush()  # what is recorded is on its way to the disk
    root = rebase64(Trail(tx, size).root(size))
    return Made(size, root, entries, file.length, file.digest, who)


class Exporter:
    """Makes the files that are asked for in Slack, beside everything else that goes on."""

    def __init__(self, store: Store, origin: str, signers: Sequence[SigningKey]) -> None:
        self._store = store
        self._origin = origin
        self._signers = signers

    async def refuse(self, query: Query) -> None:
        """Raises BadQuery for what is not sent, with the remedy."""
        since, until = query.filters.since, query.filters.until
        if query.format == "tiles":
            if not self._signers:
                raise BadQuery(
                    "format:tiles is signed, and the bot has no key. Ask for format:jsonl, or have"
                    " NOLONE_SIGNING_KEY_FILE set: `nolone keygen FILE` makes one."
                )
            if since is not None or until is not None:
                raise BadQuery(
                    "format:tiles is the whole trail, since its parts prove nothing."
                    " Leave since: and until: out."
                )

        def about(tx: Tx) -> int:
            return lengths(tx, Between(Trail(tx).size, since, until))

        try:
            async with asyncio.timeout(COUNT_WITHIN):
                length = await self._store.look(about)
        except TimeoutError:
            length = LARGEST + 1
        if length > LARGEST:
            raise BadQuery(
                f"That is more than {LARGEST // 1024**2} MB. Ask for less, by since: and until:, or"
                " have it made on the bot's machine: `nolone audit export`."
            )

    async def command(self, event: Queried) -> Export | None:
        """What records the file that was asked for; None if it is not known any more what was.

        Raises ExportError and Unfit.
        """
        if event.query.value is None:
            return None
        text = event.query.value.text
        query = parse(text, event.at)
        form = form_of(query)
        since, until = query.filters.since, query.filters.until
        async with self.file(form, since, until) as (made, _):
            return Export(
                by=event.by,
                text=text,
                format=form,
                since=since,
                until=until,
                size=made.size,
                root=made.root,
                entries=made.entries,
                digest=made.digest,
            )

    @asynccontextmanager
    async def file(
        self, form: Format, since: int | None, until: int | None, size: int | None = None
    ) -> AsyncIterator[tuple[Made, IO[bytes]]]:
        """The file, at its beginning, until the context is left; `size`: of the trail as it was.

        Raises ExportError and Unfit.
        """
        # on the database's disk, since it is as confidential, and without a name there
        with tempfile.TemporaryFile(dir=self._store.folder) as file:

            def write(tx: Tx) -> Made:
                of = Trail(tx).size if size is None else size
                if form == "tiles":
                    return zipped(tx, of, self._signers, self._origin, file)
                return entries(tx, form, Between(of, since, until), LeftOut(), file)

            made = await self._store.look(write)
            file.seek(0)
            yield made, file
