#!/usr/bin/env bash
# skl2onnx 1.20.0, onnxruntime 1.32.0, onnx 1.23.2, protobuf 6.33.6 (scikit-learn 1.9.1, numpy 2.4.6, Python 3.11)
#
# Guess:    a classifier that converts without a word answers scikit-learn's labels and probabilities; what the converter
#           does not know it refuses, as it does FixedThresholdClassifier.
# Seen:     1. TunedThresholdClassifierCV converts; probabilities are right, and labels are cut at a half again, not at the
#              threshold that was tuned.
#           2. LinearDiscriminantAnalysis of two classes converts; labels are right, and probabilities are other ones, too near
#              to 0 and 1. With three classes they agree.
# Output:   1. labels that differ 0.1 and more, probabilities by 1e-6; 2. labels 0, probability by more than 0.1.
# Matters:  a check of probabilities passes the first, a check of labels the second. Compare both.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    skl2onnx==1.20.0 onnxruntime==1.32.0 onnx==1.23.2 protobuf==6.33.6 scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import TunedThresholdClassifierCV

warnings.filterwarnings("ignore")
rng = np.random.default_rng(0)
rows = rng.normal(size=(1500, 4)).astype(np.float32)
signal = rows[:, 0] + rows[:, 1] * rows[:, 2] + rng.normal(size=1500) * 0.7
two, three = (signal > 1).astype(int), np.digitize(signal, [-0.5, 1.2])


def compare(name, model, label):
    """Share of labels that differ, and the largest difference of a probability."""
    model.fit(rows[:1000], label[:1000])
    converted = to_onnx(model, rows[:1], options={id(model): {"zipmap": False}})
    session = onnxruntime.InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])
    labels, probabilities = session.run(None, {session.get_inputs()[0].name: rows[1000:]})
    labels_differ = float(np.mean(labels != model.predict(rows[1000:])))
    most = float(np.abs(probabilities - model.predict_proba(rows[1000:])).max())
    print(f"{name:20} labels that differ {labels_differ:.3f}, probability by up to {most:.2g}")
    return labels_differ, most


tuned = compare("tuned threshold", TunedThresholdClassifierCV(LogisticRegression()), two)
plain = compare("logistic regression", LogisticRegression(), two)
lda = compare("LDA, two classes", LinearDiscriminantAnalysis(), two)
more = compare("LDA, three classes", LinearDiscriminantAnalysis(), three)
assert tuned[0] > 0.1 and tuned[1] < 1e-5, "the threshold is converted now"
assert lda[0] == 0 and lda[1] > 0.1, "LDA of two classes is converted rightly now"
assert max(plain) < 1e-5 and max(more) < 1e-4, "a neighbouring model is converted wrongly now"
PY
OMP_NUM_THREADS=1 nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
