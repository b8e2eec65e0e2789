"""What the anchors give back of the log, to hold it against."""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bot.ledger import checkpoint
from bot.ledger.checkpoint import Checkpoint
from bot.ledger.note import NoteError, PublicKey
from bot.ledger.verify import Fault, Finding, Kept
from bot.ports import Anchor, AnchorError, Contradicted, SeenMore
from bot.store.anchors import Anchored

READ_WITHIN = 10.0  # s for an anchor to give back what it keeps


@dataclass(frozen=True, slots=True)
class Held:
    """What an anchor keeps of the log."""

    name: str
    weak: str | None  # why it proves less than others do
    heads: tuple[Checkpoint, ...]  # those that this log's keys signed, the longest first
    at: int | None = None  # when it took the first (ms)
    place: str = ""  # where that is, for people; empty where it is not known
    trouble: str | None = None  # what is not as it should be with the anchor itself
    read_back: bool = True  # False: they are our own note of what it took
    contradicts: str | None = None  # why what it has seen and this log cannot both be
    seen: int = 0  # how many entries the log had that it has seen, where that is all it says

    @property
    def size(self) -> int:
        """How many entries it covers."""
        return self.heads[0].size if self.heads else 0

    def kept(self) -> list[Kept]:
        """To hold the trail against."""
        said = f"what {self.name} keeps" if self.read_back else f"our note of what {self.name} took"
        return [Kept(said, head, own=not self.read_back) for head in self.heads]

    def contradictions(self, size: int | None) -> Iterator[Finding]:
        """What is wrong by what it says, where it gives no checkpoint back to say it by; `size`: how
        many entries there are, None where that cannot be read."""
        if self.contradicts is not None:
            yield Finding(Fault.FORKED, None, f"{self.name}: {self.contradicts}")
        elif size is not None and self.seen > size:
            yield Finding(
                Fault.AHEAD,
                size + 1,
                f"{self.name} has seen {self.seen:,} entries, and the log has {size:,}",
            )


async def read_back(
    anchors: Sequence[Anchor], noted: Sequence[Anchored], known: Sequence[PublicKey], origin: str
) -> tuple[Held, ...]:
    """What each anchor gives back; `noted`: what each of them took, as far as is known here."""
    took = {a.anchor: a for a in noted}
    read = (_held(anchor, took.get(anchor.name), known, origin) for anchor in anchors)
    return tuple(await asyncio.gather(*read))


async def _held(
    anchor: Anchor, noted: Anchored | None, known: Sequence[PublicKey], origin: str
) -> Held:
    """What an anchor gives back; where it gives nothing, our note of what it took."""
    given: Sequence[bytes] = ()
    trouble = contradicts = None
    seen = 0
    try:
        async with asyncio.timeout(READ_WITHIN):
            given = await anchor.latest(noted.signed if noted else None)
    except Contradicted as e:
        trouble = contradicts = str(e)
    except SeenMore as e:
        trouble, seen = str(e), e.size
    except AnchorError as e:
        trouble = f"it could not be read: {e}"
    except TimeoutError:
        trouble = f"it did not answer within {READ_WITHIN:.0f} s"
    heads = signed_heads(given, known, origin)
    took = signed_heads([noted.signed] if noted else [], known, origin)
    if not heads:
        if took and trouble is None:
            trouble = f"it took a checkpoint over {took[0].size:,} entries, and gives none back"
        heads, read_back = took, not took
    else:
        read_back = True
        if took and heads[0].size < took[0].size:
            trouble = (
                f"it took a checkpoint over {took[0].size:,} entries, and gives back one over"
                f" {heads[0].size:,}"
            )
    at, place = None, ""
    if noted is not None and took[:1] == heads[:1]:
        at, place = noted.at, noted.place
    return Held(anchor.name, anchor.weak, heads, at, place, trouble, read_back, contradicts, seen)


def signed_heads(
    given: Iterable[bytes], known: Sequence[PublicKey], origin: str
) -> tuple[Checkpoint, ...]:
    """Those that known keys signed for this log, the longest first: others may write there too, and
    may write anything."""
    found = set()
    for raw in given:
        with contextlib.suppress(NoteError):
            found.add(checkpoint.read(raw, known, origin))
    return tuple(sorted(found, key=lambda head: -head.size))
