"""The values of an export: `openings.jsonl`, beside its tiles.

One line a value, in the order of entries and fields: `{"seq":…,"field":…,"salt":…,"value":…}`. SHA-256
over the salt (hex, as bytes) and the value (a text: canonical JSON) is the commitment that stands in
the entry. What is not given, was erased, left out, or is never given.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from bot.audit.people import LeftOut
from bot.core.sealed import commitment
from bot.ledger.verify import Fault, Finding
from bot.store.opened import Between, opened
from bot.store.tx import Tx

OPENINGS = "openings.jsonl"


def write(tx: Tx, size: int, out: LeftOut, file: BinaryIO) -> int:
    """Write those of the first `size` entries; how many there were."""
    n = 0
    for seq, body, openings in opened(tx, Between(size)):
        stream = json.loads(body)["stream"]
        for o in openings:
            if not out.hides(stream, o):
                line = {"seq": seq, "field": o.field, "salt": o.salt, "value": o.value}
                file.write(
                    f"{json.dumps(line, ensure_ascii=False, separators=(',', ':'))}\n".encode()
                )
                n += 1
    return n


@dataclass(slots=True)
class Given:
    """How many of the sealed values were given, as far as they were looked through."""

    sealed: int = 0
    given: int = 0


def check(path: Path, bodies: Iterator[bytes], tally: Given) -> Iterator[Finding]:
    """What is wrong with the values in a file, against the entries that they are of."""
    lines = _lines(path)
    line = next(lines, None)
    for seq, body in enumerate(bodies, 1):
        data = json.loads(body)["data"]
        sealed = {k: v["sealed"] for k, v in data.items() if _is_sealed(v)}
        tally.sealed += len(sealed)
        while isinstance(line, dict) and line["seq"] == seq:
            said = sealed.pop(line["field"], None)
            if said is None:
                yield _wrong(
                    Fault.INSERTED, seq, f"a value {line['field']!r} that entry {seq} does not seal"
                )
            elif not _opens(line, said):
                yield _wrong(
                    Fault.EDITED,
                    seq,
                    f"the value {line['field']!r} is not the one sealed in entry {seq}",
                )
            else:
                tally.given += 1
            line = next(lines, None)
    if isinstance(line, dict):
        said = f"what stands there of entry {line['seq']} is out of its order, or of no entry"
        yield _wrong(Fault.INSERTED, None, said)
    elif line is not None:
        yield _wrong(Fault.UNREADABLE, None, f"its line {line} is no opened value")


def _wrong(fault: Fault, entry: int | None, said: str) -> Finding:
    return Finding(fault, entry, f"{OPENINGS}: {said}")


def _lines(path: Path) -> Iterator[dict[str, Any] | int]:
    """The lines of the file; of one that is none, its number."""
    with path.open("rb") as file:
        for n, raw in enumerate(file, 1):
            try:
                said = json.loads(raw)
            except ValueError:
                said = None
            whole = isinstance(said, dict) and {k: type(v) for k, v in said.items()} == _KINDS
            yield said if whole else n


_SALT = re.compile(r"(?:[0-9a-f]{2})*")
_KINDS = {"seq": int, "field": str, "salt": str, "value": str}


def _is_sealed(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == {"sealed"}


def _opens(line: dict[str, Any], sealed: str) -> bool:
    # in its one spelling: nothing in the file can be changed unseen
    return bool(_SALT.fullmatch(line["salt"])) and (
        commitment(line["salt"], line["value"].encode()) == sealed
    )
