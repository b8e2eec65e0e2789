"""What we export is verified by other people's programs: pymerkle, sigstore's verifier, and the one in
our documentation, which uses neither our code nor our formats' reader."""

import base64
import hashlib
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pymerkle
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sigstore._internal.merkle import verify_merkle_inclusion
from sigstore._internal.rekor.checkpoint import SignedCheckpoint, verify_checkpoint
from sigstore._internal.trust import Keyring, RekorKeyring
from sigstore.errors import VerificationError
from sigstore.models import TransparencyLogEntry
from sigstore_models.common.v1 import LogId, PublicKey, PublicKeyDetails
from sigstore_models.rekor.v1 import Checkpoint, InclusionProof, KindVersion
from sigstore_models.rekor.v1 import TransparencyLogEntry as Inner

from bot.ledger.tree import consistency, is_consistent
from bot.store.sqlite import SqliteVisit
from bot.store.trail import Trail

from .conftest import House

DOCUMENTED = Path(__file__).parents[2] / "docs/explanation/trail.md"


def entries(export: Path) -> list[bytes]:
    """The entries of a small export, by what tlog-tiles says and nothing of ours."""
    (path,) = (export / "tile/entries/000.p").iterdir()
    raw, found = path.read_bytes(), []
    while raw:
        (length,) = struct.unpack(">H", raw[:2])
        found.append(raw[2 : 2 + length])
        raw = raw[2 + length :]
    assert len(found) == int(path.name)
    return found


def head(export: Path) -> tuple[int, bytes]:
    _, size, root, *_ = (export / "checkpoint").read_text().split("\n")
    return int(size), base64.b64decode(root)


def proofs(export: Path) -> Iterator[tuple[bytes, int, list[bytes], str]]:
    """Of each proof: the entry in it, its index, the hashes, the checkpoint."""
    paths = sorted((export / "proof").iterdir())
    assert len(paths) > 10
    for path in paths:
        above, _, checkpoint = path.read_text().partition("\n\n")
        first, extra, index, *hashes = above.split("\n")
        assert first == "c2sp.org/tlog-proof@v1"
        yield (
            base64.b64decode(extra.removeprefix("extra ")),
            int(index.removeprefix("index ")),
            [base64.b64decode(h) for h in hashes],
            checkpoint,
        )


@pytest.fixture
def export(house: House) -> Path:
    return house.exported()


@pytest.fixture
def by_pymerkle(export: Path) -> pymerkle.InmemoryTree:
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for entry in entries(export):
        tree.append_entry(entry)
    return tree


def test_pymerkle_comes_to_the_root_that_we_signed(
    export: Path, by_pymerkle: pymerkle.InmemoryTree
) -> None:
    assert (by_pymerkle.get_size(), by_pymerkle.get_root()) == head(export)


def test_pymerkle_accepts_our_inclusion_proofs_and_no_others(
    export: Path, by_pymerkle: pymerkle.InmemoryTree
) -> None:
    size, root = head(export)
    for entry, index, hashes, _ in proofs(export):
        leaf = hashlib.sha256(b"\x00" + entry).digest()
        theirs = by_pymerkle.prove_inclusion(index + 1, size)
        assert theirs.path == [leaf, *hashes]
        ours = pymerkle.InclusionProof(
            "sha256", True, size, index + 1, theirs.rule, [leaf, *hashes]
        )
        pymerkle.verify_inclusion(leaf, root, ours, index=index + 1, size=size)
        ours.path = [leaf, root, *hashes[1:]]
        with pytest.raises(pymerkle.InvalidProof):
            pymerkle.verify_inclusion(leaf, root, ours)


def test_our_consistency_proofs_lead_to_pymerkles_roots(
    house: House, export: Path, by_pymerkle: pymerkle.InmemoryTree
) -> None:
    size, root = head(export)
    visit = SqliteVisit(house.database)
    ours = visit.look(lambda tx: [consistency(n, size, Trail(tx).node) for n in range(1, size)])
    visit.close()
    for old, hashes in enumerate(ours, 1):
        assert is_consistent(old, by_pymerkle.get_root(old), size, root, hashes)
        if old % 2 and old > 1:  # elsewhere pymerkle has hashes of its own choosing in its proofs
            theirs = by_pymerkle.prove_consistency(old, size)
            assert sorted(theirs.path) == sorted(hashes)
            pymerkle.verify_consistency(by_pymerkle.get_root(old), root, theirs)


def by_sigstore(
    entry: bytes, index: int, hashes: list[bytes], checkpoint: str, vkey: str
) -> tuple[TransparencyLogEntry, RekorKeyring]:
    name, id, key = vkey.strip().split("+", 2)
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key)[1:])
    der = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    told = PublicKey(raw_bytes=base64.b64encode(der), key_details=PublicKeyDetails.PKIX_ED25519)
    signed = SignedCheckpoint.from_text(checkpoint).checkpoint
    assert signed.origin == name
    inner = Inner(
        log_index=str(index),
        log_id=LogId(key_id=base64.b64encode(bytes.fromhex(id))),
        kind_version=KindVersion(kind="nolone", version="1"),
        inclusion_proof=InclusionProof(
            log_index=str(index),
            root_hash=base64.b64encode(bytes.fromhex(signed.log_hash)),
            tree_size=str(signed.log_size),
            hashes=[base64.b64encode(h) for h in hashes],
            checkpoint=Checkpoint(envelope=checkpoint),
        ),
        canonicalized_body=base64.b64encode(entry),
    )
    return TransparencyLogEntry(inner), RekorKeyring(Keyring([told]))


def test_sigstores_verifier_accepts_our_proofs_and_checkpoints_and_no_others(
    house: House, export: Path
) -> None:
    vkey = house.vkey.read_text()
    for entry, index, hashes, checkpoint in proofs(export):
        found, keyring = by_sigstore(entry, index, hashes, checkpoint, vkey)
        verify_merkle_inclusion(found)
        verify_checkpoint(keyring, found)
        found, _ = by_sigstore(entry + b" ", index, hashes, checkpoint, vkey)
        with pytest.raises(VerificationError):
            verify_merkle_inclusion(found)
    other = house.folder / "other"
    found, keyring = by_sigstore(entry, index, hashes, checkpoint, house.run("keygen", other).text)
    with pytest.raises(VerificationError, match="Signature not found"):
        verify_checkpoint(keyring, found)


def check(export: Path, vkey: str) -> subprocess.CompletedProcess[str]:
    """The program that the documentation gives to an outsider."""
    (program,) = re.findall(
        r"<!-- check.py -->\n```python\n(.*?)```", DOCUMENTED.read_text(), re.DOTALL
    )
    assert "bot" not in re.findall(r"import (\w+)|from (\w+)", program)
    return subprocess.run(
        [sys.executable, "-I", "-c", program, str(export), vkey.strip()],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_outsiders_program_verifies_an_export_and_sees_a_changed_one(
    house: House, export: Path
) -> None:
    vkey = house.vkey.read_text()
    size, _ = head(export)
    done = check(export, vkey)
    assert (done.returncode, done.stdout) == (0, f"example.org/trail: {size} entries, as signed\n")
    (path,) = (export / "tile/entries/000.p").iterdir()
    path.write_bytes(path.read_bytes().replace(b"U02ANN", b"U99EVE", 1))
    assert "the entries are not those that were signed" in check(export, vkey).stderr
    (export / "checkpoint").write_text(
        (export / "checkpoint").read_text().replace(f"\n{size}\n", f"\n{size - 1}\n")
    )
    assert "InvalidSignature" in check(export, vkey).stderr
