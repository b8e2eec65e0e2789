"""Logging: to standard error, as text or as one JSON object a line.

No line tells what people typed, who they are, or a secret. Our own messages are written so. What
others write is not: an exception's text may quote a parameter, an address with a token in it, or the
whole answer of Slack; a library's message may quote a payload. So of an exception its type and where
it was raised are told, and of another logger's message only where in the library it stands.
"""

import json
import logging
import os
import re
import socket
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal

from bot.doing import done_now
from bot.ledger.entry import LedgerBroken

REQUEST = re.compile(r"R-\d+")
OURS = re.compile(r"bot(\..+)?")


class _Guarded(logging.Formatter):
    """What of a record may be told."""

    def message_of(self, record: logging.LogRecord) -> str:
        if OURS.fullmatch(record.name):
            return record.getMessage()
        return (
            f"{record.name} has something to say, at {record.module}:{record.lineno}; its words are"
            " left out, since they may quote what people typed"
        )

    def error_of(self, record: logging.LogRecord) -> list[str]:
        if not record.exc_info or record.exc_info[1] is None:
            return []
        return [*_told(record.exc_info[1])]


class JsonLines(_Guarded):
    def __init__(self, replica: str) -> None:
        super().__init__()
        self._replica = replica

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.message_of(record),
            "replica": self._replica,
        }
        about = done_now()
        said |= about
        if REQUEST.fullmatch(stream := str(about.get("stream", ""))):
            said["request"] = stream
        if error := self.error_of(record):
            said["error"] = error
        return json.dumps(said)


class TextLines(_Guarded):
    def format(self, record: logging.LogRecord) -> str:
        first = f"{self.formatTime(record)} {record.levelname:7} {self.message_of(record)}"
        return "\n  ".join([first, *self.error_of(record)])


def _told(error: BaseException) -> Iterator[str]:
    """An exception, where it was raised, and what it came of; without its words."""
    seen: set[int] = set()
    link, current = "", error
    while id(current) not in seen:
        seen.add(id(current))
        kind = type(current)
        yield f"{link}{kind.__module__}.{kind.__qualname__}{_detail(current)}"
        for frame, line in traceback.walk_tb(current.__traceback__):
            yield f"at {frame.f_globals.get('__name__', '?')}:{line} {frame.f_code.co_name}"
        before = current.__cause__
        if before is None and not current.__suppress_context__:
            before = current.__context__
        if before is None:
            return
        link, current = "after ", before


def _detail(error: BaseException) -> str:
    """What is known to quote nothing."""
    if isinstance(error, LedgerBroken):
        return f": {error}"  # it names places in the trail
    if isinstance(error, OSError) and error.strerror:
        return f" ({error.strerror})"
    if isinstance(state := getattr(error, "sqlstate", None), str):
        return f" ({state})"
    return ""


def set_up(style: Literal["text", "json"]) -> None:
    """Log to standard error from here on, what ends the process included."""
    handler = logging.StreamHandler()
    replica = f"{socket.gethostname()}/{os.getpid()}"
    handler.setFormatter(JsonLines(replica) if style == "json" else TextLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # these log payloads, which hold what people typed, when asked for details
    for name in ("slack_bolt", "slack_sdk", "aiohttp"):
        logging.getLogger(name).setLevel(logging.WARNING)
    sys.excepthook = _ended


def _ended(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
    logging.getLogger("bot").critical("the process ends", exc_info=(kind, error, at))
