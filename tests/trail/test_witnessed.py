"""Kept checkpoints that witnesses have cosigned, held against the database and against an export."""

from pathlib import Path

import pytest

from bot.audit import keys
from bot.ledger import note
from tests.anchors.witness import NOW, FakeWitness

from .conftest import ORIGIN, House

WITNESSES = [FakeWitness(f"w{n}.example/w") for n in (1, 2, 3)]


def cosign(kept: Path, *who: FakeWitness) -> Path:
    raw = kept.read_bytes()
    text = note.parse(raw).text.decode()
    kept.write_bytes(raw + "".join(w._cosigned(text) for w in who).encode())
    return kept


def policy(house: House, rule: str = "2", more: str = "") -> Path:
    path = house.folder / "witnesses"
    lines = "".join(f"witness w{n} {w.vkey}\n" for n, w in enumerate(WITNESSES, 1))
    path.write_text(f"{more}{lines}group g {rule} w1 w2 w3\nquorum g\n")
    return path


@pytest.fixture
def kept(house: House) -> Path:
    """What somebody kept, seen by two of three."""
    house.exported()
    return cosign(house.keep(), *WITNESSES[:2])


def test_cosignatures_are_left_alone_where_nobody_asks_for_them(house: House, kept: Path) -> None:
    for where in ((), (house.export,)):
        done = house.verify(*where, "--against", kept)
        assert done.code == 0, done.text
        assert f"It agrees with {kept}, over " in done.text


def test_a_checkpoint_that_enough_have_seen_says_so(house: House, kept: Path) -> None:
    said = (
        f"It agrees with {kept} (cosigned by 2 of 3 witnesses, the last at 2026-11-24T10:00:00Z),"
        " over "
    )
    assert NOW == 1_795_514_400
    for where in ((), (house.export,)):
        done = house.verify(*where, "--against", kept, "--witnesses", policy(house))
        assert done.code == 0, done.text
        assert said in done.text
        assert "held against nothing" not in done.text


def test_one_that_too_few_have_seen_is_not_believed(house: House, kept: Path) -> None:
    for where in ((), (house.export,)):
        done = house.verify(*where, "--against", kept, "--witnesses", policy(house, "all"))
        assert done.code == 1
        assert (
            f"bad signature: {kept}: it is cosigned by 2 of 3 witnesses; the policy asks for 1 more"
            " of w3"
        ) in done.text
        assert "It agrees with kept" not in done.text


def test_each_kept_checkpoint_has_to_have_been_seen(house: House, kept: Path) -> None:
    unseen = house.keep("unseen")
    done = house.verify("--against", kept, "--against", unseen, "--witnesses", policy(house))
    assert done.code == 1
    assert f"bad signature: {unseen}: it is cosigned by 0 of 3 witnesses" in done.text
    assert f"It agrees with {kept} (cosigned by 2 of 3" in done.text


def test_a_forged_cosignature_is_a_bad_signature(house: House, kept: Path) -> None:
    forger = FakeWitness("w3.example/w", mood="wrong-signature")
    cosign(kept, forger)
    assert house.verify("--against", kept).code == 0
    done = house.verify("--against", kept, "--witnesses", policy(house))
    assert done.code == 1
    assert "the cosignature of w3.example/w is not over this text" in done.text


def test_a_log_that_was_set_back_is_told_with_who_saw_more(house: House, kept: Path) -> None:
    house.tamper("DELETE FROM tree", "DELETE FROM entries")
    done = house.verify("--against", kept, "--witnesses", policy(house))
    assert done.code == 1
    assert "checkpoint ahead of the log" in done.text
    assert "(cosigned by 2 of 3 witnesses" in done.text


def test_a_policy_for_another_log_believes_nothing(house: House, kept: Path) -> None:
    (own,) = (key.public.vkey for key in house.signers)
    done = house.verify("--against", kept, "--witnesses", policy(house, more=f"log {own}\n"))
    assert done.code == 0, done.text
    other = keys.make(house.folder / "other", ORIGIN)
    done = house.verify("--against", kept, "--witnesses", policy(house, more=f"log {other.vkey}\n"))
    assert done.code == 1
    assert f"no log {ORIGIN} that the policy names signed it" in done.text


def test_a_time_that_no_calendar_has_is_told_all_the_same(
    house: House, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.anchors.witness.NOW", 2**63 - 1)
    cosign(kept, WITNESSES[2])
    done = house.verify("--against", kept, "--witnesses", policy(house))
    assert done.code == 0, done.text
    assert "cosigned by 3 of 3 witnesses, the last at 9999-12-31T23:59:59Z" in done.text


def test_a_policy_that_cannot_be_used_is_said_with_its_line(house: House, kept: Path) -> None:
    path = policy(house, "4")
    done = house.verify("--against", kept, "--witnesses", path)
    assert done.code == 2
    assert f"{path}: line 4: '4' of 3: write all, any, or a number from 1 to 3." in done.text
    path.write_text("quorum none\n")
    done = house.verify("--against", kept, "--witnesses", path)
    assert done.code == 2
    assert "asks for no witness" in done.text
    done = house.verify("--against", kept, "--witnesses", house.folder / "nowhere")
    assert done.code == 2
    assert "nowhere: No such file" in done.text
    done = house.verify("--witnesses", policy(house))
    assert done.code == 2
    assert "Give a kept checkpoint by --against" in done.text
