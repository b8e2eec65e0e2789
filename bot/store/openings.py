"""The values beside the entries, against the commitments in them; and those that are gone, against
the entries that say so."""

import json
from collections.abc import Iterator

from bot.core.sealed import commitment
from bot.ledger.verify import Fault, Finding
from bot.store import ledger
from bot.store.erase import QUERY, STAYS
from bot.store.tx import Tx

_ENTRIES = """
    SELECT e.seq, e.stream, e.version, e.body, o.field, o.salt, o.value
    FROM entries e LEFT JOIN openings o USING (seq) ORDER BY e.seq
"""


class Openings:
    """Those of one database; once all `findings` were drawn, it is known how many are `gone`."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._requests: dict[str, tuple[int, int]] = {}  # stream -> version and seq of its Erased
        self._queries: dict[int, int] = {}  # seq -> the seq of the QueriesErased that names it
        self.gone = 0
        self.erasures = 0

    def findings(self) -> Iterator[Finding]:
        self._read_erasures()
        at = 0
        sealed: dict[str, object] = {}
        erased: dict[str, int] = {}
        for seq, stream, version, body, field, salt, value in self._tx.each(_ENTRIES):
            if seq != at:
                yield from self._left(at, sealed, erased)
                data = json.loads(body)["data"]
                at, sealed = seq, {k: v["sealed"] for k, v in data.items() if _is_sealed(v)}
                erased = self._erased(seq, stream, version, sealed)
            if field is None:
                continue
            if not _opens(salt, value, sealed.pop(field, None)):
                said = f"the value kept for {field!r} of entry {seq} is not the one sealed in it"
                yield Finding(Fault.EDITED, seq, said)
            elif field in erased:
                said = f"the value kept for {field!r} of entry {seq} is erased by entry {erased[field]}"
                yield Finding(Fault.NOT_ERASED, seq, f"{said}, and is still there")
        yield from self._left(at, sealed, erased)
        for seq, field in self._tx.each(
            "SELECT seq, field FROM openings WHERE seq NOT IN (SELECT seq FROM entries) LIMIT 1"
        ):
            said = f"a value is kept for {field!r} of entry {seq}, which is not there"
            yield Finding(Fault.INSERTED, seq, said)

    def _read_erasures(self) -> None:
        for seq, stream, version, kind, body in self._tx.each(
            "SELECT seq, stream, version, kind, body FROM entries"
            " WHERE kind IN ('Erased', 'QueriesErased') ORDER BY seq"
        ):
            self.erasures += 1
            if kind == "Erased":
                self._requests[stream] = version, seq
            elif stream == ledger.AUDIT:
                named = json.loads(body)["data"]["entries"]
                self._queries |= {n: seq for n in named if n < seq}

    def _erased(
        self, seq: int, stream: str, version: int, fields: dict[str, object]
    ) -> dict[str, int]:
        """Which of an entry's fields are erased, each with the seq of the entry that says so."""
        if stream == ledger.AUDIT:
            by = self._queries.get(seq)
            return {} if by is None or QUERY not in fields else {QUERY: by}
        last, by = self._requests.get(stream, (0, 0))
        return {field: by for field in fields if field != STAYS} if version < last else {}

    def _left(
        self, seq: int, sealed: dict[str, object], erased: dict[str, int]
    ) -> Iterator[Finding]:
        """What has no value any more."""
        for field in sealed:
            if field in erased:
                self.gone += 1
                continue
            said = f"the value sealed as {field!r} in entry {seq} is gone"
            yield Finding(Fault.MISSING, seq, said)


def _is_sealed(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == {"sealed"}


def _opens(salt: object, value: object, sealed: object) -> bool:
    if not isinstance(salt, str) or not isinstance(value, str) or salt != salt.lower():
        return False
    try:
        return commitment(salt, value.encode()) == sealed
    except ValueError:
        return False
