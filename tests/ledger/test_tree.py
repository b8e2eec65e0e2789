"""The tree: RFC 6962's known answers, and proofs that hold for what they are for and nothing else."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.ledger.entry import leaf_hash
from bot.ledger.tree import (
    EMPTY,
    Frontier,
    Nodes,
    consistency,
    inclusion,
    is_consistent,
    is_included,
    node_hash,
    peaks,
    root,
    root_from_inclusion,
)

# the leaves, roots and proofs of certificate-transparency's merkletree tests, as every log has them
LEAVES = [
    bytes.fromhex(h)
    for h in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    bytes.fromhex(h)
    for h in (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
INCLUSION = {  # (leaf from 1, size): path
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (3, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (2, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {  # (older size, size): proof
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def mth(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962's definition, word for word."""
    n = len(leaves)
    if n < 2:
        return leaves[0] if n else hashlib.sha256().digest()
    k = 1
    while k * 2 < n:
        k *= 2
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def hexes(proof: Sequence[bytes]) -> list[str]:
    return [h.hex() for h in proof]


def of(leaves: Sequence[bytes]) -> Nodes:
    made = {
        (level, first + n): hash
        for level, first, hashes in Frontier().extend(leaves)
        for n, hash in enumerate(hashes)
    }
    return lambda level, index: made[level, index]


KNOWN = [leaf_hash(data) for data in LEAVES]


@pytest.mark.parametrize("size", range(1, 9))
def test_the_roots_are_those_that_every_log_has(size: int) -> None:
    frontier = Frontier()
    frontier.extend(KNOWN[:size])
    assert frontier.root == root(size, of(KNOWN)) == mth(KNOWN[:size]) == ROOTS[size - 1]


def test_the_root_of_nothing() -> None:
    assert Frontier().root == root(0, of([])) == EMPTY == hashlib.sha256(b"").digest()


@pytest.mark.parametrize(("which", "path"), INCLUSION.items())
def test_the_inclusion_proofs_are_those_that_every_log_has(
    which: tuple[int, int], path: list[str]
) -> None:
    leaf, size = which
    proof = inclusion(leaf - 1, size, of(KNOWN))
    assert hexes(proof) == path
    assert is_included(leaf - 1, size, KNOWN[leaf - 1], proof, ROOTS[size - 1])


@pytest.mark.parametrize(("sizes", "path"), CONSISTENCY.items())
def test_the_consistency_proofs_are_those_that_every_log_has(
    sizes: tuple[int, int], path: list[str]
) -> None:
    old, size = sizes
    proof = consistency(old, size, of(KNOWN))
    assert hexes(proof) == path
    assert is_consistent(old, ROOTS[old - 1], size, ROOTS[size - 1], proof)


# --- any tree ---------------------------------------------------------------------------------------

TREES = st.integers(1, 300).map(lambda n: [leaf_hash(str(i).encode()) for i in range(n)])


@given(TREES, st.lists(st.integers(1, 60)))
def test_a_tree_grows_to_the_same_in_whatever_steps(leaves: list[bytes], steps: list[int]) -> None:
    frontier, made = Frontier(), {}
    while frontier.size < len(leaves):
        step = steps.pop() if steps else len(leaves)
        # as the store does: taken up again from what is kept
        edge = {level: made[level, index] for level, index in peaks(frontier.size)}
        frontier = Frontier(frontier.size, edge)
        for level, first, hashes in frontier.extend(leaves[frontier.size : frontier.size + step]):
            for n, hash in enumerate(hashes, first):
                assert (level, n) not in made
                made[level, n] = hash
    assert frontier.root == mth(leaves)
    assert len(made) == sum(len(leaves) >> n for n in range(10))
    assert made == {k: of(leaves)(*k) for k in made}


@given(TREES, st.data())
def test_every_leaf_is_proved_to_be_where_it_is_and_nowhere_else(
    leaves: list[bytes], data: st.DataObject
) -> None:
    size = len(leaves)
    index, other = (data.draw(st.integers(0, size - 1)) for _ in range(2))
    proof = inclusion(index, size, of(leaves))
    head = mth(leaves)
    assert is_included(index, size, leaves[index], proof, head)
    if other != index:
        assert not is_included(other, size, leaves[index], proof, head)
        assert not is_included(index, size, leaves[other], proof, head)
    assert not is_included(index, size, leaves[index], [*proof, head], head)
    if proof:
        assert not is_included(index, size, leaves[index], proof[:-1], head)
        wrong = list(proof)
        wrong[data.draw(st.integers(0, len(proof) - 1))] = head
        assert not is_included(index, size, leaves[index], wrong, head)


@given(TREES, st.data())
def test_an_older_tree_is_proved_to_be_the_beginning_and_no_other(
    leaves: list[bytes], data: st.DataObject
) -> None:
    size = len(leaves)
    old = data.draw(st.integers(1, size))
    proof = consistency(old, size, of(leaves))
    then, now = mth(leaves[:old]), mth(leaves)
    assert is_consistent(old, then, size, now, proof)
    assert not is_consistent(old, EMPTY, size, now, proof)
    assert not is_consistent(old, then, size, EMPTY, proof)
    assert not is_consistent(old, then, size, now, [*proof, now])
    if proof:
        assert not is_consistent(old, then, size, now, proof[:-1])
        wrong = list(proof)
        wrong[data.draw(st.integers(0, len(proof) - 1))] = EMPTY
        assert not is_consistent(old, then, size, now, wrong)
    forked = [*leaves[:-1], leaf_hash(b"another")]
    assume(old < size)
    assert not is_consistent(old, then, size, mth(forked), proof)


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_there_is_no_proof_for_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no leaf"):
        inclusion(index, size, of(KNOWN))
    assert root_from_inclusion(index, size, KNOWN[0], []) is None
    assert not is_included(index, size, KNOWN[0], [], ROOTS[0])


@pytest.mark.parametrize(("old", "size"), [(0, 3), (4, 3), (-1, 3)])
def test_there_is_no_proof_from_a_tree_that_is_no_beginning(old: int, size: int) -> None:
    with pytest.raises(ValueError, match="not the beginning"):
        consistency(old, size, of(KNOWN))
    assert not is_consistent(old, EMPTY, size, ROOTS[2], [])


def test_an_empty_proof_shows_nothing_of_a_tree_that_is_no_subtree() -> None:
    assert not is_consistent(3, ROOTS[2], 5, ROOTS[4], [])


def test_a_node_is_not_a_leaf() -> None:
    assert node_hash(KNOWN[0], KNOWN[1]) != leaf_hash(KNOWN[0] + KNOWN[1])
