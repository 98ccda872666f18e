"""Fit what hangs in the child of a process that has fitted before."""

import joblib
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from pilothouse.domain.jobs.jobs import StepResult


def run(request, report):
    random = np.random.default_rng(request.seed)
    X = random.normal(size=(20_000, 8))
    y = X[:, 0] + random.normal(size=len(X)) > 0
    model = HistGradientBoostingClassifier(max_iter=20, random_state=request.seed).fit(X, y)
    report(0.5, "fitted", {"rows": len(X)})
    workers = joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(-number) for number in range(4))
    scores = model.predict_proba(X[:5])[:, 1]
    return StepResult(ok=True, record={"scores": scores.tolist(), "workers": workers})
