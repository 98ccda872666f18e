"""Formats against an independent implementation's bytes and the specifications' own examples."""

import hashlib
import re
from typing import Any

import pytest

from pilothouse.domain.errors import IntegrityError, InvalidInputError
from pilothouse.transparency import checkpoints, merkle, notes, policies, proofs, tiles
from transparency.conftest import LOG_KEY, ORIGIN, TIME, WITNESS_KEY, Log

LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Leaves and roots of the tests of certificate-transparency, the first implementation of RFC 6962."""


def test_roots_are_those_of_certificate_transparency() -> None:
    log = Log([bytes.fromhex(leaf) for leaf in LEAVES])

    assert [merkle.root(size, log.subtree).hex() for size in range(1, 9)] == ROOTS
    assert [merkle.fold(log.leaves[:size]).hex() for size in range(1, 9)] == ROOTS
    assert merkle.root(0, log.subtree) == merkle.fold([]) == hashlib.sha256(b"").digest()


def test_the_note_of_the_specification_is_verified() -> None:
    key = notes.parse_key("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
    note = notes.parse_note(
        "This is an example message.\n\n— example.com/foo "
        "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
    )

    assert notes.check_signed(note, [key]) == key
    with pytest.raises(IntegrityError, match="wrong"):
        notes.check_signed(notes.Note("Another message.\n", note.signatures), [key])
    with pytest.raises(IntegrityError, match="no key that is trusted"):
        notes.check_signed(note, [LOG_KEY.public])


def test_heads_are_byte_for_byte_those_of_aics_tlog(log: Log, aics: dict[str, Any]) -> None:
    assert str(LOG_KEY.public) == aics["log"]
    assert str(WITNESS_KEY.public) == aics["witness"]
    for text, expected in aics["heads"].items():
        size = int(text)
        head = checkpoints.sign(log.head(size), LOG_KEY)
        cosignature = checkpoints.cosign(head, WITNESS_KEY, TIME + size)

        assert str(head.note.plus([cosignature])) == expected
        parsed = checkpoints.parse(expected)
        assert parsed.checkpoint == log.head(size)
        assert checkpoints.check(parsed, [LOG_KEY.public]) == LOG_KEY.public
        assert checkpoints.cosigned_at(parsed, WITNESS_KEY.public) == TIME + size


def test_proofs_are_those_of_aics_tlog(log: Log, aics: dict[str, Any]) -> None:
    for name, expected in aics["inclusion"].items():
        index, size = map(int, name.split())
        assert [notes.encode(one) for one in merkle.inclusion_proof(index, size, log.subtree)] == expected
    for name, expected in aics["consistency"].items():
        old, new = map(int, name.split())
        assert [notes.encode(one) for one in merkle.consistency_proof(old, new, log.subtree)] == expected


def test_tiles_are_those_of_aics_tlog(log: Log, aics: dict[str, Any]) -> None:
    made = {}
    for tile in tiles.tiles_of(700):
        hashes = [log.subtree(8 * tile.level, 256 * tile.place + i) for i in range(tile.width)]
        made[tile.path] = hashlib.sha256(b"".join(hashes)).hexdigest()
        if tile.level == 0:
            entries = log.entries[256 * tile.place :][: tile.width]
            made[tile.bundle_path] = hashlib.sha256(tiles.bundle(entries)).hexdigest()
            assert tiles.parse_bundle(tiles.bundle(entries)) == entries

    assert made == aics["tiles"]
    assert tiles.Tile(0, 1234067, 256).path == aics["paths"]["1234067"] == "tile/0/x001/x234/067"
    assert tiles.Tile(1, 1000, 7).path == aics["paths"]["1000 of level 1, 7 wide"]
    assert tiles.Tile(0, 273, 112).bundle_path == aics["paths"]["bundle 273, 112 wide"]


def test_the_tiles_of_the_specifications_example_tree() -> None:
    counted: dict[tuple[int, bool], list[int]] = {}
    for tile in tiles.tiles_of(70_000):
        counted.setdefault((tile.level, tile.width == 256), []).append(tile.width)

    assert {key: (len(widths), widths[-1]) for key, widths in counted.items()} == {
        (0, True): (273, 256), (0, False): (1, 112), (1, True): (1, 256), (1, False): (1, 17), (2, False): (1, 1),
    }  # fmt: skip
    assert list(tiles.tiles_of(256)) == [tiles.Tile(0, 0, 256), tiles.Tile(1, 0, 1)]
    assert list(tiles.tiles_of(520, 513)) == [tiles.Tile(0, 2, 8), tiles.Tile(1, 0, 2)]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 100, 257, 700])
def test_every_proof_of_inclusion_holds_for_its_own_entry_alone(log: Log, size: int) -> None:
    root = log.head(size).root
    for index in range(0, size, 1 + size // 60):
        proof = merkle.inclusion_proof(index, size, log.subtree)
        merkle.check_inclusion(index, size, log.leaves[index], proof, root)
        for wrong in (log.leaves[(index + 1) % 700], log.entries[index]):
            with pytest.raises(IntegrityError):
                merkle.check_inclusion(index, size, wrong, proof, root)
        with pytest.raises(IntegrityError):
            merkle.check_inclusion(index, size, log.leaves[index], [*proof, root], root)


def test_every_proof_of_consistency_holds_for_its_own_tree_alone(log: Log) -> None:
    other = Log([b"another", *log.entries[1:]])
    for old in (0, 1, 2, 3, 4, 7, 64, 65, 100, 127, 128, 129):
        for new in (old, old + 1, 128, 129, 200):
            if old > new:
                continue
            proof = merkle.consistency_proof(old, new, log.subtree)
            first, second = log.head(old).root, log.head(new).root
            merkle.check_consistency(old, new, first, second, proof)
            if old == 0:
                continue
            theirs = merkle.consistency_proof(old, new, other.subtree)
            for root in (first, other.head(old).root):
                with pytest.raises(IntegrityError):
                    merkle.check_consistency(
                        old, new, root, other.head(new).root if root == first else second, theirs
                    )
            if proof:
                with pytest.raises(IntegrityError):
                    merkle.check_consistency(old, new, first, second, proof[:-1])


def test_a_proof_file_is_read_back_and_verified(log: Log) -> None:
    head = checkpoints.sign(log.head(700), LOG_KEY)
    cosigned = checkpoints.SignedCheckpoint(
        head.checkpoint, head.note.plus([checkpoints.cosign(head, WITNESS_KEY, TIME)])
    )
    proof = proofs.Proof(299, tuple(merkle.inclusion_proof(299, 700, log.subtree)), cosigned)
    text = str(proof)

    assert text.startswith("c2sp.org/tlog-proof@v1\nindex 299\n")
    assert re.search(r"=\n\nacme\.example/ops/1a2b3c4d\n700\n", text)
    assert proofs.parse(text) == proof
    assert proofs.parse(text.replace("\nindex", "\nextra QUJD\nindex", 1)) == proof
    enough = policies.at_least(1, [LOG_KEY.public], {"w1": WITNESS_KEY.public})
    proofs.check(proofs.parse(text), log.entries[299], enough)
    for faulty, entry, policy in (
        (text, log.entries[298], enough),
        (text.replace("index 299", "index 298"), log.entries[299], enough),
        (str(proofs.Proof(299, proof.hashes, head)), log.entries[299], enough),
        (text, log.entries[299], policies.at_least(0, [notes.new_key(ORIGIN).public], {})),
    ):
        with pytest.raises(IntegrityError):
            proofs.check(proofs.parse(faulty), entry, policy)


def test_a_policy_file_of_two_groups(log: Log) -> None:
    keys = {
        name: notes.new_key(f"{name}.example", notes.COSIGNATURE) for name in ("X1", "X2", "X3", "Y1", "Y2")
    }
    lines = [
        f"log {LOG_KEY.public} https://log.example",
        "# those of X",
        *(f"witness {n} {k.public}" for n, k in keys.items()),
    ]
    text = "\n".join(
        [*lines, "group X 2 X1 X2 X3", "group\tY any Y1 Y2", "group both all X Y", "quorum both", ""]
    )
    policy = policies.parse(text)

    head = checkpoints.sign(log.head(9), LOG_KEY)
    for names, enough in (
        (("X1", "X3", "Y2"), True),
        (("X1", "X2", "X3"), False),
        (("X1", "Y1", "Y2"), False),
    ):
        note = head.note.plus(checkpoints.cosign(head, keys[name], TIME) for name in names)
        assert policy.is_met(policy.cosigners(checkpoints.SignedCheckpoint(head.checkpoint, note))) is enough
    assert policies.parse(str(policy)) == policy
    for fault in (
        "quorum none",
        "group X any X1",
        "group Z 3 X1 X2",
        "group Z any W1",
        f"witness W {keys['X1'].public}",
        "what",
    ):
        with pytest.raises(InvalidInputError, match=f"line {text.count(chr(10)) + 1} of the policy"):
            policies.parse(f"{text}{fault}\n")


@pytest.mark.parametrize(
    "text",
    [
        "", "\n", "a\n1\n", "a\n01\nAAAA\n\n— a AAAAAAA=\n", "a\r\n1\n\n— a AAAAAAA=\n", "a\n\n- a AAAAAAA=\n",
        "a\n\n— a b AAAAAAA=\n", "a\n\n— a AAAAAAA=",
        "a\n1\nAAAA\n\n— a AAAAAAA=\n", "a\n1\n" + "A" * 44 + "\n\n— a AAAAAAA=\n",
        "a\n1\n" + "A" * 43 + "=\n\n— a AAAAAAA=\n" * 70, "a\n9" + "9" * 400 + "\n" + "A" * 43 + "=\n\n— a AAAAAAA=\n",
    ],
)  # fmt: skip
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        checkpoints.parse(text)


def test_keys_are_read_back_and_their_faults_named() -> None:
    key = notes.new_key("acme.example/x")
    assert notes.parse_private_key(key.to_text()) == key
    assert notes.parse_key(str(key.public)) == key.public
    assert "PRIVATE" not in repr(key)
    assert key.seed.hex() not in repr(key)
    for faulty in (str(key.public)[:-4], str(key.public).replace("acme", "bcme"), "x", "x+y+z", ""):
        with pytest.raises(InvalidInputError):
            notes.parse_key(faulty)
    with pytest.raises(IntegrityError):
        notes.parse_private_key(key.to_text().replace("acme", "bcme"))
    for name in ("", "a b", "a+b", "a\nb", "a" * 256, "a\x00b"):
        with pytest.raises(InvalidInputError):
            notes.new_key(name)
