"""The Merkle tree over the leaves, as RFC 6962 defines it in section 2.1.

A complete subtree is called by its level and index: `(level, index)` spans the leaves from
`index << level` on, `1 << level` of them. Those hashes never change while the tree grows, so they
are what is kept; every root and every proof is made of them. Verification follows RFC 9162,
sections 2.1.3.2 and 2.1.4.2, which say for RFC 6962's proofs how they are checked.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence

Nodes = Callable[[int, int], bytes]  # the hash of the complete subtree at (level, index)

EMPTY = hashlib.sha256().digest()  # the root of no leaves


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def peaks(size: int) -> list[tuple[int, int]]:
    """The complete subtrees that a tree of this size is made of, the largest first."""
    levels = [n for n in reversed(range(size.bit_length())) if size >> n & 1]
    return [(level, (size >> level) - 1) for level in levels]


class Frontier:
    """A tree's right edge: all that is needed to let it grow, and to tell its root."""

    def __init__(self, size: int = 0, edge: Mapping[int, bytes] | None = None) -> None:
        """`edge`: the hashes of the tree's peaks, by level."""
        self.size = size
        self._edge = dict(edge or {})

    def extend(self, leaves: Sequence[bytes]) -> list[tuple[int, int, list[bytes]]]:
        """Add leaf hashes; the complete subtrees that came of it: level, first index, hashes."""
        made, level, row = [], 0, list(leaves)
        while row:
            made.append((level, self.size >> level, row))
            waiting = self._edge.pop(level, None)
            if waiting is not None:
                row = [waiting, *row]
            if len(row) % 2:
                self._edge[level] = row[-1]
            sha256 = hashlib.sha256
            pairs = zip(row[::2], row[1::2], strict=False)
            row = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
            level += 1
        self.size += len(leaves)
        return made

    @property
    def root(self) -> bytes:
        found = b""
        for level in sorted(self._edge):
            found = node_hash(self._edge[level], found) if found else self._edge[level]
        return found or EMPTY


def root(size: int, nodes: Nodes) -> bytes:
    """The root of the first `size` leaves."""
    return _hash(0, size, nodes) if size else EMPTY


def _hash(low: int, high: int, nodes: Nodes) -> bytes:
    """RFC 6962's MTH(D[low:high])."""
    width = high - low
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return nodes(level, low >> level)
    middle = low + _split(width)
    return node_hash(_hash(low, middle, nodes), _hash(middle, high, nodes))


def _split(width: int) -> int:
    """The largest power of two below `width`."""
    return 1 << (width - 1).bit_length() - 1


def inclusion(index: int, size: int, nodes: Nodes) -> list[bytes]:
    """RFC 6962's PATH(index, D[size]): that this leaf is in the tree of this size."""
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} in a tree of {size}")
    low, high, proof = 0, size, []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            proof.append(_hash(middle, high, nodes))
            high = middle
        else:
            proof.append(_hash(low, middle, nodes))
            low = middle
    return proof[::-1]


def consistency(old: int, size: int, nodes: Nodes) -> list[bytes]:
    """RFC 6962's PROOF(old, D[size]): that the older tree is the beginning of this one."""
    if not 0 < old <= size:
        raise ValueError(f"a tree of {old} is not the beginning of one of {size}")
    low, high, proof = 0, size, []
    while old < high:
        middle = low + _split(high - low)
        if old <= middle:
            proof.append(_hash(middle, high, nodes))
            high = middle
        else:
            proof.append(_hash(low, middle, nodes))
            low = middle
    if low:
        proof.append(_hash(low, high, nodes))
    return proof[::-1]


def root_from_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes | None:
    """The root that an inclusion proof comes to; None where it is not of the right length."""
    if not 0 <= index < size:
        return None
    first, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return None
        if first & 1 or first == last:
            found = node_hash(sibling, found)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        first, last = first >> 1, last >> 1
    return found if last == 0 else None


def is_included(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    return root_from_inclusion(index, size, leaf, proof) == root


def is_consistent(
    old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether the proof shows that the tree of `old` leaves is the beginning of that of `size`."""
    if not 0 < old <= size:
        return False
    if old == size:
        return not proof and old_root == root
    if old & (old - 1) == 0:  # the older tree is a complete subtree, and goes without saying
        proof = [old_root, *proof]
    if not proof:
        return False
    first, last = old - 1, size - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    then = now = proof[0]
    for sibling in proof[1:]:
        if last == 0:
            return False
        if first & 1 or first == last:
            then, now = node_hash(sibling, then), node_hash(sibling, now)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            now = node_hash(now, sibling)
        first, last = first >> 1, last >> 1
    return last == 0 and then == old_root and now == root
