"""The answer to `export`: the file itself comes later, once it is made."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Coming:
    """A file was asked for; whoever asked gets it by direct message."""

    format: str
