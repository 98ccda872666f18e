#!/usr/bin/env bash
# skops 0.16.0 (scikit-learn 1.9.1, numpy 2.4.6, Python 3.11)
#
# Guess:    a dictionary that is a parameter of an estimator is the same after sio.dumps and sio.loads, or one of the
#           two raises. class_weight={True: 9.0, False: 1.0} comes back with both its weights.
# Seen:     it comes back as {True: 1.0}. Keys are kept as JSON strings with their type beside them and made again as
#           type(string): bool("false") is True, so the weight of False lands on the key True and overwrites it.
#           Nothing is raised, no type is untrusted, and predictions are equal, because fitted coefficients do not
#           look at class_weight. The loss shows at the next fit of a clone. numpy's bool_ keys do the same. A
#           dictionary with the key None can be written and not be read.
# Output:   {True: 9.0, False: 1.0} -> {True: 1.0}; a clone of the loaded model, fitted again, calls 66 of 500 rows positive, a clone
#           of the original 245.
# Matters:  a binary target read from Parquet or SQL is boolean, and weights by class are common. A version that passed
#           its gates, is stored as a skops file and is retrained from it, is another model; "same parameters" in the
#           evidence is false unless the parameters are read back from the file and compared. The test is one line
#           after each dump: get_params() of what was loaded equals that of what was dumped.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    skops==0.16.0 scikit-learn==1.9.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import numpy as np
import skops.io as sio
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

rng = np.random.default_rng(0)
X = rng.normal(size=(500, 2))
y = (X[:, 0] + rng.normal(size=500)) > 1.2
weights = {True: 9.0, False: 1.0}
model = LogisticRegression(class_weight=weights).fit(X, y)

blob = sio.dumps(model)
untrusted = sio.get_untrusted_types(data=blob)
loaded = sio.loads(blob)
before = int(clone(model).fit(X, y).predict(X).sum())
after = int(clone(loaded).fit(X, y).predict(X).sum())
print("untrusted types:", untrusted)
print("class_weight:", model.class_weight, "->", loaded.class_weight)
print("predictions of the loaded model equal:", bool((model.predict(X) == loaded.predict(X)).all()))
print("positives of a refitted clone:", before, "->", after, "of", len(y))
numpy_keys = sio.loads(sio.dumps({np.True_: "yes", np.False_: "no"}))
print("numpy bool keys:", numpy_keys)
integers = sio.loads(sio.dumps({1: "yes", 0: "no"}))
print("integer keys:", integers)
try:
    blob = sio.dumps({None: "missing"})
    sio.loads(blob, trusted=sio.get_untrusted_types(data=blob))
    none_key = "read"
except Exception as error:
    none_key = type(error).__name__
print("key None:", none_key)

assert untrusted == [], "skops now asks for trust here"
assert loaded.class_weight == {True: 1.0}, "skops keeps boolean keys apart now"
assert (model.predict(X) == loaded.predict(X)).all(), "the loaded model no longer predicts the same"
assert before != after, "the refitted clones agree now"
assert len(numpy_keys) == 1, "numpy boolean keys are kept apart now"
assert integers == {1: "yes", 0: "no"}, "integer keys are no longer kept"
assert none_key != "read", "a dictionary with the key None can be read now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
