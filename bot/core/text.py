"""Text from outside, made safe to read: nothing hidden in it, nothing turned around by it."""

import datetime
import unicodedata

# Characters that change how the text around them reads, without being seen,
_HIDDEN = frozenset({"Cf", "Cc", "Zl", "Zp", "Cs", "Co", "Cn"})
# and those that Unicode counts as letters, marks or symbols, and that show as nothing.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")


def visible(text: str) -> str:
    """`text` with every character that hides or turns text shown by its number, lines kept."""
    return "".join(
        f"⟨U+{ord(c):04X}⟩" if c != "\n" and _hides(c) else c
        for c in text.replace("\r\n", "\n").replace("\t", " ")
    )


def _hides(c: str) -> bool:
    return unicodedata.category(c) in _HIDDEN or c in _BLANK


def cut(text: str, most: int) -> str:
    """`text`, of at most `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def one_line(text: str, most: int) -> str:
    """`text` made visible, on one line, of at most `most` characters."""
    return cut(" ".join(visible(text).split()), most)


def utc(ms: int) -> str:
    """An instant in ISO 8601 to the second, e.g. 2026-11-24T10:00:00Z."""
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
