#!/usr/bin/env bash
# safetensors 0.8.0 × scikit-learn 1.9.1 × pandas 3.1.1 (numpy 2.4.6, Python 3.11)
#
# Guess:    safetensors.numpy.save and load give the same array back, or raise for one that they cannot write.
# Seen:     an array in Fortran order is written in the order of its memory under the shape of its rows: the numbers are
#           all there, in other places. Nothing is raised; shape, dtype, sum and file size are right. 0.7.0 wrote it
#           rightly (known as the project's issue 825, open in 0.8.0).
#           scikit-learn and pandas hand such arrays out all the time: frame.to_numpy() and the coef_ of a Ridge with
#           several targets below. A coefficient of one row is in both orders, so tests on binary models pass.
# Output:   [[1, 4], [2, 5], [3, 6]] comes back as [[1, 2], [3, 4], [5, 6]]; Ridge predicts otherwise than before.
# Matters:  any portable form of a model that keeps arrays by raw bytes has this trap; a digest of the file is no
#           protection, because the file is intact. Write np.ascontiguousarray(a), and compare the arrays that were read
#           back with those in memory, or the predictions to the bit, before a version is registered.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    safetensors==0.8.0 scikit-learn==1.9.1 pandas==3.1.1 numpy==2.4.6 scipy==1.17.1
cat > "$work/check.py" <<'PY'
import numpy as np
import pandas as pd
from safetensors.numpy import load, save
from sklearn.linear_model import Ridge


def back(array):
    return load(save({"a": array}))["a"]


frame = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [4.0, 5.0, 6.0]})
rows = frame.to_numpy()
print("frame.to_numpy() in C order:", rows.flags.c_contiguous)
print(rows.tolist(), "->", back(rows).tolist())
assert back(rows).shape == rows.shape and back(rows).sum() == rows.sum(), "shape or sum changed"
assert not np.array_equal(back(rows), rows), "a frame's values come back as they were now"

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 4))
model = Ridge().fit(X, X @ rng.normal(size=(4, 3)))
kept = back(model.coef_)
worst = float(np.abs(X @ kept.T - X @ model.coef_.T).max())
print("Ridge, three targets: coef_ in C order:", model.coef_.flags.c_contiguous, "| largest change of a prediction:", round(worst, 3))
assert not model.coef_.flags.c_contiguous, "the coefficients are in C order now"
assert worst > 0.1, "the coefficients come back as they were now"

single = Ridge().fit(X, X[:, :1])
print("Ridge, one target: equal:", np.array_equal(back(single.coef_), single.coef_))
assert np.array_equal(back(single.coef_), single.coef_), "one row of coefficients changes too"
assert np.array_equal(back(np.ascontiguousarray(rows)), rows), "an array in C order changes too"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
