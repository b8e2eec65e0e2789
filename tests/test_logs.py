"""What a line of the log may hold, whatever is logged."""

import asyncio
import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import aiohttp
import pytest
from pydantic import BaseModel
from slack_sdk.errors import SlackApiError

from bot.doing import doing
from bot.ledger.entry import LedgerBroken
from bot.logs import JsonLines, TextLines

SECRET = "xoxb-1-secret of @pres1dent"


@pytest.fixture(params=["json", "text"])
def written(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    to = io.StringIO()
    handler = logging.StreamHandler(to)
    handler.setFormatter(JsonLines("r") if request.param == "json" else TextLines())
    logging.getLogger().addHandler(handler)
    yield to
    logging.getLogger().removeHandler(handler)


class _Model(BaseModel):
    n: int


class _Database(Exception):
    """As psycopg's: its text quotes the row."""

    sqlstate = "23505"


def _validation() -> None:
    _Model.model_validate({"n": SECRET})


def _database() -> None:
    raise _Database(f"Key (handle)=({SECRET}) already exists")


def _http() -> None:
    url = f"https://hooks.slack.example/services/{SECRET}"
    raise aiohttp.InvalidURL(url)


def _slack() -> None:
    raise SlackApiError(f"The server responded with: {SECRET}", {"ok": False, "error": SECRET})  # type: ignore[no-untyped-call]


def _chained() -> None:
    try:
        _validation()
    except ValueError as e:
        e.add_note(SECRET)
        raise RuntimeError(SECRET) from e


def _while_handling() -> None:
    try:
        _database()
    except _Database:
        raise KeyError(SECRET)  # noqa: B904


@pytest.mark.parametrize("fail", [_validation, _database, _http, _slack, _chained, _while_handling])
def test_an_exception_is_told_without_its_words(fail: object, written: io.StringIO) -> None:
    assert callable(fail)
    try:
        fail()
    except Exception:
        logging.getLogger("bot.worker").exception("card of R-1/3 failed")
    text = written.getvalue()
    assert "pres1dent" not in text
    assert "xoxb" not in text
    assert "card of R-1/3 failed" in text
    assert fail.__name__ in text  # where it was raised


def test_what_it_came_of_is_told_too(written: io.StringIO) -> None:
    try:
        _chained()
    except RuntimeError:
        logging.getLogger("bot").exception("it failed")
    text = written.getvalue()
    assert "builtins.RuntimeError" in text
    assert "after pydantic_core._pydantic_core.ValidationError" in text


def test_what_is_known_to_quote_nothing_is_told(written: io.StringIO) -> None:
    for error in (LedgerBroken("entry 7 says that it is 8"), OSError(28, "No space left"), None):
        try:
            if error is None:
                _database()
            else:
                raise error
        except Exception:
            logging.getLogger("bot").exception("it failed")
    text = written.getvalue()
    assert "entry 7 says that it is 8" in text
    assert "(No space left)" in text
    assert "_Database (23505)" in text


def test_a_librarys_words_are_left_out_and_where_it_spoke_is_told(written: io.StringIO) -> None:
    logging.getLogger("slack_bolt.App").warning("Unhandled request (%s)", SECRET)
    logging.getLogger("slack_sdk.socket_mode").error(f"Failed to parse: {SECRET}")
    logging.getLogger("botany").error(SECRET)
    text = written.getvalue()
    assert "pres1dent" not in text
    assert "slack_bolt.App has something to say, at test_logs:" in text


async def test_a_task_that_nobody_waited_for_is_told_without_its_words(
    written: io.StringIO,
) -> None:
    async def fails() -> None:
        raise ValueError(SECRET)

    task = asyncio.create_task(fails(), name=SECRET)
    await asyncio.wait({task})
    del task
    assert "pres1dent" not in written.getvalue()
    assert "builtins.ValueError" in written.getvalue()


async def test_a_task_says_what_it_is_about_for_itself_and_those_it_begins() -> None:
    to = io.StringIO()
    handler = logging.StreamHandler(to)
    handler.setFormatter(JsonLines("r"))
    log = logging.getLogger("bot")
    log.addHandler(handler)

    async def inner() -> None:
        doing(seq=3, what="card")
        log.error("in it")

    async def outer() -> None:
        doing(stream="R-1")
        await asyncio.create_task(inner())
        log.error("after it")

    await asyncio.create_task(outer())
    log.error("outside")
    log.removeHandler(handler)
    first, second, third = (json.loads(line) for line in to.getvalue().splitlines())
    assert (first["request"], first["seq"], first["what"]) == ("R-1", 3, "card")
    assert second["request"] == "R-1"
    assert "seq" not in second
    assert "request" not in third


def test_what_ends_the_process_is_a_line_like_any_other() -> None:
    program = f"from bot.logs import set_up; set_up('json'); raise RuntimeError({SECRET!r})"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    (line,) = ended.stderr.decode().splitlines()
    said = json.loads(line)
    assert (said["message"], said["error"][0]) == ("the process ends", "builtins.RuntimeError")
    assert "pres1dent" not in line
