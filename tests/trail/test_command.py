"""keygen, export and verify as people type them."""

import stat
from pathlib import Path

import pytest

from bot.audit import keys
from bot.ledger import tiles
from bot.ledger.checkpoint import Checkpoint, short
from bot.ledger.note import PublicKey, rebase64
from bot.ledger.tree import EMPTY
from tests.audit.trail import Trail

from .conftest import ORIGIN, House


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# --- keys ---------------------------------------------------------------------------------------------


def test_keygen_makes_a_file_that_nobody_else_reads_and_prints_the_public_half(
    house: House,
) -> None:
    path = house.folder / "new"
    done = house.run("keygen", path)
    assert done.code == 0
    assert PublicKey.read(done.text.strip()).name == ORIGIN
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().startswith("PRIVATE+KEY+")
    assert "PRIVATE" not in done.text


def test_keygen_overwrites_nothing(house: House) -> None:
    before = house.key.read_bytes()
    done = house.run("keygen", house.key)
    assert done.code == 1
    assert "exists, and is not overwritten" in done.text
    assert house.key.read_bytes() == before
    assert house.run("keygen", house.folder / "no" / "where").code == 1


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        ("", 0o600, "has no key"),
        ("rubbish\n", 0o600, "no file of signing keys"),
        (b"\xff", 0o600, "no file of signing keys"),
        (None, 0o644, "can be read by others. Run: chmod 600"),
        ("other", 0o600, "a key of the log other, and NOLONE_ORIGIN is example.org/trail"),
        ("gone", 0o600, "No such file"),
    ],
)
def test_a_key_file_that_cannot_be_used_is_said_with_the_remedy(
    house: House, content: str | bytes | None, mode: int, said: str
) -> None:
    if content == "other":
        house.key.unlink()
        keys.make(house.key, "other")
    elif isinstance(content, bytes):
        house.key.write_bytes(content)
    elif content is not None:
        house.key.write_text(content)
    house.key.chmod(mode)
    if content == "gone":
        house.key.unlink()
    done = house.run("audit", "export", house.export)
    assert done.code == 2
    assert said in done.text
    assert not house.export.exists()


def test_without_a_key_nothing_is_exported(house: House) -> None:
    done = house.run("audit", "export", house.export, key="")
    assert done.code == 2
    assert "NOLONE_SIGNING_KEY_FILE is not set" in done.text


def test_both_keys_sign_while_one_is_changed_for_the_other(house: House) -> None:
    house.exported()
    old_vkey = house.keep()
    old_vkey.write_bytes(house.vkey.read_bytes())
    new = house.folder / "new"
    house.run("keygen", new)
    # not at once: whoever knows only the old key could not follow
    refused = house.run("audit", "export", house.export, key=new)
    assert refused.code == 2
    assert "While a key is changed, both have to sign once." in refused.text
    both = house.folder / "both"
    both.write_text(house.key.read_text() + new.read_text())
    both.chmod(0o600)
    assert house.run("audit", "export", house.export, key=both).code == 0
    assert house.verify(house.export, "--vkey", old_vkey).code == 0
    house.run("audit", "show", "R-1")
    assert house.run("audit", "export", house.export, key=new).code == 0
    assert house.verify(house.export).code == 0
    found = house.verify(house.export, "--vkey", old_vkey)
    assert found.code == 1
    assert "no key that is known here signed it" in found.text


# --- export -------------------------------------------------------------------------------------------


def test_an_export_is_as_the_formats_have_it(house: House) -> None:
    made = files(house.exported())
    ((size,),) = house.rows("SELECT count(*) FROM entries")
    ((requests,),) = house.rows("SELECT count(*) FROM requests")
    assert set(made) == {
        "checkpoint",
        "vkey",
        f"tile/0/000.p/{size}",
        f"tile/entries/000.p/{size}",
        *(f"proof/R-{n}.tlog-proof" for n in range(1, int(str(requests)) + 1)),
    }
    bodies = [body for (body,) in house.rows("SELECT body FROM entries ORDER BY seq")]
    assert tiles.unpack(made[f"tile/entries/000.p/{size}"]) == bodies
    assert made["vkey"] == keys.text([k.public for k in house.signers])


def test_nothing_that_is_sealed_is_exported(house: House) -> None:
    whole = b"".join(files(house.exported()).values())
    for (value,) in house.rows("SELECT value FROM openings WHERE length(value) > 8"):
        assert str(value).encode() not in whole


async def test_an_export_goes_on_where_it_ended(tmp_path: Path) -> None:
    """Over the edge of a tile: what comes in parts is what comes at once."""
    house = House(tmp_path)
    keys.make(house.key, ORIGIN)
    trail = Trail(house.database)
    for n in range(90):
        await trail.filed(f"account{n}")
    done = house.run("audit", "export", house.export)
    assert "90 entries, 90 of them new" in done.text
    assert house.run("audit", "export", house.export).text.endswith("proofs written: 0\n")
    early = house.keep("early")
    for n in range(90, 300):
        await trail.filed(f"account{n}")
        if n == 200:
            house.exported()
    late = house.exported()
    assert not (late / "tile/0/000.p").exists()  # it is whole now
    once = house.exported(house.folder / "once")
    trail.close()
    in_parts, at_once = files(late), files(once)
    old = {f"proof/R-{n}.tlog-proof" for n in range(1, 202)}  # those are under an earlier head
    assert {k: v for k, v in in_parts.items() if k not in old} == {
        k: v for k, v in at_once.items() if k not in old
    }
    found = house.verify(late, "--against", early)
    assert found.code == 0, found.text
    assert "300 entries verified" in found.text
    assert f"It agrees with {early}, over 90 entries." in found.text
    assert "held against nothing" not in found.text


def test_a_trail_without_entries_is_exported_beside_the_running_bot(tmp_path: Path) -> None:
    house = House(tmp_path)
    keys.make(house.key, ORIGIN)
    trail = Trail(house.database)
    assert house.run("audit", "export", house.export).text.startswith(f"{house.export}: 0 entries")
    assert house.verify().code == 0
    assert house.verify(house.export).code == 0
    trail.close()


def test_an_interrupted_export_is_one_and_can_be_gone_on_with(house: House) -> None:
    house.export.mkdir()
    head = Checkpoint(ORIGIN, 0, EMPTY)
    (house.export / "checkpoint").write_bytes(head.sign(house.signers))
    bundle = house.export / "tile/entries/000.p/3"
    bundle.parent.mkdir(parents=True)
    bundle.write_bytes(b"half of it")
    house.exported()
    assert house.verify(house.export).code == 0


def test_a_folder_with_something_else_in_it_is_left_alone(house: House) -> None:
    house.export.mkdir()
    (house.export / "letter.txt").write_text("Dear")
    done = house.run("audit", "export", house.export)
    assert done.code == 2
    assert "is not empty, and no export" in done.text
    assert set(files(house.export)) == {"letter.txt"}


def test_another_logs_export_is_left_alone(house: House, tmp_path: Path) -> None:
    house.exported()
    before = files(house.export)
    other = tmp_path / "other"
    house.run("keygen", other)
    done = house.run("audit", "export", house.export, key=other)
    assert done.code == 2
    assert "no key that is known here signed it" in done.text
    assert files(house.export) == before
    house.export.joinpath("checkpoint").write_text("Dear")
    assert "no export of this log" in house.run("audit", "export", house.export).text


def test_a_place_that_cannot_be_written_to_is_named(house: House) -> None:
    house.export.write_text("a file")
    done = house.run("audit", "export", house.export)
    assert done.code == 2
    assert str(house.export) in done.text


def test_a_tree_that_is_not_the_entries_is_not_signed(house: House) -> None:
    house.tamper("UPDATE entries SET body = CAST('{}' AS BLOB) WHERE seq = 5")
    done = house.run("audit", "export", house.export)
    assert done.code == 1
    assert "are not those in the tree. Nothing was signed" in done.text
    assert house.export.joinpath("checkpoint").read_text().split("\n")[1] == "0"


# --- verify -------------------------------------------------------------------------------------------


def test_the_trail_can_be_held_to_what_a_card_showed(house: House) -> None:
    house.exported()
    root = house.rows("SELECT hash FROM tree WHERE level = 2 AND idx = 0")[0][0]
    assert isinstance(root, bytes)
    for shown in (
        f"#4 · root {short(root)}",
        f"4·root{rebase64(root)}",
        f" 4 · root {rebase64(root)[:18]} ",
    ):
        done = house.run("audit", "verify", "--against", shown, key="")  # nobody signed it
        assert (done.code, "It agrees with what was shown at #4" in done.text) == (0, True)
        assert house.verify(house.export, "--against", shown).code == 0
    other = f"#4 · root {short(root[:8] + bytes([root[8] ^ 1]))}"
    for done in (house.verify("--against", other), house.verify(house.export, "--against", other)):
        assert done.code == 1
        assert "forked: what was shown at #4 is over 4 entries" in done.text
    assert house.verify("--against", f"#4 · root {short(root)[:11]}").code == 2  # too short for one
    assert "checkpoint ahead" in house.verify("--against", f"#4000 · root {short(root)}").text


def test_what_cannot_be_found_out_is_neither_right_nor_wrong(house: House) -> None:
    assert house.verify(house.folder / "nowhere").code == 2
    assert house.verify("--against", house.folder / "nowhere").code == 2
    house.exported()
    kept = house.keep()
    done = house.run("audit", "verify", "--against", kept, key="")
    assert done.code == 2
    assert "NOLONE_SIGNING_KEY_FILE is not set" in done.text
    done = house.run("audit", "verify", "--against", kept, "--vkey", house.vkey, key="")
    assert done.code == 0
    empty = house.folder / "empty"
    empty.write_text("")
    assert house.verify(house.export, "--vkey", empty).code == 2
    empty.write_text("rubbish")
    assert house.verify(house.export, "--vkey", empty).code == 2
    several = house.folder / "several"
    other = house.folder / "other"
    several.write_text(house.vkey.read_text() + keys.make(other, "other").vkey)
    done = house.verify(house.export, "--vkey", several)
    assert done.code == 2
    assert "keys of several logs" in done.text
    house.database.write_bytes(b"not a database" * 100)
    assert house.verify().code == 2


def test_a_letter_is_no_checkpoint(house: House) -> None:
    house.exported()
    letter = house.folder / "letter"
    letter.write_text("Dear")
    done = house.verify(house.export, "--against", letter)
    assert done.code == 1
    assert f"bad signature: {letter}: a note is a text" in done.text


def test_the_root_is_the_checkpoints(house: House) -> None:
    house.exported()
    root = (house.export / "checkpoint").read_text().split("\n")[2]
    assert f"root {root}" in house.verify().text
    assert f"root {root}" in house.verify(house.export).text


# --- what the anchors give back -----------------------------------------------------------------------


@pytest.fixture
def shelf(house: House, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an anchor that keeps a checkpoint over all there is."""
    shelf = house.folder / "shelf"
    (shelf / "2026-11-24").mkdir(parents=True)
    house.exported()
    size = (house.export / "checkpoint").read_text().split("\n")[1]
    house.keep(f"shelf/2026-11-24/{size}")
    monkeypatch.setenv("NOLONE_ANCHORS", "directory")
    monkeypatch.setenv("ANCHOR_DIRECTORY_PATH", str(shelf))
    return shelf


def test_the_database_is_held_against_what_its_anchors_give_back(house: House, shelf: Path) -> None:
    done = house.verify()
    assert done.code == 0
    assert "It agrees with what directory keeps, over" in done.text
    assert "held against nothing" not in done.text
    last = house.rows("SELECT max(seq) FROM entries")[0][0]
    house.tamper(
        f"DELETE FROM openings WHERE seq = {last}",
        f"DELETE FROM entries WHERE seq = {last}",
        f"DELETE FROM tree WHERE (idx + 1) << level >= {last}",
    )
    done = house.verify()
    assert done.code == 1
    assert "checkpoint ahead of the log: what directory keeps is over" in done.text


def test_an_anchor_that_cannot_be_read_is_said_and_is_no_fault_of_the_trail(
    house: House, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANCHOR_DIRECTORY_PATH", str(shelf / "gone"))
    done = house.verify()
    assert done.code == 0
    assert "directory: it could not be read" in done.text


def test_anchors_need_a_key_to_be_believed_by(house: House, shelf: Path) -> None:
    done = house.run("audit", "verify", key="")
    assert done.code == 2
    assert "NOLONE_SIGNING_KEY_FILE is not set" in done.text
    assert house.run("audit", "verify", "--vkey", house.vkey, key="").code == 0
