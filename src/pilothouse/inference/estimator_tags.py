"""What scikit-learn asks of an estimator before it works with one: its kind, and what it takes."""

from typing import Any


def tags(task: str) -> Any:
    """Tags (``sklearn.utils.Tags``) of a fitted model of ours: a classifier of two or more classes, or a regressor."""
    from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags

    is_regression = task == "regression"
    return Tags(
        estimator_type="regressor" if is_regression else "classifier",
        target_tags=TargetTags(required=False),
        classifier_tags=None if is_regression else ClassifierTags(multi_class=task != "binary"),
        regressor_tags=RegressorTags() if is_regression else None,
        input_tags=InputTags(categorical=True, string=True, allow_nan=True),
    )
