"""Writes a small store with MLflow's own client: ``write_small.py FOLDER``, under MLflow's environment.

It has what an import meets: skops files of several kinds, a pickle, a version of a run's own folder, a name that is hostile, a
deleted version, curves, values that are no numbers, data sets, tags, stages and aliases.
"""

import os
import sys
import warnings
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HOSTILE = "Churn \x1b[2J\u202e'x'"
_TREE = "sklearn.tree._tree.Tree"
_BOOSTED = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"


def main() -> None:
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    client = mlflow.MlflowClient()
    mlflow.create_experiment("risk", artifact_location=(folder / "mlruns" / "1").as_uri())
    mlflow.set_experiment("risk")
    random = np.random.default_rng(1)
    rows = pd.DataFrame({"age": random.normal(size=80), "income": random.normal(size=80)})
    late = (rows.age + rows.income > 0).astype(int)
    estimators = (
        (make_pipeline(StandardScaler(), LogisticRegression()), late, {}),
        (RandomForestClassifier(3, random_state=0), late, {"skops_trusted_types": [_TREE, "numpy.dtype"]}),
        (
            HistGradientBoostingRegressor(max_iter=3),
            rows.age,
            {"skops_trusted_types": [_BOOSTED, "numpy.dtype"]},
        ),
        (LogisticRegression(), late, {"serialization_format": "cloudpickle"}),
    )
    for number, (estimator, outcome, settings) in enumerate(estimators):
        with mlflow.start_run(run_name=f"run {number}"):
            mlflow.log_params({"number": number, "estimator": type(estimator).__name__})
            data = mlflow.data.from_pandas(
                rows.assign(late=late), source="rows.csv", targets="late", name="rows"
            )
            mlflow.log_input(data, context="training")
            for step in range(4):
                mlflow.log_metric("loss", 1 / (step + 1), step=step)
            mlflow.log_metric("undefined", float("nan"))
            mlflow.log_metric("endless", float("inf"))
            mlflow.set_tag("team", "risk")
            mlflow.log_text("seen by nobody", "notes/remark.txt")
            estimator.fit(rows, outcome)
            mlflow.sklearn.log_model(
                estimator,
                name="model",
                signature=infer_signature(rows, estimator.predict(rows)),
                input_example=rows.head(3),
                registered_model_name="Credit Risk",
                **settings,
            )
    with mlflow.start_run(run_name="by hand") as run:
        mlflow.log_metric("loss", 0.5)
        mlflow.log_text("flavors: {}\n", "model/MLmodel")
    with mlflow.start_run(run_name="alone"):  # of no version
        mlflow.log_param("depth", 3)
        mlflow.log_metric("loss", 0.25)
    for name in ("Old", HOSTILE):
        client.create_registered_model(name)
        client.create_model_version(name, f"runs:/{run.info.run_id}/model", run.info.run_id)
    client.set_registered_model_alias("Credit Risk", "Champion", "1")
    client.set_registered_model_alias("Credit Risk", "é", "2")
    client.set_registered_model_tag("Credit Risk", "owner", "ada")
    client.set_model_version_tag("Credit Risk", "1", "checked", "yes\x1b[31m")
    client.update_registered_model("Credit Risk", description="Who pays late.\nSecond line \x07")
    client.update_model_version("Credit Risk", "2", "a forest")
    client.transition_model_version_stage("Credit Risk", "2", "Production")
    extra = client.create_model_version("Credit Risk", f"runs:/{run.info.run_id}/model", run.info.run_id)
    client.delete_model_version("Credit Risk", extra.version)


if __name__ == "__main__":
    main()
