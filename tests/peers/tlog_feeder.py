"""A log of aics-tlog that grows, is written anew and shrinks, fed to the witness at URL with KEY by aics-witness's own client.

Prints what came of each head, as JSON. Run by the environment of the peer: ``tlog_feeder.py URL KEY``.
"""

import json
import sys

import aics_tlog
from aics_witness import feeder
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ORIGIN, SEED = "peer.example/log", bytes(range(64, 96))


def main(url: str, witness: str) -> None:
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    if not url:
        print(aics_tlog.format_vkey(aics_tlog.vkey_from_ed25519(ORIGIN, key.public_key())))
        return
    entries = [f"entry {number}".encode() for number in range(700)]
    tree, other = aics_tlog.MerkleTree(entries), aics_tlog.MerkleTree([b"another", *entries[1:]])

    def submit(of: aics_tlog.MerkleTree, size: int) -> str:
        note = aics_tlog.sign_checkpoint(aics_tlog.Checkpoint(ORIGIN, size, of.root(size)), key, ORIGIN)
        with feeder.WitnessClient(url, witness) as client:
            try:
                line = client.submit(note.to_bytes(), of.consistency_proof)
            except feeder.WitnessRejected as error:
                return str(error.status)
            except feeder.WitnessConflict as error:
                return f"holds {error.known_size}"
        return "cosigned" if line.startswith("— ") else line

    answers = [submit(tree, size) for size in (1, 12, 12, 300, 700)]
    answers += [submit(other, 700), submit(other, 400), submit(tree, 400)]
    print(json.dumps(answers))


if __name__ == "__main__":
    main(*sys.argv[1:])
