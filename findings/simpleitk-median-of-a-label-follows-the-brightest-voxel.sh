#!/usr/bin/env bash
# SimpleITK 2.5.7 (numpy 2.4.6, Python 3.11)
#
# Guess:    the median of a label is the middle of its voxels: it is what one takes because a single voxel of metal cannot move it.
# Seen:     LabelStatisticsImageFilter and LabelIntensityStatisticsImageFilter take the median from a histogram of few bins from the
#           smallest to the largest voxel of the whole image. One bright voxel widens the bins for every label: all that is of interest falls
#           in one of them, and all labels have the same median, in a label without the bright voxel too. Mean and
#           standard deviation are exact. No warning.
# Output:   64,000 voxels, two tissues around 40 and 100: medians 40.1 and 100.0 (NumPy 40.0 and 99.9). With one voxel of 30,000 in the
#           first: 58.8 and 58.8, by the other filter 117.3 and 117.3 (NumPy as before). The means: 40.9 and 100.0.
# Matters:  features of tumours, doses in organs, or a check of brightness by the median: a tooth filling makes all patients' organs
#           alike, and the figure chosen for being robust is the one that is lost. Take the voxels of the label to NumPy.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check SimpleITK==2.5.7 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import numpy as np
import SimpleITK as sitk

rng = np.random.default_rng(0)
labels = np.ones((40, 40, 40), np.uint8)
labels[:20] = 2
plain = np.where(labels == 2, 100, 40) + rng.normal(scale=10, size=labels.shape)
metal = plain.copy()
metal[39, 39, 39] = 30_000


def figures(voxels):
    image, marks = sitk.GetImageFromArray(voxels), sitk.GetImageFromArray(labels)
    first, second = sitk.LabelStatisticsImageFilter(), sitk.LabelIntensityStatisticsImageFilter()
    first.Execute(image, marks)
    second.Execute(marks, image)
    return [
        (first.GetMedian(label), second.GetMedian(label), float(np.median(voxels[labels == label])),
         first.GetMean(label), float(voxels[labels == label].mean()))
        for label in (1, 2)
    ]


seen = {"without metal": figures(plain), "one voxel of 30,000": figures(metal)}
for name, both in seen.items():
    for label, (median, other, right, mean, right_mean) in enumerate(both, 1):
        print(f"{name:19} label {label}: median {median:.1f}, by LabelIntensityStatistics {other:.1f}, by NumPy {right:.1f}; "
              f"mean {mean:.1f}, by NumPy {right_mean:.1f}")
        assert np.isclose(mean, right_mean), "means have changed"
for median, other, right, *_ in seen["without metal"]:
    assert abs(median - right) < 1 and abs(other - right) < 1, "medians are off without metal too"
(one, one_other, one_right, *_), (two, two_other, two_right, *_) = seen["one voxel of 30,000"]
assert one_right < 41 and two_right > 99
assert one == two and one_other == two_other, "the labels' medians are told apart now"
assert abs(one - one_right) > 10 and abs(two - two_right) > 10, "medians withstand one bright voxel now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
