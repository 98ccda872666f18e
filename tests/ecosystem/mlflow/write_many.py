"""Writes a store of many versions with MLflow's own client: ``write_many.py FOLDER VERSIONS``, under MLflow's environment.

Each version has a run with ten parameters, five curves of twenty points, a data set, tags, and a model folder of small files.
"""

import sys
import time
from pathlib import Path

import mlflow
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

MODELS = 20


def main() -> None:
    folder, versions = Path(sys.argv[1]).resolve(), int(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.create_experiment("many", artifact_location=str(folder / "mlruns" / "1"))
    for model in range(min(MODELS, versions)):
        client.create_registered_model(
            f"Model {model}", tags={"team": "risk"}, description="made for a measurement"
        )
    for number in range(versions):
        run = client.create_run(experiment, run_name=f"run {number}")
        now = int(time.time() * 1000)
        client.log_batch(
            run.info.run_id,
            metrics=[
                Metric(f"m{k}", 1 / (1 + step + k + number), now + step, step)
                for k in range(5)
                for step in range(20)
            ],
            params=[Param(f"p{k}", str(number * k)) for k in range(10)],
            tags=[RunTag(f"t{k}", f"value {k}") for k in range(3)],
        )
        data = Dataset("rows", f"{number:08x}", "local", '{"uri": "rows.csv"}', "{}", '{"num_rows": 100}')
        client.log_inputs(
            run.info.run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])]
        )
        place = Path(run.info.artifact_uri.removeprefix("file://")) / "model"
        place.mkdir(parents=True)
        (place / "MLmodel").write_text(
            f"artifact_path: model\nflavors:\n  python_function:\n    loader_module: none\nrun_id: {run.info.run_id}\n"
        )
        (place / "requirements.txt").write_text("scikit-learn==1.9.1\n")
        (place / "model.bin").write_bytes(number.to_bytes(4, "big") * 2_000)
        client.set_terminated(run.info.run_id)
        name = f"Model {number % MODELS}"
        made = client.create_model_version(
            name, f"runs:/{run.info.run_id}/model", run.info.run_id, tags={"n": str(number)}
        )
        if number >= versions - MODELS:
            client.set_registered_model_alias(name, "champion", made.version)
        if number % 100 == 99:
            print(number + 1, "versions", flush=True)


if __name__ == "__main__":
    main()
