#!/usr/bin/env bash
# interpret-core 0.7.8 (scikit-learn 1.9.1, pandas 2.3.3, numpy 2.4.6, Python 3.11)
#
# Guess:    a column of texts is nominal in an explainable boosting machine, as in every library that looks at the type of a column; "007"
#           and "7" are two values.
# Seen:     texts that all read as numbers become one: "007" and "7" are the same value, and the answer for both is the mean of the two.
#           The same texts as a pandas category, or one text with a letter among them, and the column is nominal. The type
#           of each column is in feature_types_in_. No warning.
# Output:   four codes, "007" always 1, "7" always 0: 0.49 and 0.49 from a column of object or string; 1.00 and 0.00 from a category, or
#           with feature_types=["nominal", ...], or where one row in 4000 has the code "x7".
# Matters:  codes of branches, tariffs and diagnoses keep their zeros in front in the source and lose them in the model. It is the rows, not the
#           type, that decide: a week with a letter in it trains another kind of model. Name feature_types.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    interpret-core==0.7.8 scikit-learn==1.9.1 scipy==1.17.1 pandas==2.3.3 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
import pandas as pd

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from interpret.glassbox import ExplainableBoostingClassifier

warnings.simplefilter("error")
rng = np.random.default_rng(0)
codes = rng.choice(["007", "7", "70", "700"], 4000)
other = rng.normal(size=4000)
label = np.select([codes == "007", codes == "7"], [1, 0], rng.integers(0, 2, 4000))


def answers(column, **options):
    """The kind that the column is taken for, and the mean answer for "007" and for "7"."""
    frame = pd.DataFrame({"code": column, "other": other})
    model = ExplainableBoostingClassifier(interactions=0, outer_bags=2, n_jobs=1, random_state=0, **options).fit(frame, label)
    chance = pd.Series(model.predict_proba(frame)[:, 1]).groupby(np.asarray(column, dtype=object)).mean()
    return model.feature_types_in_[0], round(float(chance["007"]), 2), round(float(chance["7"]), 2)


one_letter = codes.astype(object)
one_letter[np.flatnonzero(codes == "70")[0]] = "x7"
seen = {
    "object": answers(pd.Series(codes, dtype=object)),
    "string": answers(pd.Series(codes, dtype="string")),
    "category": answers(pd.Series(codes, dtype="category")),
    "object, named nominal": answers(pd.Series(codes, dtype=object), feature_types=["nominal", "continuous"]),
    "object, one letter": answers(pd.Series(one_letter, dtype=object)),
}
for name, value in seen.items():
    print(f"{name:22} {value}")
for name, (kind, first, second) in seen.items():
    if name in ("object", "string"):
        assert kind == "continuous" and first == second and 0.4 < first < 0.6, f"{name}: the codes are kept apart now"
    else:
        assert kind == "nominal" and first > 0.95 and second < 0.05
PY
OMP_NUM_THREADS=1 nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
