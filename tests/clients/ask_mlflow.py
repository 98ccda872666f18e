"""MLflow's scoring client and the forms of body that its server takes, against a server of ``serve.py --one``."""

import json
import sys
import urllib.error
import urllib.request

import numpy as np
import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient


def main(port):
    client = ScoringServerClient("127.0.0.1", port)
    client.wait_server_ready(timeout=10)
    frame = pd.DataFrame(
        {
            "distance": [1.5, np.nan, 3],
            "hour": [1, 2, 3],
            "seats": [1, 2, 3],
            "temp": [0.5, 1.5, -1],
            "carrier": ["AA", None, "ZZ"],
            "dest": ["AA", "AA", "AA"],
        }
    )
    labels = list(client.invoke(frame).get_predictions()[0])
    assert len(labels) == 3 and set(labels) <= {"0", "1"}, labels
    rows = json.loads(frame.to_json(orient="records"))
    split = json.loads(frame.to_json(orient="split"))
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    answered = 3

    def post(body, kind="application/json", path="/invocations"):
        asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {"content-type": kind})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return json.load(answer)

    for document in (
        {"dataframe_records": rows},
        {"dataframe_split": split},
        {"instances": rows},
        {"inputs": columns},
        {"instances": [list(row.values()) for row in rows]},
    ):
        for path in ("/invocations", "/v2/models/flight-delay/invocations"):
            found = post(json.dumps(document).encode(), path=path)
            assert found["predictions"] == labels, document
            assert len(found["prediction_ids"]) == 3
            answered += 3
    assert post(frame.to_csv(index=False).encode(), "text/csv")["predictions"] == labels
    try:
        post(b'{"dataframe": []}')
    except urllib.error.HTTPError as error:
        assert error.code == 400 and "expected one of dataframe_split" in json.load(error)["error"]
    else:
        raise AssertionError("taken")
    print(answered + 3)


main(int(sys.argv[1]))
