"""Verifying: each way to tamper is found, and called by its name."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.ledger.checkpoint import Checkpoint
from bot.ledger.entry import leaf_hash
from bot.ledger.tree import EMPTY, Frontier
from bot.ledger.verify import BATCH, Fault, Kept, Verified, verify


@dataclass
class Memory:
    """A log in memory, which can be tampered with."""

    entries: list[bytes]
    levels: dict[int, list[bytes]] = field(default_factory=dict)
    only: int = 1  # levels are kept if they can be divided by this
    size: int = 0

    def __post_init__(self) -> None:
        self.grow()
        self.size = len(self.entries)

    def grow(self) -> None:
        """The tree that belongs to the entries as they are."""
        self.levels = {}
        for level, _, hashes in Frontier().extend([leaf_hash(e) for e in self.entries]):
            self.levels[level] = hashes

    def bodies(self) -> Iterator[bytes]:
        return iter(self.entries)

    def kept(self, level: int) -> Iterator[bytes] | None:
        return None if level % self.only else iter(self.levels.get(level, []))

    def node(self, level: int, index: int) -> bytes:
        return self.levels[level][index]

    def head(self, size: int | None = None) -> Checkpoint:
        frontier = Frontier()
        frontier.extend([leaf_hash(e) for e in self.entries[:size]])
        return Checkpoint("log", frontier.size, frontier.root)


def log(size: int = 12, only: int = 1) -> Memory:
    return Memory([f"entry {n}".encode() for n in range(1, size + 1)], only=only)


def first(found: Verified) -> tuple[Fault, int | None]:
    return found.findings[0].fault, found.findings[0].entry


@pytest.mark.parametrize("only", [1, 8])
@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, BATCH, BATCH + 1, 2 * BATCH + 77])
def test_a_log_that_is_as_it_was_is_found_to_be(size: int, only: int) -> None:
    made = log(size, only)
    kept = [Kept(f"of {n}", made.head(n)) for n in sorted({0, size // 3, size})]
    found = verify(made, kept)
    assert found == Verified(size, made.head().root, (), tuple(kept))


def edit(made: Memory) -> None:
    made.entries[4] = b"entry 5, but nicer"


def delete(made: Memory) -> None:
    del made.entries[4]


def insert(made: Memory) -> None:
    made.entries.insert(4, b"never happened")


def append(made: Memory) -> None:
    made.entries.append(b"never happened")


def swap(made: Memory) -> None:
    made.entries[4], made.entries[8] = made.entries[8], made.entries[4]


def truncate(made: Memory) -> None:
    del made.entries[4:]


def lose_a_leaf(made: Memory) -> None:
    made.levels[0][4] = b""


def spoil_a_node(made: Memory) -> None:
    made.levels[1][2] = made.levels[1][1]


def lose_a_node(made: Memory) -> None:
    del made.levels[1][2:]


TAMPERED: list[tuple[Callable[[Memory], None], Fault]] = [
    (edit, Fault.EDITED),
    (delete, Fault.MISSING),
    (insert, Fault.INSERTED),
    (swap, Fault.REORDERED),
    (truncate, Fault.TRUNCATED),
    (lose_a_leaf, Fault.TREE),
    (spoil_a_node, Fault.TREE),
    (lose_a_node, Fault.TREE),
]


@pytest.mark.parametrize(("tamper", "fault"), TAMPERED)
def test_each_way_to_tamper_is_named_with_the_first_entry(
    tamper: Callable[[Memory], None], fault: Fault
) -> None:
    made = log()
    tamper(made)
    found = verify(made)
    assert first(found) == (fault, 5)
    assert len(found.findings) == 1
    assert str(found.findings[0]).startswith(f"{fault}: ")


def test_an_entry_past_the_tree_is_named() -> None:
    made = log()
    append(made)
    assert first(verify(made)) == (Fault.INSERTED, 13)


def test_a_tree_of_more_than_the_entries_lead_to_is_named() -> None:
    made = log()
    made.levels[1].append(EMPTY)
    assert first(verify(made)) == (Fault.TREE, 12)


@pytest.mark.parametrize(("tamper", "fault"), TAMPERED)
def test_what_was_in_order_before_it_is_told(
    tamper: Callable[[Memory], None], fault: Fault
) -> None:
    made = log()
    before, after = Kept("early", made.head(3)), Kept("late", made.head(12))
    tamper(made)
    found = verify(made, [after, before])
    if fault is Fault.TREE and tamper is not lose_a_leaf:
        assert found.held == (before, after)  # the entries are in order; a hash over them is not
    else:
        assert found.size == 4
        assert found.held == (before,)
    assert [f.fault for f in found.findings] == [fault]


# --- edited together with the tree --------------------------------------------------------------------


def test_a_fork_is_told_by_what_others_kept() -> None:
    honest, forked = log(), log()
    edit(forked)
    forked.grow()
    assert verify(forked).findings == ()  # by itself it is in order
    kept = [Kept(f"of {n}", honest.head(n)) for n in (3, 4, 9, 12)]
    found = verify(forked, kept)
    assert [f.fault for f in found.findings] == [Fault.FORKED, Fault.FORKED]
    assert found.findings[0].said == (
        "of 9 is over 9 entries, and those here are others; the first of them is one of 5 to 9"
    )
    assert found.held == tuple(kept[:2])


def test_a_log_that_was_set_back_is_told_by_what_others_kept() -> None:
    honest, old = log(12), log(7)
    found = verify(old, [Kept("kept.txt", honest.head())])
    assert first(found) == (Fault.AHEAD, 8)
    assert "kept.txt is over 12 entries, and the log has 7" in found.findings[0].said


def test_a_log_shorter_than_its_own_checkpoint_was_truncated() -> None:
    honest, old = log(12), log(1)
    found = verify(old, [Kept("its own", honest.head(), own=True)])
    assert first(found) == (Fault.TRUNCATED, 2)


def test_a_fork_at_the_first_entry_is_told() -> None:
    found = verify(log(3), [Kept("kept", Checkpoint("log", 1, EMPTY))])
    assert found.findings[0].said.startswith("kept is over 1 entry, and those here are others")


# --- anything -----------------------------------------------------------------------------------------


@given(st.integers(1, 40), st.data())
def test_no_list_of_other_entries_passes(size: int, data: st.DataObject) -> None:
    made = log(size)
    other = data.draw(
        st.lists(
            st.one_of(st.sampled_from(made.entries), st.binary(max_size=3)), max_size=size + 2
        ).filter(lambda entries: entries != made.entries)
    )
    head = Kept("kept", made.head())
    changed = log(size)
    changed.entries = other
    found = verify(changed, [head])
    (finding,) = found.findings
    same = next(
        (n for n, (a, b) in enumerate(zip(made.entries, other, strict=False)) if a != b),
        min(size, len(other)),
    )
    assert finding.entry == same + 1
    changed.grow()
    changed.size = len(other)
    faults = [f.fault for f in verify(changed, [head]).findings]
    if len(other) < size:
        assert faults == [Fault.AHEAD]
    elif other[:size] != made.entries:
        assert faults == [Fault.FORKED]
    else:  # it has only grown
        assert faults == []


def test_an_edited_entry_is_named_also_where_the_tree_has_holes() -> None:
    made = log()
    edit(made)
    lose_a_node(made)
    assert first(verify(made)) == (Fault.EDITED, 5)


@pytest.mark.parametrize(
    ("erased", "erasures", "said"),
    [
        (0, 0, ""),
        (1, 1, "1 value erased under 1 entry"),
        (1400, 2, "1,400 values erased under 2 entries"),
    ],
)
def test_what_was_erased_is_counted_in_words(erased: int, erasures: int, said: str) -> None:
    assert Verified(9, b"", (), (), erased, erasures).erasing == said
