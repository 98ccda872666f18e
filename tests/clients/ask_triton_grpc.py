"""What ``tritonclient.grpc`` does as it comes, against a server of ``serve.py``: run in its own environment with a port."""

import asyncio
import sys
import threading

import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

NUMBERS = ("distance", "hour", "seats", "temp")
answered = 0


def inputs_of(rows, *, datatype="FP64", dtype=np.float64, **replaced):
    tensors = []
    for name in (*NUMBERS, "carrier", "dest"):
        text = name in ("carrier", "dest")
        values = np.array([b"AA"] * rows, dtype=object) if text else np.arange(rows).astype(dtype)
        values = replaced.get(name, values)
        tensor = triton.InferInput(name, list(values.shape), "BYTES" if text else datatype)
        tensor.set_data_from_numpy(values)
        tensors.append(tensor)
    return tensors


def check(result, rows):
    global answered
    answered += rows
    score, label, ids = (result.as_numpy(name) for name in ("score", "label", "prediction_id"))
    assert score.shape == label.shape == ids.shape == (rows,), (score, label, ids)
    assert score.dtype == np.float64 and ((score > 0) & (score < 1)).all()
    return score


def refused(code, words, act):
    try:
        act()
    except InferenceServerException as error:
        assert words in str(error) and code in str(error.status()), (str(error), error.status())
        return
    raise AssertionError(f"taken: {words}")


def main(address):
    client = triton.InferenceServerClient(address)
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("flight-delay") and client.is_model_ready("flight-delay", "1")
    refused("NOT_FOUND", "version 9", lambda: client.is_model_ready("flight-delay", "9"))
    assert client.get_server_metadata().name == "pilothouse"
    metadata = client.get_model_metadata("flight-delay")
    assert list(metadata.versions) == ["1"] and metadata.platform == "sklearn_skops"
    assert {one.name: one.datatype for one in metadata.inputs}["carrier"] == "BYTES"
    assert list(metadata.inputs[0].shape) == [-1]

    first = check(client.infer("flight-delay", inputs_of(3)), 3)
    named = client.infer("flight-delay", inputs_of(3), model_version="1", request_id="r7")
    assert (check(named, 3) == first).all() and named.get_response().id == "r7"
    assert named.get_output("score").parameters["positive_class"].string_param
    proba = client.infer("flight-delay", inputs_of(3), outputs=[triton.InferRequestedOutput("predict_proba")])
    assert np.allclose(proba.as_numpy("predict_proba")[:, 1], first) and proba.as_numpy("label") is None
    global answered
    answered += 3
    for packed in ("gzip", "deflate"):
        check(client.infer("flight-delay", inputs_of(300), compression_algorithm=packed), 300)
    for datatype, dtype in (
        ("INT8", np.int8),
        ("UINT64", np.uint64),
        ("FP16", np.float16),
        ("FP32", np.float32),
    ):
        found = client.infer("flight-delay", inputs_of(3, datatype=datatype, dtype=dtype))
        assert (check(found, 3) == first).all(), datatype
    check(client.infer("flight-delay", inputs_of(10_000)), 10_000)
    check(client.infer("flight-delay", inputs_of(3, temp=np.array([0.0, np.nan, 2.0]))), 3)
    matrix = triton.InferInput("input-0", [5, 4], "FP32")
    matrix.set_data_from_numpy(np.arange(20, dtype=np.float32).reshape(5, 4))
    check(client.infer("plain", [matrix]), 5)

    # typed contents, as other clients of the protocol send them
    stub, request = client._client_stub, service_pb2.ModelInferRequest(model_name="flight-delay", id="t")
    for name in (*NUMBERS, "carrier", "dest"):
        tensor = request.inputs.add(name=name, shape=[3])
        if name in NUMBERS:
            tensor.datatype = "INT64" if name == "hour" else "FP32"
            field = tensor.contents.int64_contents if name == "hour" else tensor.contents.fp32_contents
            field.extend(range(3))
        else:
            tensor.datatype = "BYTES"
            tensor.contents.bytes_contents.extend([b"AA"] * 3)
    answer = stub.ModelInfer(request)
    outputs = {output.name: output for output in answer.outputs}
    assert not answer.raw_output_contents and answer.model_version == "1" and answer.id == "t"
    assert list(outputs["score"].contents.fp64_contents) == list(first)
    assert len(outputs["prediction_id"].contents.bytes_contents) == 3
    answered += 3
    request.parameters["report"].bool_param = True
    request.inputs[-1].contents.bytes_contents[1] = b"never seen"
    assert '"found": "unknown"' in stub.ModelInfer(request).parameters["report"].string_param
    answered += 3

    refused("NOT_FOUND", "no model nobody", lambda: client.infer("nobody", inputs_of(1)))
    refused("NOT_FOUND", "../v2", lambda: client.infer("../v2", inputs_of(1)))
    refused("NOT_FOUND", "version 9", lambda: client.infer("flight-delay", inputs_of(1), model_version="9"))
    refused("INVALID", "missing input", lambda: client.infer("flight-delay", inputs_of(1)[:3]))
    refused(
        "INVALID",
        "row 2: found inf",
        lambda: client.infer("flight-delay", inputs_of(3, temp=np.array([0, 1, np.inf]))),
    )
    refused("UNIMPLEMENTED", "there is no call", lambda: client.get_model_config("flight-delay"))
    huge = inputs_of(1, carrier=np.array([b"x" * (17 << 20)], dtype=object))
    refused("RESOURCE_EXHAUSTED", "longer than", lambda: client.infer("flight-delay", huge))
    check(client.infer("flight-delay", inputs_of(1)), 1)

    done, results = threading.Semaphore(0), []

    def keep(result, error):
        results.append(error or result)
        done.release()

    for _ in range(300):
        client.async_infer("flight-delay", inputs_of(2), keep)
    for _ in range(300):
        assert done.acquire(timeout=60)
    for result in results:
        check(result, 2)
    client.close()
    asyncio.run(asynchronous(address))
    print(answered)


async def asynchronous(address):
    async with triton_aio.InferenceServerClient(address) as client:
        assert await client.is_model_ready("flight-delay")
        for one in await asyncio.gather(*(client.infer("flight-delay", inputs_of(4)) for _ in range(50))):
            check(one, 4)


main(f"127.0.0.1:{sys.argv[1]}")
