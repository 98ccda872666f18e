"""What aics-tlog makes of fixed keys and entries, as JSON on stdout: run by its own environment, kept in tests/transparency."""

import base64
import hashlib
import json
import sys

import aics_tlog
from aics_tlog import tiles
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ORIGIN, WITNESS = "acme.example/ops/1a2b3c4d", "witness.example/w1"
LOG_SEED, WITNESS_SEED, TIME = bytes(range(32)), bytes(range(32, 64)), 1_764_374_400
SIZES = (1, 2, 3, 7, 8, 255, 256, 257, 600, 700)
PAIRS = ((1, 2), (3, 7), (7, 8), (8, 700), (255, 257), (256, 600), (512, 700), (600, 700), (699, 700))


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def entry(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def main() -> None:
    log, witness = (Ed25519PrivateKey.from_private_bytes(seed) for seed in (LOG_SEED, WITNESS_SEED))
    entries = [entry(number) for number in range(max(SIZES))]
    tree = aics_tlog.MerkleTree(entries)
    heads = {}
    for size in SIZES:
        head = aics_tlog.Checkpoint(ORIGIN, size, tree.root(size))
        note = aics_tlog.sign_checkpoint(head, log, ORIGIN)
        _, line = aics_tlog.sign_cosignature(witness, WITNESS, TIME + size, ORIGIN, size, tree.root(size))
        heads[size] = aics_tlog.Note(text=note.text, signatures=(*note.signatures, line)).serialise()
    files = tiles.materialise_tiles(entries)
    json.dump(
        {
            "log": aics_tlog.format_vkey(aics_tlog.vkey_from_ed25519(ORIGIN, log.public_key())),
            "witness": aics_tlog.format_vkey(aics_tlog.cosignature_vkey(WITNESS, witness.public_key())),
            "heads": heads,
            "inclusion": {
                f"{i} {n}": [text(h) for h in tree.inclusion_proof(i, n)]
                for n in SIZES
                for i in {0, n // 2, n - 1}
            },
            "consistency": {f"{a} {b}": [text(h) for h in tree.consistency_proof(a, b)] for a, b in PAIRS},
            "tiles": {path: hashlib.sha256(data).hexdigest() for path, data in sorted(files.items())},
            "paths": {
                "1234067": tiles.tile_path(0, 1234067),
                "1000 of level 1, 7 wide": tiles.tile_path(1, 1000, 7),
                "bundle 273, 112 wide": tiles.entry_bundle_path(273, 112),
            },
        },
        sys.stdout,
        indent=1,
        sort_keys=True,
    )
    print()


if __name__ == "__main__":
    main()
