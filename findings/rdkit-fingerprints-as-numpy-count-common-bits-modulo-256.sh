#!/usr/bin/env bash
# rdkit 2026.9.1 (numpy 2.4.6, Python 3.11)
#
# Guess:    GetFingerprintAsNumPy gives zeros and ones to compute with: the product of two is the number of bits in common,
#           and from a matrix of them comes the same Tanimoto similarity as from RDKit's own function. The difference of two counts is theirs.
# Seen:     the bits are of uint8 and a product of matrices stays there: common bits are counted modulo 256. Fingerprints with more
#           bits than that (RDKit's own, atom pairs) get similarities that mean nothing. Counts are of uint32: a difference below zero is
#           4,294,967,295. sum() widens, so that the number of bits of each is right. No warning. Morgan fingerprints
#           of small molecules have few bits, so that a test with them passes.
# Output:   RDKit fingerprints of morphine, atorvastatin and paclitaxel: 1,497, 1,491 and 1,444 bits, products with themselves 217, 211, 164;
#           Tanimoto by numpy of the first two 0.03 for 0.60, of aspirin and morphine 0.03 for 0.20; Morgan the same as RDKit's.
# Matters:  a search for similar molecules, a kernel, a split by similarity or a novelty check in numpy ranks by remainders, and only for large
#           molecules. A distance by counts is dominated by one number of four milliards. Cast to float32 or int32 first, and
#           compare one pair with RDKit's function.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check rdkit==2026.9.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator as kinds

warnings.simplefilter("error")
smiles = {
    "aspirin": "CC(=O)Oc1ccccc1C(=O)O",
    "morphine": "CN1CCC23C4C1CC5=C2C(=C(C=C5)O)OC3C(C=C4)O",
    "atorvastatin": "CC(C)c1c(C(=O)Nc2ccccc2)c(-c2ccccc2)c(-c2ccc(F)cc2)n1CCC(O)CC(O)CC(=O)O",
    "paclitaxel": "CC1=C2C(C(=O)C3(C(CC4C(C3C(C(C2(C)C)(CC1OC(=O)C(C(C5=CC=CC=C5)NC(=O)C6=CC=CC=C6)O)O)OC(=O)C7=CC=CC=C7)"
    "(CO4)OC(=O)C)O)C)OC(=O)C",
}
molecules = [Chem.MolFromSmiles(text) for text in smiles.values()]


def similarities(bits):
    common = bits @ bits.T
    own = bits.sum(axis=1)
    return common / (own[:, None] + own[None, :] - common)


far = {}
for name, kind in {
    "Morgan": kinds.GetMorganGenerator(radius=2),
    "RDKit": kinds.GetRDKitFPGenerator(),
    "atom pairs": kinds.GetAtomPairGenerator(),
}.items():
    bits = np.array([kind.GetFingerprintAsNumPy(molecule) for molecule in molecules])
    right = np.array([DataStructs.BulkTanimotoSimilarity(kind.GetFingerprint(one), [kind.GetFingerprint(m) for m in molecules])
                      for one in molecules])
    ours = similarities(bits)
    far[name] = float(np.abs(ours - right).max())
    print(f"{name:10} {bits.dtype}, bits of {', '.join(smiles)}: {bits.sum(axis=1).tolist()}, by a product {np.diag(bits @ bits.T).tolist()}")
    print(f"{'':10} aspirin and morphine {ours[0, 1]:.2f} (RDKit {right[0, 1]:.2f}), "
          f"morphine and atorvastatin {ours[1, 2]:.2f} (RDKit {right[1, 2]:.2f}); farthest off {far[name]:.2g}")
    assert np.allclose(similarities(bits.astype(np.float32)), right), "as floats they differ too"
assert far["Morgan"] < 1e-9, "Morgan fingerprints are wrong too"
assert far["RDKit"] > 0.5 and far["atom pairs"] > 0.5, "bits in common are counted whole now"
counts = [kinds.GetMorganGenerator().GetCountFingerprintAsNumPy(molecule) for molecule in molecules[:2]]
largest = int(np.abs(counts[0] - counts[1]).max())
print(f"counts are {counts[0].dtype}; largest difference of two: {largest:,}, as integers {np.abs(counts[0].astype(int) - counts[1].astype(int)).max()}")
assert largest == 2**32 - 1, "differences of counts have a sign now"
PY
export OMP_NUM_THREADS=1
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
