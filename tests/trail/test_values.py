"""The values in an export: given or not, always those that were sealed."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from .conftest import House

Lines = list[dict[str, Any]]


def exported(house: House, *words: object) -> Path:
    done = house.run("audit", "export", house.export, "--values", *words)
    assert done.code == 0, done.text
    return house.export / "openings.jsonl"


def lines(path: Path) -> Lines:
    return [json.loads(line) for line in path.read_text().splitlines()]


def rewritten(path: Path, said: Lines) -> None:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in said))


def test_the_values_are_those_of_the_database_but_identities(house: House) -> None:
    found = [tuple(line.values()) for line in lines(exported(house))]
    # as they were when it was made: the export's own entry comes after it
    kept = house.rows(
        "SELECT seq, field, salt, value FROM openings WHERE field NOT IN ('identity', 'names')"
        " AND seq < (SELECT max(seq) FROM entries) ORDER BY seq, field"
    )
    assert found == kept
    assert list(lines(exported(house))[0]) == ["seq", "field", "salt", "value"]
    assert stat.S_IMODE((house.export / "openings.jsonl").stat().st_mode) == 0o600
    assert [p.name for p in house.export.iterdir() if p.name.startswith(".")] == []


def test_giving_values_is_recorded_and_giving_none_is_not(house: House) -> None:
    ((before,),) = house.rows("SELECT count(*) FROM entries")
    house.exported()
    assert house.rows("SELECT count(*) FROM entries") == [(before,)]
    exported(house, "--redact", "id-vetoed")
    ((kind, value),) = house.rows(
        "SELECT kind, value FROM entries JOIN openings USING (seq) ORDER BY seq DESC LIMIT 1"
    )
    assert kind == "Exported"
    assert json.loads(str(value)) == {"text": "export --values --redact id-vetoed"}


def test_an_export_with_values_verifies_and_says_how_many_are_not_given(house: House) -> None:
    given = len(lines(exported(house)))
    done = house.verify(house.export)
    assert done.code == 0, done.text
    ((identities,),) = house.rows("SELECT count(*) FROM openings WHERE field = 'identity'")
    assert f"values: {given} are those that were sealed, {identities} were not given" in done.text


def test_without_values_none_is_left_from_before(house: House) -> None:
    path = exported(house)
    house.exported()
    assert not path.exists()
    assert "values:" not in house.verify(house.export).text


def test_they_are_written_whole_and_anew(house: House) -> None:
    """What was erased since is not left in an export that is gone on with."""
    path = exported(house)
    assert any("id-vetoed" in line["value"] for line in lines(path))
    exported(house, "--redact", "id-vetoed")
    assert not any("id-vetoed" in line["value"] for line in lines(path))


def changed(said: Lines) -> None:
    said[3]["value"] = said[3]["value"].replace("a", "b")


def resalted(said: Lines) -> None:
    said[3]["salt"] = "00" * 16


def spelled_otherwise(said: Lines) -> None:
    said[3]["salt"] = said[3]["salt"].upper()


def added(said: Lines) -> None:
    said.insert(4, said[3] | {"field": "zeal"})


def doubled(said: Lines) -> None:
    said.insert(4, dict(said[3]))


def of_no_entry(said: Lines) -> None:
    said.append(said[-1] | {"seq": 99_999})


def out_of_order(said: Lines) -> None:
    said.append(said.pop(0))


def no_salt(said: Lines) -> None:
    del said[3]["salt"]


def no_seq(said: Lines) -> None:
    said[3]["seq"] = "1"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (changed, "edited: openings.jsonl: the value"),
        (resalted, "edited: openings.jsonl: the value"),
        (spelled_otherwise, "edited: openings.jsonl: the value"),
        (added, "inserted: openings.jsonl: a value 'zeal'"),
        (doubled, "inserted: openings.jsonl: a value"),
        (of_no_entry, "inserted: openings.jsonl: what stands there of entry 99999"),
        (
            out_of_order,
            "inserted: openings.jsonl: what stands there of entry 1 is out of its order",
        ),
        (no_salt, "unreadable: openings.jsonl: its line 4"),
        (no_seq, "unreadable: openings.jsonl: its line 4"),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_a_value_that_was_not_sealed_is_found(house: House, change: Any, fault: str) -> None:
    path = exported(house)
    said = lines(path)
    change(said)
    rewritten(path, said)
    done = house.verify(house.export)
    assert done.code == 1
    assert fault in done.text


def test_a_missing_value_is_no_fault_and_counted(house: House) -> None:
    path = exported(house)
    said = lines(path)
    rewritten(path, said[1:])
    done = house.verify(house.export)
    assert done.code == 0, done.text
    assert f"values: {len(said) - 1} are those that were sealed" in done.text


def test_what_cannot_be_redacted_or_pseudonymised_is_refused_with_the_reason(house: House) -> None:
    for words, said in [
        (["--pseudonyms"], "another name would break"),
        (["--since", "7d"], "tiles are the whole trail"),
        (["--redact", "x"], "tiles have no values to leave out"),
        (["--format", "csv", "--values"], "--values is for tiles"),
    ]:
        done = house.run("audit", "export", house.export, *words)
        assert done.code == 2
        assert said in " ".join(done.text.split())
    done = house.run("audit", "export", house.export, "--values", "--redact", "nobody")
    assert done.code == 1
    assert "There is no request about 'nobody'" in done.text
    assert not house.export.exists()


@pytest.mark.parametrize(("redact", "code"), [((), 0), (("--redact", "id-vetoed"), 2)])
def test_an_answer_about_an_account_is_proved_complete_by_them(
    house: House, redact: tuple[str, ...], code: int
) -> None:
    answer = house.folder / "answer.json"
    assert house.run("audit", "show", "--save", answer, "account:vetoed").code == 0
    exported(house, *redact)
    done = house.run("audit", "prove-complete", answer, house.export)
    assert done.code == code, done.text
