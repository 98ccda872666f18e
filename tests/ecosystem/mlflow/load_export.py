"""Loads exported folders with plain MLflow: ``load_export.py ROWS FOLDER …``. Prints what each answers as JSON, one a line."""

import json
import sys
from pathlib import Path

import mlflow
import pandas as pd


def main() -> None:
    plain = json.loads(Path(sys.argv[1]).read_text())  # pandas reads the last bit of some numbers otherwise
    rows = pd.DataFrame(plain["data"], columns=plain["columns"])
    for folder in sys.argv[2:]:
        model, generic = mlflow.sklearn.load_model(folder), mlflow.pyfunc.load_model(folder)
        inputs = [one.name for one in generic.metadata.signature.inputs]
        frame = rows[inputs].astype("float64")
        print(
            json.dumps(
                {
                    "probabilities": model.predict_proba(frame).tolist(),
                    "labels": [str(one) for one in model.predict(frame)],
                    "generic": [str(one) for one in generic.predict(frame)],
                    "requirements": mlflow.pyfunc.get_model_dependencies(folder).rpartition("/")[2],
                }
            )
        )


if __name__ == "__main__":
    main()
