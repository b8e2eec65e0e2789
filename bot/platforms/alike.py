"""Which handles a person could take for one another."""

from difflib import SequenceMatcher

# Digits and letters that are read alike, and marks that are overlooked.
_READ_AS = str.maketrans({"0": "o", "1": "i", "l": "i", "3": "e", "5": "s"}) | {
    ord(mark): None for mark in "_-."
}


def alike(one: str, other: str) -> bool:
    """Whether the handles look the same, one contains the other, or they differ in little."""
    a, b = (handle.casefold().translate(_READ_AS) for handle in (one, other))
    if not a or not b:
        return False
    return a in b or b in a or SequenceMatcher(None, a, b, autojunk=False).ratio() >= 0.8
