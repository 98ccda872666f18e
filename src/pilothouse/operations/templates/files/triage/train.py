"""Training of triage: a message that is urgent and is read late costs more than one that is read too early.

`fit` is called in a process of its own, without network and without the rows that are held out. What it returns may hold
scikit-learn's own classes only.
"""

from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

CATEGORIES = ["came_by"]


def fit(X, y, parameters, seed):
    """X: a pandas DataFrame of the features; y: the outcomes as texts; parameters: [training.parameters]."""
    numbers = [name for name in X.columns if name not in CATEGORIES]
    columns = ColumnTransformer(
        [
            ("categories", OneHotEncoder(handle_unknown="ignore"), CATEGORIES),
            # that a temperature was not taken is a fact of its own
            ("numbers", make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), numbers),
        ]
    )
    weights = {"routine": 1.0, "soon": 1.0, "urgent": parameters["urgent"]}
    model = LogisticRegression(class_weight=weights, max_iter=1_000, random_state=seed)
    return make_pipeline(columns, model).fit(X, y)
