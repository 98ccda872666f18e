"""What ``tritonclient`` does as it comes, against a server of ``serve.py``: run in its own environment with a port."""

import asyncio
import sys

import numpy as np
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

NUMBERS = ("distance", "hour", "seats", "temp")
answered = 0


def inputs_of(rows, *, binary=True, datatype="FP64", dtype=np.float64, module=triton, **replaced):
    """A tensor a feature, as most would write it."""
    tensors = []
    for name in (*NUMBERS, "carrier", "dest"):
        text = name in ("carrier", "dest")
        values = np.array([b"AA"] * rows, dtype=object) if text else np.arange(rows).astype(dtype)
        values = replaced.get(name, values)
        tensor = module.InferInput(name, list(values.shape), "BYTES" if text else datatype)
        tensor.set_data_from_numpy(values, binary_data=binary)
        tensors.append(tensor)
    return tensors


def check(result, rows, text=bytes):
    global answered
    answered += rows
    score, label, ids = (result.as_numpy(name) for name in ("score", "label", "prediction_id"))
    assert score.shape == label.shape == ids.shape == (rows,), (score, label, ids)
    assert score.dtype == np.float64 and ((score > 0) & (score < 1)).all()
    assert all(type(value) is text for value in label), label
    return score


def refused(words, act):
    try:
        act()
    except InferenceServerException as error:
        assert words in str(error) and "\n" not in str(error), str(error)
        return
    raise AssertionError(f"taken: {words}")


def main(port):
    client = triton.InferenceServerClient(f"127.0.0.1:{port}", concurrency=4)
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("flight-delay") and client.is_model_ready("flight-delay", "1")
    assert not client.is_model_ready("flight-delay", "9")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    assert client.get_model_metadata("flight-delay")["versions"] == ["1"]
    config = client.get_model_config("flight-delay", "1")
    assert {row["name"] for row in config["input"]} >= set(NUMBERS)
    assert config["output"][0]["data_type"] == "TYPE_STRING"

    first = check(client.infer("flight-delay", inputs_of(3)), 3)
    assert (check(client.infer("flight-delay", inputs_of(3), model_version="1"), 3) == first).all()
    plain = client.infer("flight-delay", inputs_of(3, binary=False), request_id="r7", priority=1, timeout=100)
    assert (check(plain, 3) == first).all() and plain.get_response()["id"] == "r7"
    named = [
        triton.InferRequestedOutput(n, binary_data=n == "score") for n in ("score", "label", "prediction_id")
    ]
    assert (check(client.infer("flight-delay", inputs_of(3), outputs=named), 3, text=str) == first).all()
    proba = client.infer("flight-delay", inputs_of(3), outputs=[triton.InferRequestedOutput("predict_proba")])
    assert np.allclose(proba.as_numpy("predict_proba")[:, 1], first) and proba.as_numpy("label") is None
    global answered
    answered += 3

    for packed in ("gzip", "deflate"):
        found = client.infer(
            "flight-delay",
            inputs_of(300),
            request_compression_algorithm=packed,
            response_compression_algorithm=packed,
        )
        check(found, 300)
        found = client.infer("flight-delay", inputs_of(3), response_compression_algorithm=packed)
        assert (check(found, 3) == first).all()

    for datatype, dtype in (
        ("INT8", np.int8), ("INT16", np.int16), ("INT32", np.int32), ("INT64", np.int64), ("UINT8", np.uint8),
        ("UINT16", np.uint16), ("UINT32", np.uint32), ("UINT64", np.uint64), ("FP16", np.float16),
        ("FP32", np.float32),
    ):  # fmt: skip
        for binary in (True, False):
            found = client.infer("flight-delay", inputs_of(3, binary=binary, datatype=datatype, dtype=dtype))
            assert (check(found, 3) == first).all(), datatype
    import ml_dtypes

    found = client.infer("flight-delay", inputs_of(3, datatype="BF16", dtype=ml_dtypes.bfloat16))
    assert (check(found, 3) == first).all()
    column = {n: np.arange(3.0).reshape(3, 1) for n in NUMBERS}
    assert (check(client.infer("flight-delay", inputs_of(3, **column)), 3) == first).all()

    hole = np.array([0.0, np.nan, 2.0])
    check(client.infer("flight-delay", inputs_of(3, temp=hole)), 3)
    refused(
        "input 'temp', row 1: found NaN",
        lambda: client.infer("flight-delay", inputs_of(3, binary=False, temp=hole)),
    )
    refused(
        "row 2: found inf", lambda: client.infer("flight-delay", inputs_of(3, temp=np.array([0, 1, np.inf])))
    )
    texts = np.array([None, "", "Ærø"], dtype=object)
    check(client.infer("flight-delay", inputs_of(3, carrier=texts)), 3)
    refused(
        "UTF-8",
        lambda: client.infer("flight-delay", inputs_of(3, carrier=np.array([b"\xff"] * 3, dtype=object))),
    )

    for binary in (True, False):
        matrix = triton.InferInput("input-0", [5, 4], "FP32")
        matrix.set_data_from_numpy(np.arange(20, dtype=np.float32).reshape(5, 4), binary_data=binary)
        check(client.infer("plain", [matrix]), 5)
        refused("categories: carrier, dest", lambda tensor=matrix: client.infer("flight-delay", [tensor]))

    waiting = [client.async_infer("flight-delay", inputs_of(2)) for _ in range(40)]
    for one in waiting:
        check(one.get_result(), 2)

    refused("no model nobody", lambda: client.infer("nobody", inputs_of(1)))
    refused("pilothouse promote", lambda: client.load_model("flight-delay"))
    refused("pilothouse promote", lambda: client.unload_model("flight-delay"))
    refused("version 9", lambda: client.infer("flight-delay", inputs_of(1), model_version="9"))
    refused(
        "classification",
        lambda: client.infer(
            "flight-delay", inputs_of(1), outputs=[triton.InferRequestedOutput("label", class_count=2)]
        ),
    )
    assert client.get_system_shared_memory_status() == client.get_cuda_shared_memory_status() == []
    client.unregister_system_shared_memory()
    client.unregister_cuda_shared_memory()
    refused("shared memory", lambda: client.register_system_shared_memory("x", "/x", 16))
    shared = inputs_of(1)
    shared[0].set_shared_memory("x", 8)
    refused("shared memory is not read", lambda: client.infer("flight-delay", shared))
    region = triton.InferInput("input-0", [1, 4], "FP64")
    region.set_shared_memory("x", 32)
    refused("shared memory is not read", lambda: client.infer("plain", [region]))
    index = client.get_model_repository_index()
    assert {(row["name"], row["version"], row["state"]) for row in index} >= {("flight-delay", "1", "READY")}
    one = client.get_inference_statistics("flight-delay", "1")["model_stats"]
    assert (
        one[0]["inference_stats"]["success"]["count"] > 40 and one[0]["inference_stats"]["fail"]["count"] > 3
    )
    assert len(client.get_inference_statistics()["model_stats"]) == 3
    client.close()
    asyncio.run(asynchronous(port))
    print(answered)


async def asynchronous(port):
    async with triton_aio.InferenceServerClient(f"127.0.0.1:{port}") as client:
        assert await client.is_model_ready("flight-delay")
        found = await asyncio.gather(
            *(client.infer("flight-delay", inputs_of(4, module=triton_aio)) for _ in range(20))
        )
        for one in found:
            check(one, 4)
        for packed in ("gzip", "deflate"):
            one = await client.infer(
                "flight-delay",
                inputs_of(300, module=triton_aio),
                request_compression_algorithm=packed,
                response_compression_algorithm=packed,
            )
            check(one, 300)
        assert (await client.get_inference_statistics("flight-delay"))["model_stats"]


main(int(sys.argv[1]))
