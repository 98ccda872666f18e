#!/usr/bin/env bash
# nibabel 5.4.2 (numpy 2.4.6, Python 3.11)
#
# Guess:    a map of labels read by get_fdata(), changed in one voxel and saved with the header that it came with
#           holds the same whole numbers; a map of probabilities saved with the header of its mask keeps its floats, or is refused.
# Seen:     the header's type wins over the array's: floats are scaled into the int16 or uint8 of the header, with a slope
#           that is chosen by the range, even where every value is a whole number that the type can hold. Label 1 is read as
#           0.99998, and astype(int) makes it 0; labels 4 and 5 stay, 7 is 6 or 7 by rounding. Missing voxels (NaN) are read as 0.
#           A map of probabilities saved with a mask's uint8 has 256 different values. No warning. In a NIfTI file made of
#           whole numbers, or with the header's type set first, all stay.
# Output:   labels 0 to 7 are read as 0 0 1 2 4 5 6 6 by astype(int); NaN as 0.0; 8,000 probabilities as 256.
# Matters:  that is the usual way to post-process a segmentation, and what is cut by one is a different organ. Scores by
#           overlap fall for some labels only. Use np.rint, set_data_dtype before saving, and compare the set of labels
#           in the file with the one that was meant; missing voxels need a mask of their own.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check nibabel==5.4.2 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import sys
import warnings

import nibabel as nib
import numpy as np

warnings.simplefilter("error")
work = sys.argv[1]


def again(image, name):
    nib.save(image, f"{work}/{name}.nii.gz")
    return nib.load(f"{work}/{name}.nii.gz")


labels = np.zeros((4, 4, 4), np.int16)
labels.flat[:8] = range(8)
stored = again(nib.Nifti1Image(labels, np.eye(4)), "labels")
changed = stored.get_fdata()
changed[3, 3, 3] = np.nan
saved = again(nib.Nifti1Image(changed, stored.affine, stored.header), "changed").get_fdata()
cut, rounded = saved.flat[:8].astype(int).tolist(), np.rint(saved.flat[:8]).astype(int).tolist()
print("labels 0 to 7 as read:  ", [round(float(one), 5) for one in saved.flat[:8]])
print("by astype(int):         ", cut)
print("the missing voxel:      ", saved[3, 3, 3])

header = stored.header.copy()
header.set_data_dtype(np.float32)
kept = again(nib.Nifti1Image(changed, stored.affine, header), "kept").get_fdata()
print("with the type set first:", kept.flat[:8].astype(int).tolist(), kept[3, 3, 3])

mask = again(nib.Nifti1Image(np.ones((20, 20, 20), np.uint8), np.eye(4)), "mask")
chances = np.random.default_rng(0).random((20, 20, 20))
coarse = again(nib.Nifti1Image(chances, mask.affine, mask.header), "chances").get_fdata()
print("different probabilities:", len(np.unique(chances)), "written,", len(np.unique(coarse)), "read")

assert stored.get_fdata().flat[:8].tolist() == list(range(8)), "labels of whole numbers are scaled as well now"
assert cut == [0, 0, 1, 2, 4, 5, 6, 6] and rounded == list(range(8)), "labels are scaled otherwise now"
assert saved[3, 3, 3] == 0, "a missing voxel is no longer read as zero"
assert kept.flat[:8].tolist() == list(range(8)) and np.isnan(kept[3, 3, 3])
assert len(np.unique(chances)) == 8_000 and len(np.unique(coarse)) == 256
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work"
echo "behaviour as described"
