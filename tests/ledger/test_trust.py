"""A policy says whose cosignatures are enough; what is wrong with it is said with line and remedy."""

import re
from itertools import combinations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from bot.ledger import note
from bot.ledger.checkpoint import Checkpoint
from bot.ledger.cosignature import CosignerKey
from bot.ledger.note import BadSignature, NoteError, Signature, SigningKey
from bot.ledger.trust import Cosigned, Group, Policy, TrustError, Witness, demanding, parse

SIGNERS = [Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in range(33)]
KEYS = [
    CosignerKey(f"w{n}.example", s.public_key().public_bytes_raw()) for n, s in enumerate(SIGNERS)
]
V = [key.vkey for key in KEYS]
LOG = SigningKey("log", b"\x77" * 32)
HEAD = Checkpoint("log", 7, b"\x07" * 32)

# the specification's example
EXAMPLE = f"""
log {LOG.public.vkey}

witness X1 {V[1]}
witness X2 {V[2]}
witness X3 {V[3]}
group X-witnesses 2 X1 X2 X3

witness Y1 {V[4]}
witness Y2 {V[5]}
witness Y3 {V[6]}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
""".encode()


def cosigned(*who: int, by: SigningKey = LOG, at: int = 100) -> bytes:
    """The checkpoint, cosigned by those, at 100, 101, …"""
    found = list(note.parse(HEAD.sign([by])).signatures)
    for n in who:
        message = b"cosignature/v1\ntime %d\n" % (at + n) + HEAD.text
        value = (at + n).to_bytes(8, "big") + SIGNERS[n].sign(message)
        found.append(Signature(KEYS[n].name, KEYS[n].id, value))
    return note.write(HEAD.text, found)


def said(text: str | bytes) -> str:
    with pytest.raises(TrustError) as caught:
        parse(text if isinstance(text, bytes) else text.encode())
    return str(caught.value)


# --- who is enough ------------------------------------------------------------------------------------


def test_the_example_of_the_specification_asks_for_two_of_three_and_one_of_three() -> None:
    policy = parse(EXAMPLE)
    assert policy.logs == (LOG.public,)
    assert [w.name for w in policy.witnesses] == ["X1", "X2", "X3", "Y1", "Y2", "Y3"]
    for count in range(7):
        for who in combinations(range(1, 7), count):
            keys = {KEYS[n] for n in who}
            x, y = len({1, 2, 3}.intersection(who)), len({4, 5, 6}.intersection(who))
            assert policy.satisfied(keys) == (x >= 2 and y >= 1)
            assert policy.satisfied(keys) == (policy.missing(keys) == "")
            enough = policy.enough(keys)
            assert enough is None or (len(enough) == 3 and {w.key for w in enough} <= keys)


def test_who_is_missing_is_said_down_to_the_witness() -> None:
    policy = parse(EXAMPLE)
    assert policy.missing([]) == (
        "2 more of X-witnesses, Y-witnesses; 2 more of X1, X2, X3; 1 more of Y1, Y2, Y3"
    )
    assert policy.missing([KEYS[2], KEYS[4]]) == "1 more of X-witnesses; 1 more of X1, X3"
    assert parse(f"witness w {V[1]}\nquorum w\n".encode()).missing([]) == "w"


def test_a_quorum_can_be_one_witness_or_nobody() -> None:
    one = parse(f"witness w {V[1]} https://w.example/prefix\nwitness v {V[2]}\nquorum w\n".encode())
    assert one.quorum == Witness("w", KEYS[1], "https://w.example/prefix", 1)
    assert one.counting == (one.quorum,)
    assert len(one.witnesses) == 2
    assert one.witnesses[1].url is None
    assert not one.satisfied([KEYS[2]])
    nobody = parse(b"quorum none\n")
    assert nobody == Policy((), (), None)
    assert nobody.satisfied([])
    assert nobody.counting == ()
    assert nobody.missing([]) == ""
    with pytest.raises(TrustError, match="`quorum none` asks for no witness"):
        demanding(b"quorum none\n")
    assert demanding(EXAMPLE) == parse(EXAMPLE)


def test_as_few_as_satisfy_it_are_taken() -> None:
    witnesses = "".join(f"witness w{n} {V[n]}\n" for n in range(1, 6))
    policy = parse(f"{witnesses}group a all w1 w2 w3\ngroup b any a w4 w5\nquorum b\n".encode())
    found = policy.enough(KEYS)
    assert found is not None
    assert [w.name for w in found] == ["w4"]


@pytest.mark.parametrize(
    ("word", "needed"), [("all", 3), ("any", 1), ("1", 1), ("2", 2), ("3", 3), ("003", 3)]
)
def test_a_group_says_how_many_of_its_members_it_takes(word: str, needed: int) -> None:
    witnesses = "".join(f"witness {n} {V[n]}\n" for n in range(1, 4))
    found = parse(f"{witnesses}group g {word} 1 2 3\nquorum g\n".encode()).quorum
    assert isinstance(found, Group)
    assert found.needed == needed
    assert [w.name for w in found.all] == ["1", "2", "3"]


# --- a checkpoint -------------------------------------------------------------------------------------


def test_a_checkpoint_that_satisfies_it_tells_who_saw_it_and_when() -> None:
    policy = parse(EXAMPLE)
    found = policy.judge(cosigned(1, 3, 5, 9))
    assert found == Cosigned(HEAD, {policy.witnesses[n]: 101 + n for n in (0, 2, 4)})


def test_one_that_does_not_is_refused_with_who_is_missing() -> None:
    with pytest.raises(BadSignature) as caught:
        parse(EXAMPLE).judge(cosigned(1, 5))
    assert str(caught.value) == (
        "it is cosigned by 2 of 6 witnesses; the policy asks for 1 more of X-witnesses;"
        " 1 more of X2, X3"
    )
    with pytest.raises(NoteError):
        parse(EXAMPLE).judge(b"Dear")


def test_a_wrong_cosignature_spoils_it() -> None:
    raw = cosigned(1, 3, 5)
    signatures = list(note.parse(raw).signatures)
    wrong = Signature(KEYS[2].name, KEYS[2].id, signatures[1].value)
    with pytest.raises(BadSignature, match=r"of w2\.example is not over this text"):
        parse(EXAMPLE).judge(note.write(HEAD.text, [*signatures, wrong]))


def test_where_logs_are_named_one_of_them_has_to_have_signed_it() -> None:
    other = SigningKey("log", b"\x78" * 32)
    elsewhere = SigningKey("elsewhere", b"\x79" * 32)
    policy = parse(EXAMPLE)
    for by in (other, elsewhere):
        with pytest.raises(BadSignature, match="no log log that the policy names signed it"):
            policy.judge(cosigned(1, 2, 4, by=by))
    unnamed = parse(b"".join(line for line in EXAMPLE.splitlines(True) if b"log " not in line))
    assert unnamed.judge(cosigned(1, 2, 4, by=other)).head == HEAD
    both = parse(f"log {other.public.vkey} https://log.example\n".encode() + EXAMPLE)
    for by in (LOG, other):
        assert both.judge(cosigned(1, 2, 4, by=by)).head == HEAD
    # a key of a log that it names vouches for that log alone
    foreign = parse(f"log {elsewhere.public.vkey}\nwitness w {V[1]}\nquorum w\n".encode())
    with pytest.raises(BadSignature, match="no log log that"):
        foreign.judge(cosigned(1, by=elsewhere))


# --- what is written ----------------------------------------------------------------------------------


def test_blanks_comments_and_other_alphabets_are_allowed() -> None:
    text = (
        "\t # who watches\n\n \t\n"
        f"  witness\tÜberwacher  {V[1]} \t https://w.example/ü  \n"
        f"witness \u2003 {V[2]}\n"  # a space to Unicode, a letter to the format
        "#quorum none\n"
        "group g 2 \u2003 Überwacher\n"
        "quorum g"
    )
    policy = parse(text.encode())
    assert [w.name for w in policy.counting] == ["\u2003", "Überwacher"]
    assert policy.witnesses[0].url == "https://w.example/ü"
    assert [w.line for w in policy.witnesses] == [4, 5]


def test_names_are_octets() -> None:
    """The letter K and the Kelvin sign are two names; what is no UTF-8 is shown as it can be."""
    policy = parse(
        f"witness K {V[1]}\nwitness \u212a {V[2]}\n".encode()
        + b"witness \xff "
        + f"{V[3]}\n".encode()
        + b"witness \\xff "
        + f"{V[4]}\n".encode()
        + b"quorum \xff\n"
    )
    assert isinstance(policy.quorum, Witness)
    assert (policy.quorum.name, policy.quorum.key) == ("\\xff", KEYS[3])


def test_thirty_two_of_everything_are_read() -> None:
    logs = "".join(f"log {SigningKey('log', bytes([n]) * 32).public.vkey}\n" for n in range(32))
    witnesses = "".join(f"witness w{n} {V[n]}\n" for n in range(32))
    groups = "".join(f"group g{n} any w{n}{f' g{n - 1}' if n else ''}\n" for n in range(32))
    policy = parse(f"{logs}{witnesses}{groups}quorum g31\n".encode())
    assert (len(policy.logs), len(policy.counting)) == (32, 32)
    assert policy.satisfied([KEYS[0]])


W1, W2 = f"witness w1 {V[1]}\n", f"witness w2 {V[2]}\n"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "there is no quorum line: end with `quorum NAME`"),
        (W1, "there is no quorum line"),
        ("# quorum none\n", "there is no quorum line"),
        ("quorum none\nquorum none\n", "line 2: there is a quorum already in line 1: keep one"),
        ("quorum w1\n" + W1, "line 1: there is no w1 above: name a witness or a group that stands"),
        (W1 + "quorum W1\n", "line 2: there is no W1 above"),
        (W1 + "quorum\n", "line 2: write: quorum NAME|none; a comment stands on a line of its own"),
        (W1 + "quorum w1 # all\n", "line 2: write: quorum NAME|none"),
        ("Quorum none\n", "line 1: 'Quorum' is none of log, witness, group, quorum"),
        ("witnesses\n", "line 1: 'witnesses' is none of"),
        ("witness\n", "line 1: write: witness NAME VKEY [URL]"),
        ("witness w1\n", "line 1: write: witness NAME VKEY [URL]"),
        (f"witness w1 {V[1]} https://a https://b\n", "line 1: write: witness NAME VKEY [URL]"),
        (f"witness w1 {V[1]} # mine\n", "line 1: write: witness NAME VKEY [URL]; a comment"),
        ("witness w1 key\n", "line 1: this is no key (vkey): a key is written NAME+ID+KEY. Copy a"),
        (f"witness w1 {LOG.public.vkey}\n", "not an Ed25519 key of type 0x04. Copy a witness's"),
        (f"witness w1 {V[1][:-4]}\n", "line 1: this is no key (vkey)"),
        (f"witness w1 x{V[1]}\n", "the key's id does not belong to the key"),
        (b"witness w1 \xff\n", "line 1: this is no key (vkey): it is not UTF-8"),
        (W1 + f"witness w2 {V[1]}\n", "line 2: this is the key of line 1: one witness counts once"),
        (
            W1 + f"witness w2 {CosignerKey('other', KEYS[1].key).vkey}\n",
            "line 2: this is the key of line 1",
        ),
        (W1 + f"witness w1 {V[2]}\n", "line 2: w1 is a name already in line 1: choose another"),
        (f"witness none {V[1]}\n", "line 1: none stands for nobody: choose another"),
        ("log\n", "line 1: write: log VKEY [URL]"),
        (f"log {V[1]}\n", "not an Ed25519 key of type 0x01. Copy a log's"),
        (
            f"log {LOG.public.vkey}\nlog {SigningKey('other', LOG.seed).public.vkey}\n",
            "line 2: this is the key of line 1: keep one of them",
        ),
        (W1 + "group g\n", "line 2: write: group NAME all|any|K MEMBER…"),
        (W1 + "group g 1\n", "line 2: write: group NAME all|any|K MEMBER…"),
        (W1 + "group w1 all w1\n", "line 2: w1 is a name already in line 1: choose another"),
        (W1 + "group g all g\n", "line 2: there is no g above"),
        (W1 + "group g all none\n", "line 2: there is no none above"),
        (W1 + "group g all w1 w1\n", "line 2: w1 is a member already in line 2: it counts once"),
        (
            W1 + W2 + "group g all w1 w2\ngroup h any w2\n",
            "line 4: w2 is a member already in line 3: it counts once, so take it out of one",
        ),
        *(
            (W1 + W2 + f"group g {k} w1 w2\n", f"line 3: {k!r} of 2: write all, any, or a number")
            for k in ("0", "3", "-1", "+1", "1.0", "two", "ALL", "９", "9" * 5000)
        ),
        (W1 + "quorum w1\r\n", "line 2: it has the control character 0x0d"),
        ("# \x00\nquorum none\n", "line 1: it has the control character 0x00"),
        ("#\x7f\n", "line 1: it has the control character 0x7f; only tabs and Unix line ends"),
        ("\x0b\n", "line 1: it has the control character 0x0b"),
        ("\ufeffquorum none\n", "line 1: '\\ufeffquorum' is none of"),
    ],
)
def test_what_is_wrong_is_said_with_the_line_and_the_remedy(text: str | bytes, wanted: str) -> None:
    assert wanted in said(text)


# --- anything -----------------------------------------------------------------------------------------


def read(raw: bytes) -> Policy | None:
    """A policy, or none, which is said."""
    try:
        return parse(raw)
    except TrustError as e:
        text = str(e)
    assert re.match(r"line \d+: |there is no quorum", text)
    return None


@given(st.binary(max_size=200))
def test_whatever_is_in_the_file_it_is_a_policy_or_said_to_be_none(raw: bytes) -> None:
    policy = read(raw)
    assert policy is None or b"quorum" in raw


WORD = st.sampled_from(
    f"log witness group quorum none all any 2 a b c # {V[1]} {V[2]} {LOG.public.vkey} https://w".split()
)


@given(st.lists(st.lists(WORD, max_size=6).map(" ".join), max_size=8))
def test_whatever_the_words_say_is_a_policy_or_said_to_be_none(lines: list[str]) -> None:
    policy = read("\n".join(lines).encode())
    if policy is not None:
        assert len(set(policy.counting)) == len(policy.counting)
        assert policy.satisfied([w.key for w in policy.counting])


@st.composite
def trees(draw: st.DrawFn) -> tuple[str, int]:
    """A policy of groups in groups, and how many witnesses it has."""
    count = draw(st.integers(1, 8))
    lines = [f"witness w{n} {V[n]}" for n in range(count)]
    free = [f"w{n}" for n in range(count)]
    for g in range(draw(st.integers(0, 5))):
        members = draw(st.lists(st.sampled_from(free), min_size=1, unique=True))
        k = draw(st.integers(1, len(members)))
        lines.append(f"group g{g} {k} {' '.join(members)}")
        free = [name for name in free if name not in members] + [f"g{g}"]
    lines.append(f"quorum {draw(st.sampled_from(free))}")
    return "\n".join(lines), count


@given(trees(), st.data())
def test_a_policy_means_what_its_words_say(tree: tuple[str, int], data: st.DataObject) -> None:
    """Against a reading of the text that is nothing but the definition."""
    text, count = tree
    signed = data.draw(st.sets(st.integers(0, count - 1)))
    lines = {w[1]: w for w in map(str.split, text.split("\n")) if w[0] != "quorum"}

    def witnessed(name: str) -> bool:
        kind, _, k, *members = lines[name]
        if kind == "witness":
            return int(name[1:]) in signed
        return sum(witnessed(m) for m in members) >= int(k)

    policy, keys = parse(text.encode()), [KEYS[n] for n in signed]
    wanted = witnessed(text.split()[-1])
    assert policy.satisfied(keys) == wanted
    assert (policy.missing(keys) == "") == wanted
    enough = policy.enough(keys)
    if enough is not None:  # and of those that are taken nobody can be left out
        took = [w.key for w in enough]
        assert policy.satisfied(took)
        assert not any(policy.satisfied([k for k in took if k != one]) for one in took)
