"""A training whose function logs with MLflow: ``track_training.py FOLDER``, in an environment with both. Prints JSON."""

import hashlib
import io
import json
import sys
import zipfile
from pathlib import Path

from pilothouse.daemon import control
from pilothouse.operations.catalogue import require_version
from pilothouse.store.work import runs
from support.small_workspace import make_small_workspace

CODE = """
import mlflow
from sklearn.linear_model import LogisticRegression

def fit(X, y, parameters, seed):
    mlflow.autolog(log_models=False, silent=True)
    with mlflow.start_run(run_name="mine"):
        mlflow.log_param("depth", 3)
        for step in range(5):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_metric("undefined", float("nan"))
        with open("remark.txt", "w") as stream:
            stream.write("seen")
        mlflow.log_artifact("remark.txt")
        mlflow.log_text("ours", "model/theirs.txt")
        mlflow.set_tags({"team": "night", "mlflow.note.content": "a first try"})
        mlflow.log_input(mlflow.data.from_pandas(X, name="rows"), context="training", tags={"kind": "small"})
        model = LogisticRegression().fit(X.fillna(0), y)
        mlflow.sklearn.log_model(model, name="model", pip_requirements=["scikit-learn"])
    mlflow.autolog(disable=True)
    with mlflow.start_run(run_name="second/try"):
        mlflow.log_text("more", "notes/more.txt")
        mlflow.set_tag("team", "day")
    return model
"""


ENDS_LATE_S = 600.0
"""MLflow alone takes a busy machine a minute to import."""


def main() -> None:
    made = make_small_workspace(Path(sys.argv[1]))
    made.write_model('function = "train.py:fit"', code=CODE, timeout="10m")
    control.start_in_background(made.root, serve_targets=False)
    try:
        job = made.ended(made.train().id, ENDS_LATE_S)
    finally:
        control.stop(made.root)
    if job.error:
        print(json.dumps({"error": job.error}))
        return
    with made.services.registry.read() as connection:
        version = require_version(connection, "models:/delay/1")
        files = runs.files_of(connection, version.run_id)
    record = json.loads(made.services.artifacts.read(files["mlflow"].digest))
    archive = zipfile.ZipFile(io.BytesIO(made.services.artifacts.read(files["mlflow_files"].digest)))
    digests = {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}
    print(json.dumps({"error": "", "record": record, "digests": digests}))


if __name__ == "__main__":
    main()
