"""The tree over the entries: the hash of every complete subtree, kept as it comes about."""

from collections.abc import Sequence

from bot.ledger.entry import LedgerBroken
from bot.ledger.tree import Frontier, peaks, root
from bot.store.tx import Tx, Values

INSERT = "INSERT INTO tree (level, idx, hash) VALUES (:level, :idx, :hash)"
_EDGE = """
    WITH RECURSIVE levels (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM levels WHERE n < :top)
    SELECT level, hash FROM levels JOIN tree ON level = n AND idx = (:size >> n) - 1
    WHERE (:size >> n) & 1 = 1
    UNION ALL SELECT -1, hash FROM tree WHERE level = 0 AND idx = :size
"""


def frontier(tx: Tx, size: int) -> Frontier:
    """Where the tree over `size` entries grows on. Raises LedgerBroken where it is not theirs."""
    edge = dict(tx.each(_EDGE, size=size, top=size.bit_length()))
    if edge.keys() != {level for level, _ in peaks(size)}:
        raise LedgerBroken(
            f"the tree is not one over {size} entries; `nolone audit verify` says more"
        )
    return Frontier(size, edge)


def rows(edge: Frontier, leaves: Sequence[bytes]) -> list[Values]:
    """What has to be kept when these leaves are added."""
    return [
        {"level": level, "idx": index, "hash": hash}
        for level, first, hashes in edge.extend(leaves)
        for index, hash in enumerate(hashes, first)
    ]


def node(tx: Tx, level: int, index: int) -> bytes:
    """A hash of the tree. Raises LookupError where it is not there."""
    for (hash,) in tx.each(
        "SELECT hash FROM tree WHERE level = :level AND idx = :idx", level=level, idx=index
    ):
        found: bytes = hash
        return found
    raise LookupError(f"the tree has no hash at {level}, {index}")


def root_at(tx: Tx, size: int) -> bytes:
    """The root over the first `size` entries. Raises LookupError where the tree is not whole."""
    return root(size, lambda level, index: node(tx, level, index))
