"""Exports for people: what is in them, what is left out, and who appears under which name."""

import csv
import hashlib
import io
import json
import re
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.audit.exporting import Made, entries, zipped
from bot.audit.formats import jsonl, table
from bot.audit.people import LeftOut, NoSuchSubject, Shown, iso, left_out, shown
from bot.audit.pseudonyms import Masks, names
from bot.core.commands import AdoptPolicy, Query, Start, Veto
from bot.core.policy import Group
from bot.core.request import Request
from bot.ledger.entry import leaf_hash
from bot.ledger.note import SigningKey
from bot.store.erase import Several
from bot.store.opened import Between
from bot.store.trail import Trail as Log

from .trail import AGENT, ANN, BOB, HOUR, LEE, MANAGER, OTHER_AGENT, POLICY, START, Trail

SECRET, OTHER = b"\x01" * 32, b"\x02" * 32
IDS = (AGENT, OTHER_AGENT, MANAGER, ANN, BOB, LEE)


def size(trail: Trail) -> int:
    return trail.store.run_now(lambda tx: Log(tx).size)


def written(
    trail: Trail,
    form: Any = "jsonl",
    *,
    since: int | None = None,
    until: int | None = None,
    redact: tuple[str, ...] = (),
    secret: bytes | None = None,
    of: int | None = None,
) -> tuple[Made, bytes]:
    """A file, and what it is said to be."""
    file = io.BytesIO()
    between = Between(of or size(trail), since, until)
    made = trail.store.run_now(
        lambda tx: entries(tx, form, between, left_out(tx, redact), file, secret)
    )
    return made, file.getvalue()


def lines(raw: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in raw.splitlines()]


def rows(raw: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline="")))


def of_kind(said: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(line for line in said if line["kind"] == kind)


async def busy(trail: Trail) -> None:
    """Something of everything, with people named in every way there is."""
    await trail.one_in_every_phase()
    await trail.restored(await trail.executed(handle="again2"))
    await trail.filed("named", what=f"<@{BOB}|bob> and u02ann say so, ask {LEE}; (x{ANN}y)")
    await trail.give(Veto(ANN, "R-15", f"<@{LEE}> says no."))
    for text in (f"by:{AGENT.lower()}", f"reviewer:<@{BOB}|bob>", "by:U0STRANGER", "export"):
        await trail.engine.handle(Query(MANAGER, text, 1))
    await trail.engine.handle(Query("host:root", "stats", 0))
    await reopened(trail)
    new = {"trust-safety": Group(usergroup="S01TS"), "legal": group(LEE, "U77NEW", "U66NEW")}
    people = POLICY.people.model_copy(update={"agents": group(OTHER_AGENT), "reviewers": new})
    await trail.engine.handle(AdoptPolicy(POLICY.model_copy(update={"people": people})))


def group(*users: str) -> Group:
    return Group(users=frozenset(users))


async def reopened(trail: Trail) -> Request:
    """A request whose quorum is gone: the bot's own text names who does not count any more."""
    ready = await trail.ready(handle="moved")
    trail.people.in_group = frozenset({BOB})
    trail.engine.forget_group("S01TS")
    return await trail.give(Start(ready.id))


# --- jsonl -------------------------------------------------------------------------------------


async def test_a_line_is_an_entry_with_its_values_opened(trail: Trail) -> None:
    await trail.filed("mallory", ticket="T-9")
    made, raw = written(trail)
    filed = of_kind(lines(raw), "Filed")
    assert list(filed) == [
        *("seq", "at", "stream", "version", "kind", "actor", "data", "sealed", "leaf"),
    ]
    assert (filed["seq"], filed["stream"], filed["version"]) == (2, "R-1", 1)
    assert (filed["at"], filed["actor"]) == ("2026-11-24T10:00:00.000Z", AGENT)
    assert filed["data"]["grounds"]["ticket"] == "T-9"
    assert filed["data"]["snapshot"]["handle"] == "mallory"
    assert filed["data"]["reason"] == "impersonation"
    (row,) = trail.store.run_now(lambda tx: tx.query("SELECT body FROM entries WHERE seq = 2"))
    assert filed["leaf"] == leaf_hash(row["body"]).hex()
    assert made.entries == made.size == 2
    assert made.digest == hashlib.sha256(raw).hexdigest()
    assert made.length == len(raw)


async def test_it_is_the_same_bytes_whenever_it_is_made_of_the_same_trail(trail: Trail) -> None:
    await trail.one_in_every_phase()
    before = {form: written(trail, form) for form in ("jsonl", "csv")}
    of = size(trail)
    await trail.filed("later")
    for form, (made, raw) in before.items():
        assert written(trail, form, of=of) == (made, raw)
        assert written(trail, form)[1] != raw


async def test_what_makes_accounts_one_person_is_in_no_export(trail: Trail) -> None:
    await trail.approved(await trail.filed())
    for form in ("jsonl", "csv"):
        _, raw = written(trail, form)
        for (value,) in trail.store.run_now(
            lambda tx: list(tx.each("SELECT salt FROM openings WHERE field = 'identity'"))
        ):
            assert value.encode() not in raw
    said = lines(written(trail)[1])
    for kind in ("Filed", "Approved"):
        line = of_kind(said, kind)
        assert line["data"]["identity"] is None
        assert re.fullmatch("[0-9a-f]{64}", line["sealed"]["identity"])


async def test_an_erased_value_is_null_with_its_commitment(trail: Trail) -> None:
    await trail.filed("mallory")
    before = of_kind(lines(written(trail)[1]), "Filed")
    trail.store.run_now(
        lambda tx: tx.execute("DELETE FROM openings WHERE seq = 2 AND field = 'grounds'")
    )
    (row,) = trail.store.run_now(lambda tx: tx.query("SELECT body FROM entries WHERE seq = 2"))
    after = of_kind(lines(written(trail)[1]), "Filed")
    assert before["data"]["grounds"] is not None
    assert after["data"]["grounds"] is None
    assert after["sealed"]["grounds"] == json.loads(row["body"])["data"]["grounds"]["sealed"]
    assert after["data"]["snapshot"]["handle"] == "mallory"
    assert after["leaf"] == before["leaf"]


async def test_since_is_included_and_until_is_not(trail: Trail) -> None:
    await trail.filed("a")
    trail.clock.skip(HOUR)
    await trail.filed("b")
    trail.clock.skip(HOUR)
    await trail.filed("c")
    made, raw = written(trail, since=START + HOUR, until=START + 2 * HOUR)
    assert [line["stream"] for line in lines(raw)] == ["R-2"]
    assert (made.entries, made.size) == (1, 4)
    assert written(trail, since=START + HOUR + 1)[0].entries == 1


def test_an_instant_is_told_to_the_millisecond() -> None:
    assert iso(1_795_514_400_007) == "2026-11-24T10:00:00.007Z"


# --- csv ---------------------------------------------------------------------------------------


async def test_a_row_is_an_entry_and_a_part_of_a_value_is_a_column(trail: Trail) -> None:
    await trail.filed("mallory", what='She said "no",\nand left.')
    await trail.give(Veto(ANN, "R-1", "No."))
    made, raw = written(trail, "csv")
    assert raw.startswith(b"\xef\xbb\xbfseq,at,stream,version,kind,actor,")
    assert raw.count(b"\r\n") == made.entries + 1
    found = rows(raw)
    assert [row["kind"] for row in found] == ["PolicyAdopted", "Filed", "Vetoed"]
    assert found[1]["grounds.what_happened"] == 'She said "no",\nand left.'
    assert (found[1]["snapshot.followers"], found[1]["subject.id"]) == ("10", "id-mallory")
    assert found[2]["reason.text"] == "No."
    assert found[2]["grounds.what_happened"] == ""
    assert found[1]["leaf"] == of_kind(lines(written(trail)[1]), "Filed")["leaf"]


FORMULAS = [
    *('=HYPERLINK("https://evil.example")', "+1+1", "-2+3", "@SUM(1)", "\t=1", "\r=1"),
    *("＝1+1", "＋1", "－1", "＠SUM(1)", "\n=1"),
]


@pytest.mark.parametrize("formula", FORMULAS)
async def test_no_cell_is_a_formula(trail: Trail, formula: str) -> None:
    await trail.filed("m", id=formula, what=formula, ticket=formula, clause=formula)
    found = rows(written(trail, "csv")[1])[1]
    for column in ("grounds.what_happened", "grounds.ticket", "grounds.clause", "subject.id"):
        assert found[column] == f"'{formula}"


def entry(data: dict[str, Any]) -> Shown:
    return Shown(1, "at", "R-1", 1, "Filed", "U1", data, {}, None)


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=4))
def test_what_a_table_says_can_be_read_back(cells: dict[str, str]) -> None:
    file = io.BytesIO()
    table(lambda: [entry({"x": cells})], file)
    (head, row) = csv.reader(io.StringIO(file.getvalue().decode("utf-8-sig"), newline=""))
    said = dict(zip(head, row, strict=True))
    for name, value in cells.items():
        found = said[f"x.{name}"]
        assert found in (value, f"'{value}")
        assert not found.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


# --- leaving out -------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["id-vetoed", "demo:id-vetoed", "@vetoed", "Vetoed"])
async def test_of_a_redacted_subject_no_value_is_given(trail: Trail, by: str) -> None:
    await trail.one_in_every_phase()
    await trail.engine.handle(Query(MANAGER, "account:@VETOED", 1))
    await trail.engine.handle(Query(MANAGER, "state:vetoed", 1))
    await trail.filed("friend", what="A friend of @vetoed, whom we know.")
    whole, part = lines(written(trail)[1]), lines(written(trail, redact=(by,))[1])
    assert len(part) == len(whole)
    (stream,) = {line["stream"] for line in whole if line["kind"] == "Vetoed"}
    for before, after in zip(whole, part, strict=True):
        assert before["leaf"] == after["leaf"]
        if after["stream"] == stream:
            opened = {k for k in before["data"] if before["data"][k] != after["data"][k]}
            assert opened <= after["sealed"].keys()
            assert not any(isinstance(after["data"].get(k), dict) for k in after["sealed"])
    raw = written(trail, redact=(by,))[1].lower()
    assert b"id-vetoed" not in raw
    assert b"@vetoed" not in raw
    queries = [line["data"]["query"] for line in part if line["kind"] == "Queried"]
    assert queries == [None, None]  # the second could be meant too: rather one too many
    assert part[-1]["data"]["grounds"] is None
    assert part[-1]["data"]["snapshot"]["handle"] == "friend"
    assert b"id-withdrawn" in raw


async def test_a_name_within_a_longer_word_is_another(trail: Trail) -> None:
    await trail.filed("ann", id="7")
    await trail.filed("hannah", id="77", what="Hannah is no other.")
    part = lines(written(trail, redact=("7",))[1])
    assert part[1]["data"]["grounds"] is None
    assert part[2]["data"]["grounds"]["what_happened"] == "Hannah is no other."


async def test_a_handle_that_several_had_is_not_taken_for_one_of_them(trail: Trail) -> None:
    await trail.filed("mallory", id="1001")
    await trail.give(Veto(ANN, "R-1", "No."))
    await trail.filed("mallory", id="1002")
    with pytest.raises(Several):
        written(trail, redact=("@mallory",))


async def test_an_unknown_subject_is_not_taken_for_nobody(trail: Trail) -> None:
    await trail.filed()
    with pytest.raises(NoSuchSubject, match="no request about 'nobody'"):
        written(trail, redact=("id-mallory", "nobody"))


# --- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["jsonl", "csv"])
async def test_nobodys_id_is_in_a_pseudonymised_file(trail: Trail, form: str) -> None:
    await busy(trail)
    made, raw = written(trail, form, secret=SECRET)
    low = raw.decode().lower()
    everybody = {*IDS, "U77NEW", "U66NEW", "U0STRANGER"}
    for id in everybody:
        assert id.lower() in written(trail, form)[1].decode().lower()  # it was there to be found
        assert id.lower() not in low
    assert "host:root" not in low
    assert "|bob" not in low
    assert made.names is not None
    assert {id for _, id in made.names} == {*everybody, "host:root"}


async def test_a_person_has_one_name_everywhere_by_what_they_are(trail: Trail) -> None:
    await busy(trail)
    made, raw = written(trail, secret=SECRET)
    assert made.names is not None
    name = {id: name for name, id in made.names}
    assert len(set(name.values())) == len(name)
    roles = {AGENT: "agent", MANAGER: "manager", ANN: "reviewer", LEE: "reviewer"}
    roles |= {"U77NEW": "reviewer", "U0STRANGER": "person", "host:root": "host"}
    for id, role in roles.items():
        assert re.fullmatch(rf"{role}-[1-9]", name[id])
    said = lines(raw)
    assert of_kind(said, "Filed")["actor"] == name[AGENT]
    assert of_kind(said, "Approved")["actor"] == name[ANN]
    assert of_kind(said, "QuorumReached")["data"]["counted"] == [name[ANN]]
    groups = dict(of_kind(said, "Filed")["data"]["electorate"])
    assert groups == {"legal": [name[LEE]], "trust-safety": sorted([name[ANN], name[BOB]])}
    named = next(line for line in said if line["data"].get("request") == "R-15")
    assert named["data"]["grounds"]["what_happened"] == (
        f"{name[BOB]} and {name[ANN]} say so, ask {name[LEE]}; (x{name[ANN]}y)"
    )
    queries = [line["data"]["query"]["text"] for line in said if line["kind"] == "Queried"]
    assert queries == [
        *(f"by:{name[AGENT]}", f"reviewer:{name[BOB]}", f"by:{name['U0STRANGER']}"),
        *("export", "stats"),
    ]
    policy = said[-1]["data"]["policy"]["people"]
    assert policy["agents"]["users"] == [name[OTHER_AGENT]]
    assert said[-1]["kind"] == "PolicyAdopted"


async def test_a_text_of_the_bots_own_names_people_by_their_names(trail: Trail) -> None:
    assert (await reopened(trail)).round == 2
    plain = of_kind(lines(written(trail)[1]), "Reopened")["data"]["why"]["text"]
    made, raw = written(trail, secret=SECRET)
    name = {id: name for name, id in made.names or ()}
    told = of_kind(lines(raw), "Reopened")["data"]["why"]["text"]
    assert f"<@{ANN}>" in plain
    assert told == plain.replace(f"<@{ANN}>", name[ANN])


async def test_another_export_gives_other_names(trail: Trail) -> None:
    await trail.engine.handle(Query(MANAGER, "x", 0))
    for n in range(12):
        await trail.filed(f"a{n}", by=(AGENT, OTHER_AGENT)[n % 2])
    found = set()
    for n in range(40):
        made, _ = written(trail, secret=n.to_bytes(32, "big"))
        assert made.names is not None
        found.add(
            tuple({id: name for name, id in made.names}.get(id) for id in (AGENT, OTHER_AGENT))
        )
    assert len(found) > 1
    first = {names[0] for names in found}
    assert first == {"agent-1", "agent-2"}  # nobody is the first because they were, or by their id
    assert written(trail, secret=SECRET) == written(trail, secret=SECRET)


async def test_a_list_of_people_tells_nothing_of_their_ids(trail: Trail) -> None:
    """It stands in the order of ids where it was written."""
    await trail.filed()
    for n in range(30):
        _, raw = written(trail, secret=n.to_bytes(32, "big"))
        for _, members in of_kind(lines(raw), "Filed")["data"]["electorate"]:
            assert members == sorted(members)


async def test_added_people_are_told_in_the_order_of_their_names(trail: Trail) -> None:
    await busy(trail)
    for n in range(20):
        _, raw = written(trail, secret=n.to_bytes(32, "big"))
        said = lines(raw)[-1]["data"]["changes"]["text"]
        found = re.findall(r"(reviewer-\d+), (reviewer-\d+)", said)
        assert found
        assert all(a < b for a, b in found)


async def test_nothing_in_it_lets_ids_be_tried_out(trail: Trail) -> None:
    """Leaf hashes and digests cover ids: with them, every guess could be checked."""
    await busy(trail)
    plain, masked = written(trail)[1].decode(), written(trail, secret=SECRET)[1].decode()
    sealed = {v for line in lines(masked.encode()) for v in line.get("sealed", {}).values()}
    digests = re.compile("[0-9a-f]{64}")
    kept = set(digests.findall(masked)) & set(digests.findall(plain))
    assert kept <= sealed  # commitments under random salts, of values that are not in it
    assert '"leaf"' not in masked
    assert POLICY.digest in plain
    assert POLICY.digest not in masked
    filed = of_kind(lines(masked.encode()), "Filed")["data"]
    approved = of_kind(lines(masked.encode()), "Approved")["data"]
    assert re.fullmatch("[0-9a-f]{64}", filed["digest"])
    later = [line["data"] for line in lines(masked.encode()) if line["kind"] == "Filed"]
    assert approved["digest"] in {data["digest"] for data in later}  # still the same to each other


ID = st.builds(
    "{}{}{}".format,
    st.sampled_from("UW"),
    st.integers(0, 9),
    st.text("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789", min_size=7, max_size=9),
)
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(ID, min_size=2, max_size=6, unique=True),
    st.data(),
)
def test_wherever_an_id_stands_it_is_masked(ids: list[str], data: st.DataObject) -> None:
    piece = st.one_of(
        WORDS,
        st.sampled_from(ids),
        st.sampled_from(ids).map(str.lower),
        st.sampled_from(ids).map("<@{}|who>".format),
    )
    text = st.lists(piece, max_size=6).map("".join)
    value = st.recursive(
        text, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3)
    )
    made = entry({"electorate": [["a", ids]], "x": data.draw(value)})
    named = names([made], SECRET)
    file = io.BytesIO()
    jsonl([Masks(named, SECRET).masked(made)], file)
    said = file.getvalue().decode().upper()
    for id in ids:
        assert id not in said


@given(st.sets(ID, min_size=2, max_size=30))
def test_numbers_count_from_one_and_follow_the_secret_alone(ids: set[str]) -> None:
    one_way = names([entry({"electorate": [["a", sorted(ids)]]})], SECRET)
    another = names([entry({"electorate": [["a", sorted(ids, reverse=True)]]})], SECRET)
    assert one_way == another
    one_way.pop("U1", None)
    numbers = sorted(int(n.rpartition("-")[2]) for n in one_way.values() if n[0] == "r")
    assert numbers == list(range(1, len(ids) + 1))


# --- tiles, and memory -------------------------------------------------------------------------


async def test_an_archive_is_the_same_bytes_whenever_it_is_made(trail: Trail) -> None:
    key = SigningKey("test", b"\x07" * 32)
    await trail.one_in_every_phase()

    def zip(of: int) -> tuple[Made, bytes]:
        file = io.BytesIO()
        made = trail.store.run_now(lambda tx: zipped(tx, of, [key], "test", file))
        return made, file.getvalue()

    of = size(trail)
    made, raw = zip(of)
    await trail.filed("later")
    await trail.give(Veto(ANN, "R-12", "Another entry of an old request."))
    assert zip(of) == (made, raw)
    assert zip(of + 1)[1] != raw
    assert made.digest == hashlib.sha256(raw).hexdigest()


class _Nowhere(io.RawIOBase):
    def write(self, data: Any) -> int:
        return len(data)


def test_an_export_is_written_as_it_is_read() -> None:
    """Never all at once: while a thousand times as many entries go by, memory stays as it is."""

    def many(n: int) -> Iterator[Shown]:
        return (entry({"x": {"text": "y" * 1000}}) for _ in range(n))

    def peak(n: int) -> int:
        tracemalloc.start()
        jsonl(many(n), _Nowhere())  # type: ignore[arg-type]
        table(lambda: many(n), _Nowhere())  # type: ignore[arg-type]
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)
    assert peak(10_000) < peak(10) + 50_000


async def test_entries_are_read_as_they_are_written(trail: Trail) -> None:
    for n in range(5):
        await trail.filed(f"a{n}")

    def script(tx: Any) -> list[int]:
        found = shown(tx, Between(6), LeftOut())
        first = next(found)
        return [first.seq, next(found).seq]

    assert trail.store.run_now(script) == [1, 2]
