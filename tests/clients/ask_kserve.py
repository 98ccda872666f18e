"""KServe's client for both versions of its protocol, against a server of ``serve.py``: run in its own environment."""

import asyncio
import sys

import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

NUMBERS = ("distance", "hour", "seats", "temp")


def request_of(rows, *, binary, datatype="FP64", dtype=np.float64, outputs=None):
    """A tensor a feature."""
    tensors = []
    for name in (*NUMBERS, "carrier", "dest"):
        text = name in ("carrier", "dest")
        values = np.array([b"AA"] * rows, dtype=object) if text else np.arange(rows).astype(dtype)
        tensor = InferInput(name, [rows], "BYTES" if text else datatype)
        tensor.set_data_from_numpy(values, binary_data=binary)
        tensors.append(tensor)
    return InferRequest("flight-delay", tensors, request_outputs=outputs)


async def main(port):
    answered = 0
    url = f"http://127.0.0.1:{port}"
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    assert await client.is_server_ready(url)
    assert await client.is_server_live(url)
    assert await client.is_model_ready(url, "flight-delay")
    scores = []
    wanted = [RequestedOutput(name, {"binary_data": True}) for name in ("score", "label")]
    for binary, outputs in ((True, None), (False, None), (True, wanted)):
        found = await client.infer(
            url, request_of(3, binary=binary, outputs=outputs), model_name="flight-delay"
        )
        score = next(output for output in found.outputs if output.name == "score").as_numpy()
        label = next(output for output in found.outputs if output.name == "label").as_numpy()
        assert score.shape == label.shape == (3,)
        scores.append(score)
        answered += 3
    assert (scores[0] == scores[1]).all() and (scores[0] == scores[2]).all()
    half = await client.infer(
        url, request_of(3, binary=True, datatype="FP16", dtype=np.float16), model_name="flight-delay"
    )
    assert half.outputs[1].name == "score" and (half.outputs[1].as_numpy() == scores[0]).all()
    answered += 3
    matrix = InferInput("input-0", [2, 4], "FP32")
    matrix.set_data_from_numpy(np.ones((2, 4), dtype=np.float32))
    await client.infer(url, InferRequest("plain", [matrix]), model_name="plain")
    answered += 2

    first = InferenceRESTClient(RESTConfig(protocol="v1", retries=0))
    assert await first.is_server_live(url)
    assert await first.is_model_ready(url, "flight-delay")
    rows = [{"distance": 0, "hour": 0, "seats": 0, "temp": 0, "carrier": "AA", "dest": "AA"}]
    found = await first.infer(url, {"instances": rows}, model_name="flight-delay")
    assert found["predictions"] in (["0"], ["1"]), found
    found = await first.infer(url, {"instances": [[0, 1, 2, 3], [1, 2, 3, 4]]}, model_name="plain")
    assert len(found["predictions"]) == 2
    print(answered + 3)


asyncio.run(main(int(sys.argv[1])))
