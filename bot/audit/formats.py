"""How entries are written for people: a line of JSON each, or a row of a table."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from bot.audit.people import Shown

ENTRY = ("seq", "at", "stream", "version", "kind", "actor")  # a table's first columns
_MARK = "\ufeff"  # Excel takes a file without it for one in a code page of its own
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
    found = {column for entry in entries() for column in _cells(entry)}
    columns = sorted(found)
    text = _Lines(file)
    rows = csv.writer(text, lineterminator="\r\n")
    file.write(_MARK.encode())
    rows.writerow([*ENTRY, *map(_harmless, columns), "sealed", "leaf"])
    n = 0
    for entry in entries():
        cells = _cells(entry)
        first = [str(getattr(entry, name)) for name in ENTRY]
        sealed = _json(entry.sealed) if entry.sealed else ""
        row = [*first, *(cells.get(column, "") for column in columns), sealed, entry.leaf or ""]
        rows.writerow(map(_harmless, row))
        n += 1
    return n


class _Lines:
    """What `csv` writes to, one row at a time."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, row: str) -> int:
        return self._file.write(row.encode())


def _cells(entry: Shown) -> dict[str, str]:
    """What an entry says, flat: `field`, or `field.part` where it has parts."""
    cells = {}
    for name, value in entry.data.items():
        for column, one in _parts(name, value):
            if one is not None:
                cells[column] = one if isinstance(one, str) else _json(one)
    return cells


def _parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield name, value
        return
    for part, one in value.items():
        yield f"{name}.{part}", one


def _harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
