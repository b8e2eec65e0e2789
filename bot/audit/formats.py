"""How entries are written for people: a line of JSON each, or a row of a table."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from bot.audit.people import Shown

ENTRY = ("seq", "at", "stream", "version", "kind", "actor")  # a table's first columns
_MARK = "\ufeff"  # Excel takes a file without it for one in a code page of its own
_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # how one may begin


def jsonl(entries: Iterable[Shown], file: BinaryIO) -> int:
    """Write the entries; how many there were."""
    n = 0
    for entry in entries:
        line: dict[str, Any] = {name: getattr(entry, name) for name in (*ENTRY, "data")}
        if entry.sealed:
            line["sealed"] = entry.sealed
        if entry.leaf is not None:
            line["leaf"] = entry.leaf
        file.write(f"{_json(line)}\n".encode())
        n += 1
    return n


def table(entries: Callable[[], Iterable[Shown]], file: BinaryIO) -> int:
    """Write the entries as CSV (RFC 4180), a row each; how many there were.

    `entries` gives them twice: once for the columns, which are what occurs in them.
    """
    found = {column for entry in entries() for column, _ in _parts(entry)}
    columns = sorted(found)
    text = _Lines(file)
    rows = csv.writer(text, lineterminator="\r\n")
    file.write(_MARK.encode())
    rows.writerow([*ENTRY, *map(_harmless, columns), "sealed", "leaf"])
    n = 0
    for entry in entries():
        cells = {column: _cell(one) for column, one in _parts(entry)}
        first = [_cell(getattr(entry, name)) for name in ENTRY]
        sealed = _cell(entry.sealed) if entry.sealed else ""
        said = [cells.get(column, "") for column in columns]
        rows.writerow([*first, *said, sealed, entry.leaf or ""])
        n += 1
    return n


class _Lines:
    """What `csv` writes to, one row at a time."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, row: str) -> int:
        return self._file.write(row.encode())


def _parts(entry: Shown) -> Iterator[tuple[str, Any]]:
    """What an entry says, flat: `field`, or `field.part` where it has parts; what is null is not
    there."""
    for name, value in entry.data.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{part}", one) for part, one in value.items() if one is not None)
        elif value is not None:
            yield name, value


def _cell(value: Any) -> str:
    return _harmless(value if isinstance(value, str) else _json(value))


def _harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
