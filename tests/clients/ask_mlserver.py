"""Requests as MLServer's codecs make them, and answers as they read them, against a server of ``serve.py``."""

import json
import sys
import urllib.request

import numpy as np
import pandas as pd
from mlserver.codecs import NumpyRequestCodec, PandasCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse, MetadataModelResponse, MetadataServerResponse


def main(port):
    url = f"http://127.0.0.1:{port}"

    def get(path):
        with urllib.request.urlopen(url + path, timeout=30) as answer:
            return json.load(answer)

    def infer(model, request):
        body = request.model_dump_json().encode()
        asked = urllib.request.Request(
            f"{url}/v2/models/{model}/infer", body, {"content-type": "application/json"}
        )
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return InferenceResponse.model_validate_json(answer.read())

    MetadataServerResponse.model_validate(get("/v2"))
    MetadataModelResponse.model_validate(get("/v2/models/flight-delay"))
    frame = pd.DataFrame(
        {
            "distance": [1.5, np.nan, 3],
            "hour": [1, 2, 3],
            "seats": np.array([1, 2, 3], dtype=np.int32),
            "temp": [True, False, True],
            # as objects, and none of them None: MLServer 1.7.1 fails on pandas 3's own type of text, and on None
            "carrier": pd.Series(["AA", "", "ZZ"], dtype=object),
            "dest": pd.Series(["AA", "AA", "AA"], dtype=object),
        }
    )
    answered = 0
    for given in (frame, frame.dropna().reset_index(drop=True)):
        for as_bytes in (True, False):
            found = infer("flight-delay", PandasCodec.encode_request(given, use_bytes=as_bytes))
            outputs = {output.name: output for output in found.outputs}
            assert len(StringCodec.decode_output(outputs["label"])) == len(given)
            table = PandasCodec.decode_response(found)
            assert list(table["score"]) == list(outputs["score"].data)
            answered += len(given)
    found = infer("plain", NumpyRequestCodec.encode_request(np.arange(20.0).reshape(5, 4)))
    assert len(found.outputs[0].data) == 5
    answered += 5
    one = InferenceRequest(id="one", inputs=PandasCodec.encode_request(frame[:1]).inputs)
    assert infer("bike-demand", one).outputs[0].datatype == "FP64"
    print(answered + 1)


main(int(sys.argv[1]))
