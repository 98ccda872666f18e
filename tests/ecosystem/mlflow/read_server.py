"""What MLflow's own client reads of a registered model on a server, as JSON: ``read_server.py URI NAME``."""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

import mlflow
import pandas as pd


def main() -> None:
    uri, name = sys.argv[1:]
    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient()
    model = client.get_registered_model(name)
    versions = client.search_model_versions(f"name='{name}'")
    experiments = [one.experiment_id for one in client.search_experiments()]
    runs = client.search_runs(experiments)
    run = client.get_run(versions[0].run_id)
    loaded = mlflow.sklearn.load_model(f"models:/{name}/{versions[0].version}")
    rows = pd.DataFrame({"wind": [1.0, 9.0], "load": [0.5, 0.9]})
    with tempfile.TemporaryDirectory() as folder:
        place = Path(client.download_artifacts(run.info.run_id, "", folder))
        every = {
            path.relative_to(place).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(place.rglob("*"))
            if path.is_file()
        }
    files = {
        path.removeprefix("model/"): digest for path, digest in every.items() if path.startswith("model/")
    }
    print(
        json.dumps(
            {
                "aliases": {alias: str(number) for alias, number in model.aliases.items()},
                "versions": [
                    {"number": one.version, "tags": one.tags, "source": one.source} for one in versions
                ],
                "runs": len(runs),
                "run": run.info.run_id,
                "status": run.info.status,
                "tags": run.data.tags,
                "metrics": run.data.metrics,
                "parameters": run.data.params,
                "curves": {
                    key: [
                        [point.step, point.timestamp, point.value]
                        for point in client.get_metric_history(run.info.run_id, key)
                    ]
                    for key in run.data.metrics
                },
                "datasets": [
                    {
                        "name": one.dataset.name,
                        "digest": one.dataset.digest,
                        "profile": json.loads(one.dataset.profile),
                        "tags": {tag.key: tag.value for tag in one.tags},
                    }
                    for one in run.inputs.dataset_inputs
                ],
                "files": files,
                "run_files": {
                    path: digest for path, digest in every.items() if not path.startswith("model/")
                },
                "predicted": len(loaded.predict(rows)),
            },
            default=str,
        )
    )


if __name__ == "__main__":
    main()
