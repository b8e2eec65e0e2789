"""Witnesses on loopback: what they cosign is believed, and what they refuse is told apart from their
being down."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from pydantic import ValidationError

from bot.anchors import resolve, witness_http
from bot.anchors.witness import Settings, Witnesses, create
from bot.anchors.witness_http import flaw
from bot.ledger import checkpoint, note
from bot.ledger.checkpoint import Checkpoint
from bot.ledger.note import PublicKey, SigningKey
from bot.ledger.tree import consistency
from bot.ledger.trust import demanding
from bot.ports import AnchorError, Contradicted, Published, SeenMore
from bot.sandbox.clock import SandboxClock

from .witness import NOW, FakeWitness, Log, fits, key_id, mth

CLOCK = SandboxClock(lambda: 0)


class Town:
    """Witnesses that are up, and the policy file about them."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder = folder
        self.witnesses: list[FakeWitness] = []
        self.servers: list[TestServer] = []
        self.urls: list[str] = []
        self._stack = stack

    async def open(self, log: Log, count: int = 3) -> None:
        for n in range(len(self.witnesses) + 1, len(self.witnesses) + count + 1):
            witness = FakeWitness(f"w{n}.example/w")
            witness.watch(log)
            server = await self._stack.enter_async_context(TestServer(witness.app()))
            self.witnesses.append(witness)
            self.servers.append(server)
            self.urls.append(str(server.make_url("/prefix")))

    def lines(self) -> str:
        told = zip(self.witnesses, self.urls, strict=True)
        return "".join(f"witness w{n} {w.vkey} {url}\n" for n, (w, url) in enumerate(told, 1))

    def policy(self, rule: str = "2", more: str = "") -> Path:
        names = " ".join(f"w{n + 1}" for n in range(len(self.witnesses)))
        path = self.folder / "witnesses"
        path.write_text(f"{more}{self.lines()}group g {rule} {names}\nquorum g\n")
        return path

    def anchor(self, rule: str = "2", more: str = "") -> Witnesses:
        made = Witnesses(demanding(self.policy(rule, more).read_bytes()))
        self._stack.push_async_callback(made.aclose)
        return made


@pytest.fixture
def log() -> Log:
    return Log().grow(100)


@pytest.fixture
async def town(log: Log, tmp_path: Path) -> AsyncIterator[Town]:
    async with AsyncExitStack() as stack:
        town = Town(tmp_path, stack)
        await town.open(log)
        yield town


def head(log: Log) -> Checkpoint:
    return Checkpoint(log.origin, len(log.entries), mth(log.leaves))


async def publish(anchor: Witnesses, log: Log) -> Published:
    return await anchor.publish(head(log), log.signed, log.since)


def cosigned_by(signed: bytes) -> list[str]:
    """Who cosigned, by what stands in the note; each signature verified by the library alone."""
    text, _, below = signed.decode().rpartition("\n\n")
    found = []
    for line in below.splitlines()[1:]:
        _, name, value = line.split(" ")
        raw = base64.b64decode(value)
        public = FakeWitness(name).key.public_key()
        assert raw[:4] == key_id(name, 4, public.public_bytes_raw())
        at = int.from_bytes(raw[4:12], "big")
        assert at == NOW
        public.verify(raw[12:], f"cosignature/v1\ntime {at}\n{text}\n".encode())
        found.append(name.split(".")[0])
    return found


def olds(witness: FakeWitness) -> list[str]:
    return [body.decode().split("\n")[0] for body in witness.asked]


# --- cosigned -----------------------------------------------------------------------------------------


async def test_what_all_saw_comes_back_with_all_their_cosignatures(town: Town, log: Log) -> None:
    published = await publish(town.anchor(), log)
    assert cosigned_by(published.signed) == ["w1", "w2", "w3"]
    assert published.place == "3 of 3 witnesses"
    assert published.signed.startswith(log.signed)
    known = [PublicKey.read(log.vkey)]
    assert checkpoint.read(published.signed, known, log.origin) == head(log)


async def test_a_size_once_told_is_remembered_and_proved_from(town: Town, log: Log) -> None:
    anchor = town.anchor()
    await publish(anchor, log)
    for size in (101, 128, 300):
        published = await publish(anchor, log.grow(size))
        assert published.place == "3 of 3 witnesses"
    for witness in town.witnesses:
        assert olds(witness) == ["old 0", "old 100", "old 101", "old 128"]
        assert witness.answered == [200] * 4


async def test_after_a_restart_a_witness_tells_what_it_has_seen(town: Town, log: Log) -> None:
    await publish(town.anchor(), log)
    published = await publish(town.anchor(), log.grow(150))
    assert published.place == "3 of 3 witnesses"
    assert olds(town.witnesses[0]) == ["old 0", "old 0", "old 100"]
    assert town.witnesses[0].answered == [200, 409, 200]


async def test_the_same_checkpoint_again_does_no_harm(town: Town, log: Log) -> None:
    anchor = town.anchor()
    first = await publish(anchor, log)
    assert await publish(anchor, log) == first
    assert olds(town.witnesses[0]) == ["old 0", "old 100"]
    assert await publish(town.anchor(), log) == first  # and after a restart
    assert olds(town.witnesses[0])[2:] == ["old 0", "old 100"]


async def test_a_log_without_entries_is_cosigned(town: Town) -> None:
    anchor, empty = town.anchor(), Log()
    for _ in range(2):
        assert (await publish(anchor, empty)).place == "3 of 3 witnesses"
    town.witnesses[0].mood = "tells 0"
    with pytest.raises(AnchorError, match="contradicts itself") as caught:
        await publish(town.anchor("all"), empty)
    assert not isinstance(caught.value, Contradicted)


async def test_a_witness_that_lost_an_answer_of_ours_is_caught_up_with(
    town: Town, log: Log
) -> None:
    anchor = town.anchor()
    town.witnesses[0].mood = "drops"
    await publish(anchor, log)
    town.witnesses[0].mood = "well"
    assert (await publish(anchor, log.grow(120))).place == "3 of 3 witnesses"


async def test_whoever_else_tells_a_witness_of_the_log_is_no_obstacle(town: Town, log: Log) -> None:
    anchor = town.anchor()
    await publish(anchor, log)
    log.grow(110)
    for witness in town.witnesses:
        witness.seen[log.origin] = 110, mth(log.leaves)
    assert (await publish(anchor, log.grow(120))).place == "3 of 3 witnesses"
    assert olds(town.witnesses[0]) == ["old 0", "old 100", "old 110"]


async def test_a_checkpoint_does_not_overtake_another(town: Town, log: Log) -> None:
    anchor, later = town.anchor(), Log().grow(120)
    for witness in town.witnesses:
        witness.delays = [0.1]
    first, second = await asyncio.gather(publish(anchor, log), publish(anchor, later))
    assert (first.place, second.place) == ("3 of 3 witnesses", "3 of 3 witnesses")


async def test_both_keys_of_a_log_are_shown_to_a_witness(town: Town, log: Log) -> None:
    other = SigningKey(log.origin, b"\x02" * 32)
    signed = note.write(
        log.text.encode(),
        [
            *note.parse(head(log).sign([other])).signatures,
            *note.parse(log.signed).signatures,
        ],
    )
    published = await town.anchor().publish(head(log), signed, log.since)
    assert published.signed.startswith(signed)
    assert len(note.parse(published.signed).signatures) == 5


def test_what_our_tree_proves_is_what_a_witness_checks() -> None:
    log = Log().grow(40)

    def nodes(level: int, index: int) -> bytes:
        return mth(log.leaves[index << level : (index + 1) << level])

    leaves = log.leaves
    for size in range(2, 41):
        for old in range(1, size):
            proof = consistency(old, size, nodes)
            assert fits(old, mth(leaves[:old]), size, mth(leaves[:size]), proof)
            assert not fits(old, mth(leaves[1 : old + 1]), size, mth(leaves[:size]), proof)


# --- k of n -------------------------------------------------------------------------------------------


async def test_two_of_three_are_enough_with_one_down(town: Town, log: Log) -> None:
    anchor = town.anchor()
    await town.servers[1].close()
    published = await publish(anchor, log)
    assert cosigned_by(published.signed) == ["w1", "w3"]
    assert published.place == "2 of 3 witnesses"


async def test_with_two_down_nothing_is_anchored_and_both_are_named(town: Town, log: Log) -> None:
    anchor = town.anchor()
    await town.servers[0].close()
    town.witnesses[2].mood = "drops"
    with pytest.raises(AnchorError) as caught:
        await publish(anchor, log)
    assert str(caught.value) == (
        "1 of 3 witnesses cosigned, and the policy asks for 1 more of w1, w3"
        " (w1: it cannot be reached; w3: the connection broke)"
    )
    assert not isinstance(caught.value, Contradicted)


@pytest.mark.parametrize(
    ("mood", "why"),
    [
        ("drops", "the connection broke"),
        ("redirects", r"it redirects \(307\)"),
        ("garbage", "its answer is not understood"),
        ("nothing", "its answer is not understood"),
        ("huge", "its answer is larger than 65536 bytes"),
        ("another-key", "no cosignature by the key that the policy names"),
        ("another-text", "not over this checkpoint"),
        ("wrong-signature", "not over this checkpoint"),
        ("status 400", r"does not understand us \(400\)"),
        ("status 403", r"does not know this log, or not its key \(403\)"),
        ("status 404", r"does not know this log, or not its key \(404\): give its operator"),
        ("status 422", r"its answer \(422\) is not understood"),  # to a first checkpoint
        ("status 429", r"busy, or has a fault of its own \(429\)"),
        ("status 500", r"busy, or has a fault of its own \(500\)"),
        ("status 202", r"its answer \(202\) is not understood"),
        ("tells 0", r"its answer \(409\) contradicts itself"),
        ("tells-plainly 50", r"its answer \(409\) does not say what it has seen"),
        ("tells-badly 50", r"its answer \(409\) does not say what it has seen"),
        ("tells-badly x\n", r"its answer \(409\) does not say what it has seen"),
        ("tells 050", r"its answer \(409\) does not say what it has seen"),
    ],
)
async def test_a_witness_in_a_bad_mood_is_named_and_counts_for_nothing(
    town: Town, log: Log, mood: str, why: str
) -> None:
    town.witnesses[1].mood = mood
    published = await publish(town.anchor(), log)
    assert cosigned_by(published.signed) == ["w1", "w3"]
    with pytest.raises(AnchorError, match=why) as caught:
        await publish(town.anchor("all"), log)
    assert "(w2: " in str(caught.value)
    assert not isinstance(caught.value, Contradicted)
    assert not re.search(r"10\.0\.0\.7|127\.0\.0\.1|http", str(caught.value))


async def test_a_witness_that_takes_its_time_is_not_waited_for(
    town: Town, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert witness_http.TIMEOUT == 5
    monkeypatch.setattr(witness_http, "TIMEOUT", 0.2)
    anchor = town.anchor()
    town.witnesses[1].delays = [2.0, 2.0]
    async with asyncio.timeout(1):
        published = await publish(anchor, log)
    assert cosigned_by(published.signed) == ["w1", "w3"]
    with pytest.raises(AnchorError, match=r"w2: no answer within 0\.2 s"):
        await publish(town.anchor("all"), log)


async def test_a_redirect_is_not_followed(town: Town, log: Log) -> None:
    town.witnesses[1].mood = "redirects"
    await publish(town.anchor(), log)
    assert town.witnesses[1].seen == {}


async def test_a_witness_that_names_another_size_each_time_is_left(town: Town, log: Log) -> None:
    town.witnesses[1].mood = "tells 70"
    with pytest.raises(AnchorError, match=r"w2: its answer \(409\) contradicts itself"):
        await publish(town.anchor("all"), log)
    town.witnesses[1].mood = "counts"
    with pytest.raises(AnchorError, match="w2: it tells of another size each time"):
        await publish(town.anchor("all"), log)
    assert len(town.witnesses[1].asked) == 5


async def test_no_proxy_is_asked(town: Town, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert (await publish(town.anchor(), log)).place == "3 of 3 witnesses"


async def test_cosignatures_of_unknown_keys_are_left_out(town: Town, log: Log) -> None:
    stranger = FakeWitness("stranger.example/w")._cosigned(log.text)
    quantum = f"— w1.example/w {base64.b64encode(b'mlds' + bytes(2428)).decode()}\n"
    town.witnesses[0].also = stranger + quantum
    town.witnesses[1].also = town.witnesses[2]._cosigned(log.text)  # not its to give
    await town.servers[2].close()
    published = await publish(town.anchor(), log)
    assert cosigned_by(published.signed) == ["w1", "w2"]


async def test_an_answer_is_signatures_and_nothing_else(town: Town, log: Log) -> None:
    town.witnesses[0].before = "Dear\n\n"
    town.witnesses[1].also = "Yours\n"
    with pytest.raises(AnchorError) as caught:
        await publish(town.anchor("all"), log)
    why = "its answer is not understood"
    assert f"(w1: {why}; w2: {why})" in str(caught.value)


async def test_a_note_has_sixteen_signatures_at_most_and_those_that_it_takes(
    town: Town, log: Log
) -> None:
    await town.open(log, 15)
    names = " ".join(f"w{n}" for n in range(1, 18))
    policy = f"{town.lines()}group some any {names}\ngroup g all some w18\nquorum g\n"
    anchor = Witnesses(demanding(policy.encode()))
    published = await publish(anchor, log)
    await anchor.aclose()
    found = cosigned_by(published.signed)
    assert len(found) == 15
    assert "w18" in found
    assert published.place == "15 of 18 witnesses"
    assert len(note.parse(published.signed).signatures) == 16


async def test_where_there_is_no_room_for_a_quorum_it_is_said(town: Town, log: Log) -> None:
    others = [SigningKey(f"other{n}", bytes([n]) * 32) for n in range(10, 24)]
    signed = note.write(
        log.text.encode(),
        [*note.parse(log.signed).signatures, *note.parse(head(log).sign(others)).signatures],
    )
    with pytest.raises(AnchorError, match="it takes 2 cosignatures, and there is room for 1"):
        await town.anchor().publish(head(log), signed, log.since)


async def test_witnesses_that_do_not_count_are_not_asked(town: Town, log: Log) -> None:
    anchor = Witnesses(demanding(f"{town.lines()}quorum w2\n".encode()))
    published = await publish(anchor, log)
    await anchor.aclose()
    assert published.place == "1 of 1 witnesses"
    assert [len(w.asked) for w in town.witnesses] == [0, 1, 0]


async def test_a_policy_about_other_logs_lets_nothing_be_published(town: Town, log: Log) -> None:
    assert (await publish(town.anchor(more=f"log {log.vkey}\n"), log)).place == "3 of 3 witnesses"
    other = Log(origin="example.org/other")
    with pytest.raises(AnchorError, match="`log` lines have to have this log's vkey"):
        await publish(town.anchor(more=f"log {other.vkey}\n"), log)
    assert len(town.witnesses[0].asked) == 1


# --- what a witness knows better ----------------------------------------------------------------------


async def test_a_log_that_was_set_back_is_told_by_one_witness(town: Town, log: Log) -> None:
    anchor = town.anchor()
    town.witnesses[1].mood = "drops"
    await publish(anchor, Log().grow(120))
    town.witnesses[1].mood = "well"
    for again in (anchor, town.anchor()):  # in the same process, and after a restart
        with pytest.raises(Contradicted) as caught:
            await publish(again, log)
        assert str(caught.value) == (
            "witness w1 has seen 120 entries of this log, and here are 100: it was set back;"
            " witness w3 has seen 120 entries of this log, and here are 100: it was set back"
        )


async def test_one_witness_that_saw_more_is_enough_to_stop(town: Town, log: Log) -> None:
    town.witnesses[2].seen[log.origin] = 120, b"\x00" * 32
    with pytest.raises(Contradicted, match="witness w3 has seen 120 entries"):
        await publish(town.anchor("any"), log)


async def test_a_log_that_was_rewritten_is_told(town: Town, log: Log) -> None:
    anchor = town.anchor()
    await publish(anchor, log)
    forged = Log().grow(60).grow(130, "never happened")
    for again in (anchor, town.anchor()):
        with pytest.raises(Contradicted) as caught:
            await publish(again, forged)
        assert "witness w2 has seen other entries than the first 100 of this log" in str(
            caught.value
        )
    assert town.witnesses[0].seen[log.origin] == (100, mth(log.leaves))


@pytest.mark.parametrize("mood", ["well", "as-litewitness"])
async def test_a_log_of_the_same_size_that_was_rewritten_is_told(
    town: Town, log: Log, mood: str
) -> None:
    for witness in town.witnesses:
        witness.mood = mood
    anchor = town.anchor()
    await publish(anchor, log)
    forged = Log().grow(99).grow(100, "never happened")
    for again in (anchor, town.anchor()):
        with pytest.raises(Contradicted, match="rewritten, or it is another log of this name"):
            await publish(again, forged)


async def test_a_size_that_cannot_be_is_not_remembered(town: Town, log: Log) -> None:
    anchor = town.anchor()
    town.witnesses[0].mood = "tells 9000000000000000000"
    with pytest.raises(Contradicted, match="has seen 9000000000000000000 entries"):
        await publish(anchor, log)
    town.witnesses[0].mood = "well"
    assert (await publish(anchor, log)).place == "3 of 3 witnesses"


async def test_what_goes_wrong_here_is_not_laid_at_a_witness(town: Town, log: Log) -> None:
    async def broken(size: int) -> list[bytes]:
        raise RuntimeError("the database is gone")

    anchor = town.anchor()
    await publish(anchor, log)
    log.grow(110)
    with pytest.raises(RuntimeError, match="the database is gone"):
        await anchor.publish(head(log), log.signed, broken)


# --- read back ----------------------------------------------------------------------------------------


async def test_what_is_kept_is_given_back_while_nobody_has_seen_more(town: Town, log: Log) -> None:
    kept = (await publish(town.anchor(), log)).signed
    assert await town.anchor().latest(kept) == (kept,)
    assert olds(town.witnesses[0])[1:] == ["old 100"]
    assert town.witnesses[0].answered[1:] == [200]


async def test_where_nothing_is_kept_nobody_is_asked(town: Town) -> None:
    assert await town.anchor().latest(None) == ()
    assert town.witnesses[0].asked == []


async def test_a_checkpoint_newer_than_the_kept_is_told_with_its_size(town: Town, log: Log) -> None:
    kept = (await publish(town.anchor(), log)).signed
    town.witnesses[0].seen[log.origin] = 110, b"\x00" * 32
    town.witnesses[1].seen[log.origin] = 120, b"\x00" * 32
    with pytest.raises(SeenMore) as caught:
        await town.anchor().latest(kept)
    assert caught.value.size == 120
    assert str(caught.value) == (
        "witness w2 has seen 120 entries of this log, and the checkpoint that is kept here is over"
        " 100"
    )
    assert not isinstance(caught.value, Contradicted)


async def test_a_witness_that_saw_another_log_is_believed_before_one_that_saw_more(
    town: Town, log: Log
) -> None:
    kept = (await publish(town.anchor(), log)).signed
    town.witnesses[0].seen[log.origin] = 110, b"\x00" * 32
    town.witnesses[1].seen[log.origin] = 100, b"\x00" * 32
    with pytest.raises(Contradicted, match="witness w2 has seen other entries"):
        await town.anchor().latest(kept)


async def test_a_witness_that_is_down_or_behind_says_nothing_against_it(
    town: Town, log: Log
) -> None:
    kept = (await publish(town.anchor(), log)).signed
    town.witnesses[0].seen = {}  # set up anew
    town.witnesses[1].mood = "drops"
    anchor = town.anchor()
    assert await anchor.latest(kept) == (kept,)
    assert town.witnesses[0].seen == {}
    town.witnesses[1].mood = "well"
    assert (await publish(anchor, log)).place == "3 of 3 witnesses"


async def test_where_no_witness_answers_it_is_not_known(town: Town, log: Log) -> None:
    kept = (await publish(town.anchor(), log)).signed
    for witness in town.witnesses:
        witness.mood = "drops"
    with pytest.raises(AnchorError, match=r"no witness says .* \(w1: the connection broke; w2:"):
        await town.anchor().latest(kept)


async def test_what_does_not_satisfy_the_policy_is_not_given_back(town: Town, log: Log) -> None:
    town.witnesses[0].mood = "drops"
    kept = (await publish(town.anchor(), log)).signed
    town.witnesses[0].mood = "well"
    assert await town.anchor().latest(kept) == (kept,)
    assert await town.anchor("all").latest(kept) == ()
    assert await town.anchor(more=f"log {Log(origin='other').vkey}\n").latest(kept) == ()


async def test_what_was_changed_here_is_said(town: Town, log: Log) -> None:
    kept = (await publish(town.anchor(), log)).signed
    one, two, *rest = note.parse(kept).signatures
    swapped = note.write(
        log.text.encode(),
        [one, note.Signature(two.name, two.id, rest[0].value), *rest],
    )
    for changed in (b"Dear", swapped, kept.replace(b"\n100\n", b"\n101\n")):
        with pytest.raises(AnchorError, match="what is kept here is no cosigned checkpoint"):
            await town.anchor().latest(changed)


# --- settings -----------------------------------------------------------------------------------------


async def test_the_anchor_goes_by_its_name(
    town: Town, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANCHOR_WITNESS_POLICY", str(town.policy()))
    anchor = resolve("witness", CLOCK)
    assert isinstance(anchor, Witnesses)
    assert (anchor.name, anchor.weak) == ("witness", None)
    published = await anchor.publish(head(log), log.signed, log.since)
    assert published.place == "3 of 3 witnesses"
    await anchor.aclose()
    await create(CLOCK).aclose()  # also where it was never used


W = FakeWitness("w.example/w").vkey


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("quorum none\n", "`quorum none` asks for no witness, so it would prove nothing"),
        (f"witness w {W}\nquorum w\n", "line 1: w has no address to ask it at: write it after"),
        (
            f"witness w {W} http://w.example\nquorum w\n",
            "line 1: w cannot be asked: what is not on",
        ),
        ("quorum w\n", "line 1: there is no w above"),
        (None, "No such file"),
    ],
)
def test_a_policy_that_cannot_be_used_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, said: str
) -> None:
    path = tmp_path / "witnesses"
    if text is not None:
        path.write_text(text)
    monkeypatch.setenv("ANCHOR_WITNESS_POLICY", str(path))
    with pytest.raises(ValidationError) as caught:
        create(CLOCK)
    (problem,) = caught.value.errors()
    assert problem["loc"] == ("policy",)
    assert said in problem["msg"]
    assert str(path) in problem["msg"]


def test_a_policy_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANCHOR_WITNESS_POLICY", "")
    with pytest.raises(ValidationError, match="policy"):
        Settings()


def test_only_what_counts_needs_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "witnesses"
    other = FakeWitness("other.example/w").vkey
    path.write_text(f"witness o {other}\nwitness w {W} https://w.example\nquorum w\n")
    monkeypatch.setenv("ANCHOR_WITNESS_POLICY", str(path))
    assert create(CLOCK).name == "witness"


def test_a_quorum_that_no_note_has_room_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "witnesses"
    monkeypatch.setenv("ANCHOR_WITNESS_POLICY", str(path))

    def made(count: int) -> str:
        names = [f"w{n}" for n in range(count)]
        lines = (f"witness {n} {FakeWitness(n).vkey} https://{n}.example\n" for n in names)
        return f"{''.join(lines)}group g all {' '.join(names)}\nquorum g\n"

    path.write_text(made(14))
    assert create(CLOCK).name == "witness"
    path.write_text(made(15))
    with pytest.raises(ValidationError, match="it takes 15 witnesses, and a checkpoint has room"):
        create(CLOCK)


@pytest.mark.parametrize(
    "url",
    [
        "https://witness.example",
        "https://witness.example:8443/some/prefix/",
        "http://127.0.0.1:3000",
        "http://[::1]:3000/w",
        "http://localhost/w",
    ],
)
def test_where_a_witness_can_be_asked(url: str) -> None:
    assert flaw(url) is None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://witness.example", "through https"),
        ("http://10.0.0.7/w", "through https"),
        ("http://localhost.example/w", "through https"),
        ("ftp://witness.example", "like https"),
        ("witness.example", "like https"),
        ("https:///w", "like https"),
        ("https://me:secret@witness.example", "without user"),
        ("https://witness.example/w?x=1", "without user"),
        ("https://witness.example/w#x", "without user"),
        ("https://witness.example:99999", "no address"),
        ("https://[::1", "no address"),
    ],
)
def test_where_no_witness_is_asked(url: str, said: str) -> None:
    found = flaw(url)
    assert found is not None
    assert said in found
    assert "secret" not in found
