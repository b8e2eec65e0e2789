"""An answer kept as a file, so that anybody with an export can find out whether it is complete."""

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from bot.audit.answer import Answer, Life, Line, Nothing, Requests, Summary
from bot.audit.query import BadQuery
from bot.core.request import Phase
from bot.core.value import Value
from bot.ledger.note import rebase64


class NotSaved(ValueError):
    """A file holds no answer. The text says why."""


class Named(Value):
    """A request that an answer names, and its state as the answer tells it."""

    id: str
    state: Phase


class Saved(Value):
    """What an answer says, on all its pages, in the order in which it says it."""

    format: Literal["nolone-answer/1"] = "nolone-answer/1"
    query: str
    asked: int  # ms; what is relative in the query is relative to it
    at: int  # ms; as of when it was answered
    size: int  # how many entries were considered
    root: str  # over them, base64
    total: int  # how many requests it names
    more: bool  # whether there are older ones, which it says
    requests: tuple[Named, ...]
    figures: dict[str, int]  # of a summary, by name


def save(answer: Answer) -> Saved:
    """What `answer` says, all of whose pages are one. Raises BadQuery for what cannot be saved."""
    more = False
    figures: dict[str, int] = {}
    lines: tuple[Line, ...]
    match answer.body:
        case Nothing():
            lines = ()
        case Life(line=line):
            lines = (line,)
        case Requests(lines=lines, more=more):
            pass
        case Summary(newest=lines) as found:
            figures = {"filed": found.filed, "vetoes": found.vetoes, "restores": found.restores}
            figures |= {f"filed, {phase}": n for phase, n in found.states}
            figures["open now"] = found.open
            more = found.open > len(lines)
        case _:
            raise BadQuery("Only what names requests can be saved: a summary, a list, or R-n.")
    return Saved(
        query=answer.query.text,
        asked=answer.query.asked,
        at=answer.at,
        size=answer.head.size,
        root=rebase64(answer.head.root),
        total=len(lines),
        more=more,
        requests=tuple(Named(id=line.id, state=line.state) for line in lines),
        figures=figures,
    )


def write(path: Path, saved: Saved) -> None:
    path.write_text(saved.model_dump_json(indent=1) + "\n")


def read(path: Path) -> Saved:
    """Raises NotSaved, and OSError where the file cannot be read."""
    try:
        return Saved.model_validate_json(path.read_bytes())
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise NotSaved(f"{path} is no saved answer: {where}: {first['msg']}.") from e
