"""Exports as files on the machine, and who stands behind the names in one, as people type it."""

import csv
import hashlib
import json
import re
import stat
from pathlib import Path

import pytest

from bot.core.events import Exported, Unmasked
from bot.store import ledger
from bot.store.sqlite import SqliteVisit
from tests.audit.trail import AGENT, ANN, BOB

from .conftest import House, Said


def export(house: House, *words: object, to: str = "file") -> tuple[Said, Path]:
    path = house.folder / to
    done = house.run("audit", "export", path, *words)
    return done, path


def recorded(house: House) -> list[tuple[int, Exported | Unmasked]]:
    visit = SqliteVisit(house.database)
    found = visit.look(lambda tx: ledger.events(tx, ledger.AUDIT))
    visit.close()
    return [(seq, e) for seq, e in found if isinstance(e, Exported | Unmasked)]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_file_is_made_and_recorded_with_its_digest(house: House, form: str) -> None:
    ((before,),) = house.rows("SELECT count(*) FROM entries")
    done, path = export(house, "--format", form)
    assert done.code == 0, done.text
    ((seq, event),) = recorded(house)
    assert isinstance(event, Exported)
    assert event.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert event.by.startswith("host:")
    assert (event.format, event.query.open.text) == (form, f"export format:{form}")
    assert (event.size, event.entries, seq) == (before, before, int(str(before)) + 1)
    for said in (event.digest, event.root, f"entry {seq}"):
        assert said in done.text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(text.splitlines())) if form == "csv" else text.splitlines()
    assert len(rows) == before


def test_times_are_those_of_audit(house: House) -> None:
    done, path = export(
        house, "--format", "jsonl", "--since", "2026-11-24", "--until", "2026-11-25"
    )
    assert done.code == 0, done.text
    ((_, event),) = recorded(house)
    assert isinstance(event, Exported)
    assert event.since is not None
    assert event.until == event.since + 2 * 24 * 3_600_000
    assert path.exists()
    done, path = export(house, "--format", "csv", "--since", "sevn", to="other")
    assert done.code == 1
    assert "since: takes an age" in done.text
    assert not path.exists()


def test_nothing_is_overwritten(house: House) -> None:
    before = house.database.read_bytes()
    done = house.run("audit", "export", house.database, "--format", "csv")
    assert done.code == 2
    assert "exists, and is not overwritten" in done.text
    assert house.database.read_bytes() == before
    assert recorded(house) == []


def test_what_could_not_be_recorded_is_not_there(house: House) -> None:
    with_trigger = "CREATE TRIGGER no BEFORE INSERT ON entries BEGIN SELECT raise(ABORT, 'no'); END"
    house.tamper(with_trigger)
    with pytest.raises(AssertionError, match="no"):  # what SQLite says to a broken database
        export(house, "--format", "jsonl")
    assert sorted(p.name for p in house.folder.iterdir() if "file" in p.name) == []


def test_a_place_that_cannot_be_written_to_is_named(house: House) -> None:
    done, path = export(house, "--format", "jsonl", to="no/where")
    assert done.code == 2
    assert str(path) in done.text
    assert recorded(house) == []


def test_a_redacted_file_is_recorded_as_one(house: House) -> None:
    done, path = export(house, "--format", "jsonl", "--redact", "id-vetoed", "--redact", "@open")
    assert done.code == 0, done.text
    assert "id-vetoed" not in path.read_text()
    assert "id-open" not in path.read_text()
    ((_, event),) = recorded(house)
    assert isinstance(event, Exported)
    assert event.query.open.text == "export format:jsonl --redact id-vetoed --redact @open"


# --- who is who ------------------------------------------------------------------------------------------


def pseudonymised(house: House, to: str = "file") -> tuple[str, list[dict[str, object]]]:
    """The seq of the export, and its lines."""
    done, path = export(house, "--format", "jsonl", "--pseudonyms", to=to)
    assert done.code == 0, done.text
    found = re.search(r"nolone audit unmask (\d+) NAME", done.text)
    assert found
    return found[1], [json.loads(line) for line in path.read_text().splitlines()]


def approver(lines: list[dict[str, object]]) -> str:
    return next(str(line["actor"]) for line in lines if line["kind"] == "Approved")


def test_a_name_is_unmasked_once_that_is_recorded_with_its_reason(house: House) -> None:
    seq, lines = pseudonymised(house)
    name = approver(lines)
    done = house.run("audit", "unmask", seq, name, "--reason", "A complaint.")
    assert (done.code, done.text) == (0, f"{ANN}\n")
    *_, (_, event) = recorded(house)
    assert isinstance(event, Unmasked)
    assert (event.export, event.name) == (int(seq), name)
    assert event.reason.open.text == "A complaint."
    assert event.by.startswith("host:")


def test_another_exports_names_are_others(house: House) -> None:
    found = set()
    for n in range(9):
        seq, lines = pseudonymised(house, to=f"file{n}")
        agent = next(str(line["actor"]) for line in lines if line["kind"] == "Filed")
        assert house.run("audit", "unmask", seq, agent, "--reason", "x").text == f"{AGENT}\n"
        found.add((approver(lines), len(lines)))
    assert len({name for name, _ in found}) > 1


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["9999", "reviewer-1", "--reason", "x"], "Entry 9999 of the trail is no export.", 1),
        (["1", "reviewer-1", "--reason", "x"], "Entry 1 of the trail is no export.", 1),
        (["SEQ", "reviewer-99", "--reason", "x"], "Nobody is called reviewer-99", 1),
        (["SEQ", ANN, "--reason", "x"], f"Nobody is called {ANN}", 1),
        (["SEQ", "reviewer-1", "--reason", " "], "Say why", 1),
        (["SEQ", "reviewer-1"], "--reason", 2),
    ],
)
def test_what_cannot_be_unmasked_is_refused_and_nothing_told(
    house: House, words: list[str], said: str, code: int
) -> None:
    seq, _ = pseudonymised(house)
    before = len(recorded(house))
    done = house.run("audit", "unmask", *(seq if word == "SEQ" else word for word in words))
    assert done.code == code
    assert said in done.text
    assert BOB not in done.text
    assert len(recorded(house)) == before


def test_an_export_that_shows_people_has_no_names_to_unmask(house: House) -> None:
    export(house, "--format", "jsonl")
    ((seq, _),) = recorded(house)
    done = house.run("audit", "unmask", seq, "reviewer-1", "--reason", "x")
    assert done.code == 1
    assert "shows people as they are" in done.text


def test_who_is_who_stands_sealed_in_the_trail_and_in_no_later_export(house: House) -> None:
    seq, lines = pseudonymised(house)
    ((value,),) = house.rows("SELECT value FROM openings WHERE field = 'names'")
    assert [approver(lines), ANN] in json.loads(str(value))["people"]
    _, path = export(house, "--format", "jsonl", to="later")
    line = [json.loads(one) for one in path.read_text().splitlines()][-1]
    assert (line["seq"], line["kind"]) == (int(seq), "Exported")
    assert line["data"]["names"] is None
    assert "names" in line["sealed"]
    house.run("audit", "export", house.export, "--values")
    assert '"names"' not in (house.export / "openings.jsonl").read_text()
    assert house.verify().code == 0
