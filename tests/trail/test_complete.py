"""An answer that was saved is complete, or what is wrong with it is named, by an export alone."""

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.core.commands import Veto
from tests.audit.trail import ANN, Trail

from .conftest import House

Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def house(house: House) -> House:
    house.exported()
    return house


def with_values(house: House, but: str = "FALSE") -> Path:
    """The export, with its values; `but` for those of which this SQL is true."""
    rows = house.rows(
        f"SELECT seq, field, salt, value FROM openings WHERE NOT ({but}) ORDER BY seq, field"
    )
    lines = (
        json.dumps(dict(zip(("seq", "field", "salt", "value"), row, strict=True))) for row in rows
    )
    (house.export / "openings.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return house.export


def answered(house: House, *query: str) -> Path:
    file = house.folder / "answer.json"
    done = house.run("audit", "show", "--save", file, *query)
    assert done.code == 0, done.text
    return file


def changed(file: Path, change: Change) -> Path:
    said = json.loads(file.read_text())
    change(said)
    file.write_text(json.dumps(said))
    return file


def proved(house: House, file: Path, *more: object) -> tuple[int, str]:
    done = house.run("audit", "prove-complete", file, house.export, *more)
    return done.code, done.text


ASKED = ("", "state:vetoed", "tier:standard", "by:U01AGENT", "reviewer:U02ANN", "since:30d")
ASKED_TOO = ("limit:3", "R-3", "R-999", "state:open by:U01AGENT tier:standard since:2026-11-01")


@pytest.mark.parametrize("query", [*ASKED, *ASKED_TOO])
def test_a_whole_answer_is_proved_without_values(house: House, query: str) -> None:
    code, said = proved(house, answered(house, query))
    assert code == 0, said
    assert "complete" in said
    assert "in the export" in said


@pytest.mark.parametrize("query", ["account:vetoed", "somebody else", '"somebody else" state:open'])
def test_a_whole_answer_about_an_account_or_words_is_proved_with_values(
    house: House, query: str
) -> None:
    with_values(house)
    code, said = proved(house, answered(house, query))
    assert code == 0, said
    assert "1 request named" in said or query == "somebody else"


def _left_out(said: dict[str, Any]) -> None:
    said["requests"] = [r for r in said["requests"] if r["id"] != "R-9"]
    said["total"] -= 1


def _put_in(said: dict[str, Any]) -> None:
    said["requests"].append({"id": "R-99", "state": "vetoed"})


def _another_state(said: dict[str, Any]) -> None:
    next(r for r in said["requests"] if r["id"] == "R-9")["state"] = "open"


def _another_order(said: dict[str, Any]) -> None:
    said["requests"].reverse()


def _another_number(said: dict[str, Any]) -> None:
    said["total"] += 1


def _no_more(said: dict[str, Any]) -> None:
    said["more"] = not said["more"]


def _twice(said: dict[str, Any]) -> None:
    said["requests"].insert(0, said["requests"][0])


def _another_root(said: dict[str, Any]) -> None:
    said["root"] = "A" * 43 + "="


def _fewer_entries(said: dict[str, Any]) -> None:
    said["size"] -= 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_left_out, "left out: R-9, vetoed"),
        (_put_in, "put in: R-99"),
        (_another_state, "told otherwise: R-9 was vetoed, and is told as open"),
        (_another_order, "another order"),
        (_twice, "or twice"),
        (_another_number, "told otherwise: how many there are: "),
        (_no_more, "told otherwise: how many there are: "),
        (_another_root, "it is of another log, or of one that was changed"),
        (_fewer_entries, "it is of another log, or of one that was changed"),
    ],
)
@pytest.mark.parametrize("query", ["since:30d", "since:30d limit:8"])
def test_what_was_done_to_an_answer_is_named(
    house: House, query: str, change: Change, named: str
) -> None:
    code, said = proved(house, changed(answered(house, query), change))
    assert code == 1, said
    assert named in said


def test_what_was_done_to_a_summary_is_named(house: House) -> None:
    def fewer(said: dict[str, Any]) -> None:
        said["figures"]["vetoes"] = 0
        del said["figures"]["filed, lapsed"]

    code, said = proved(house, changed(answered(house), fewer))
    assert code == 1
    assert "told otherwise: vetoes is 1" in said
    assert "told otherwise: filed, lapsed is 1" in said


def test_a_request_that_the_database_no_longer_found_is_left_out(house: House) -> None:
    """Whoever has the database takes a row out of its index, and the answer lacks it."""
    house.tamper("DELETE FROM requests WHERE id = 'R-9'")
    code, said = proved(house, answered(house, "state:vetoed"))
    assert code == 1
    assert "left out: R-9, vetoed" in said


def test_a_request_that_the_search_no_longer_found_is_left_out(house: House) -> None:
    with_values(house)
    house.tamper("DELETE FROM words WHERE n = 9")
    code, said = proved(house, answered(house, "somebody", "else"))
    assert code == 1
    assert "left out: R-9, vetoed" in said
    assert said.count("left out") == 1


def test_an_answer_of_another_log_is_told(house: House, tmp_path: Path) -> None:
    async def another() -> None:
        trail = Trail(tmp_path / "other.db")
        await trail.engine.adopt(trail.engine.policy)
        for n in range(8):
            await trail.filed(f"a{n}")
            await trail.give(Veto(ANN, f"R-{n + 1}", "No."))
        trail.close()

    asyncio.run(another())
    whose, house.database = house.database, tmp_path / "other.db"
    file = answered(house, "state:vetoed")
    house.database = whose
    code, said = proved(house, file)
    assert code == 1
    assert "it is of another log" in said


# --- what cannot be found out ----------------------------------------------------------------


@pytest.mark.parametrize("query", ["account:vetoed", "somebody"])
def test_without_values_an_account_or_words_cannot_be_found_out(house: House, query: str) -> None:
    code, said = proved(house, answered(house, query))
    assert code == 2
    assert "holds no values" in said
    assert "Have it with openings.jsonl" in said


def test_what_was_erased_since_is_not_held_against_an_answer(house: House) -> None:
    file = answered(house, "somebody")
    with_values(house, "seq IN (SELECT seq FROM entries WHERE stream = 'R-9')")
    code, said = proved(house, file)
    assert code == 2, said
    assert "the words of 1 request are not in the export" in said
    code, said = proved(house, changed(file, lambda s: s["requests"].pop(0)))
    assert code == 1
    assert "left out: R-13, executed" in said


def test_what_was_erased_since_makes_no_older_one_left_out(house: House) -> None:
    file = answered(house, "somebody limit:5")
    with_values(house, "seq IN (SELECT seq FROM entries WHERE stream = 'R-9')")
    code, said = proved(house, file)
    assert code == 2, said


def test_a_value_that_is_not_the_one_sealed_is_told(house: House) -> None:
    file = answered(house, "somebody")
    path = with_values(house) / "openings.jsonl"
    path.write_text(path.read_text().replace("somebody else", "somebody more"))
    code, said = proved(house, file)
    assert code == 2
    assert "the value kept for grounds is not the one sealed" in said


@pytest.mark.parametrize("line", ["[]", "{}", "no"])
def test_a_line_that_is_no_value_is_told(house: House, line: str) -> None:
    file = answered(house, "somebody")
    (house.export / "openings.jsonl").write_text(f"{line}\n")
    code, said = proved(house, file)
    assert code == 2
    assert "line 1 is no value of an entry" in said


def test_an_answer_that_is_newer_than_the_export_waits_for_another(house: House) -> None:
    answered(house, "state:open")
    file = answered(house, "state:open")  # it considered the entry of the one before
    code, said = proved(house, file)
    assert code == 2
    assert "nolone audit export DIR" in said
    house.exported()
    assert proved(house, file)[0] == 0


def test_an_export_that_is_not_in_order_proves_nothing(house: House) -> None:
    file = answered(house, "state:open")
    (tile,) = house.export.glob("tile/entries/*.p/*")
    tile.write_bytes(tile.read_bytes().replace(b"U01AGENT", b"U11AGENT"))
    code, said = proved(house, file)
    assert code == 2
    assert "is itself not in order: edited: entry" in said


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "no saved answer"),
        ("{}", "no saved answer: query"),
        ('{"format": "nolone-answer/2"}', "no saved answer: format"),
    ],
)
def test_a_file_that_is_no_answer_is_told(house: House, text: str, named: str) -> None:
    file = house.folder / "answer.json"
    file.write_text(text)
    code, said = proved(house, file)
    assert code == 2
    assert named in said


def test_a_query_that_cannot_be_read_is_told(house: House) -> None:
    file = changed(answered(house, "state:open"), lambda s: s.update(query="stat:open"))
    code, said = proved(house, file)
    assert code == 2
    assert "Did you mean state:?" in said


def test_files_that_are_not_there_are_told(house: House) -> None:
    code, said = proved(house, house.folder / "none.json")
    assert (code, "No such file" in said) == (2, True)
    file = answered(house, "state:open")
    shutil.rmtree(house.export)
    assert proved(house, file)[0] == 2


def test_only_what_names_requests_can_be_saved(house: House) -> None:
    done = house.run("audit", "show", "--save", house.folder / "help.json", "help")
    assert done.code == 1
    assert "Only what names requests can be saved" in done.text


def test_keys_from_elsewhere_are_said_to_be_wanted(house: House) -> None:
    file = answered(house, "state:open")
    assert "The keys came with it" in proved(house, file)[1]
    code, said = proved(house, file, "--vkey", house.vkey)
    assert code == 0
    assert "The keys came with it" not in said


def test_what_an_answer_states_is_something_to_hold_the_trail_to(house: House) -> None:
    done = house.run("audit", "show", "state:open")
    stated = done.text.splitlines()[-1].partition("up to ")[2]
    assert (
        f"It agrees with what was shown at #{stated[1:].split()[0]}"
        in house.verify("--against", stated).text
    )


def test_an_answer_from_after_an_erasure_is_whole_without_what_was_erased(house: House) -> None:
    before = answered(house, "somebody").rename(house.folder / "before.json")
    done = house.run("audit", "erase", "demo:id-vetoed", "--reason", "It was asked for.", "--yes")
    assert done.code == 0, done.text
    after = answered(house, "somebody")
    house.exported()
    with_values(house)
    code, said = proved(house, after)
    assert code == 0, said
    code, said = proved(house, before)
    assert code == 2, said
    assert "the words of 1 request are" in said
    assert "R-9" in before.read_text()
    assert "R-9" not in after.read_text()
