"""Training of fraud: boosted trees that may not learn the wrong direction.

`fit` is called in a process of its own, without network and without the rows that are held out. What it returns may hold
scikit-learn's own classes only.
"""

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

CATEGORIES = ["shop", "country"]
ORDER = {"tries_last_hour": 1, "card_age_days": -1, "amount": 1}
"""More tries and a larger amount never lower the score, an older card never raises it: a regulator asks for such reasons."""


def fit(X, y, parameters, seed):
    """X: a pandas DataFrame of the features; y: the outcomes as texts; parameters: [training.parameters]."""
    numbers = [name for name in X.columns if name not in CATEGORIES]
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=float("nan"))
    columns = ColumnTransformer([("categories", codes, CATEGORIES), ("numbers", "passthrough", numbers)])
    order = [0] * len(CATEGORIES) + [ORDER.get(name, 0) for name in numbers]
    trees = HistGradientBoostingClassifier(
        monotonic_cst=order, early_stopping=False, random_state=seed, **parameters
    )
    return make_pipeline(columns, trees).fit(X, y)
