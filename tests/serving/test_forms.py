"""Forms beside JSON tensors: packed bodies, csv, and MLflow's and KServe's records."""

import csv
import gzip
import json
import zlib
from typing import Any

import numpy as np
import pytest
from serving_kit import body_of, schema

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.identifiers import PredictionId
from pilothouse.inference.predictor import Prediction
from pilothouse.serving.bodies.forms import INVOCATIONS, RECORDS, TENSORS, Form
from pilothouse.serving.bodies.protocol import MAXIMUM_BODY_BYTES, MAXIMUM_ROWS, Inference
from pilothouse.serving.web.compression import Headers, accepted, unpack
from pilothouse.serving.web.http import HttpError

SCHEMA = schema("flight-delay")
FIRST = PredictionId("p", 4, 17)
CSV: Headers = [(b"content-type", b"text/csv; charset=utf-8")]
ROWS = [
    {"distance": 1, "hour": 2.5, "seats": None, "temp": 4, "carrier": "AA", "dest": "Ærø"},
    {"distance": -1, "hour": 1e3, "seats": 5, "temp": None, "carrier": None, "dest": "7"},
]


def prediction(rows: int) -> Prediction:
    scores = np.linspace(0.1, 0.9, rows)
    return Prediction(scores, [str(int(s > 0.5)) for s in scores], np.column_stack([1 - scores, scores]))


def read(form: Form, body: Any, headers: Headers = ()) -> Inference:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return form.read(data, headers, SCHEMA, ("seat",))


def refused(form: Form, body: Any, headers: Headers = ()) -> str:
    with pytest.raises(PilothouseError) as error:
        read(form, body, headers)
    message = str(error.value)
    assert message.isprintable()
    assert len(message) < 500
    return message


def same(found: Inference, expected: Inference) -> None:
    for name, values in expected.columns.numeric.items():
        np.testing.assert_array_equal(found.columns.numeric[name], values)
    assert found.columns.categorical == expected.columns.categorical


def bare(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        (b"gzip", gzip.compress),
        (b"GZip", gzip.compress),
        (b"x-gzip", lambda body: gzip.compress(body[:50]) + gzip.compress(body[50:])),
        (b"deflate", zlib.compress),
        (b"deflate", bare),
        (b"identity", bytes),
    ],
)
def test_a_packed_body_is_read_as_it_was(encoding: bytes, pack: Any) -> None:
    same(read(TENSORS, pack(body_of(30)), [(b"content-encoding", encoding)]), read(TENSORS, body_of(30)))


@pytest.mark.parametrize(
    ("encoding", "body", "words"),
    [
        ("br", b"x", "content-encoding br is not taken"),
        ("gzip, gzip", b"x", "is not taken"),
        ("\x1b[2J", b"x", "is not taken"),
        ("gzip", b"{}", "is not gzip"),
        ("gzip", b"", "ends too early"),
        ("gzip", gzip.compress(b"{}" * 50, mtime=0)[:-9], "ends too early"),
        ("gzip", gzip.compress(b"{}", mtime=0) + b"xx", "is not gzip"),
        ("deflate", b"\xff\xff", "is not deflate"),
        ("deflate", zlib.compress(b"{}") + b"x", "1 bytes after its deflate data"),
        ("gzip", gzip.compress(b"", mtime=0) * 66, "more than 64 members"),
    ],
)
def test_a_body_that_is_not_packed_as_it_says_is_refused(encoding: str, body: bytes, words: str) -> None:
    assert words in refused(TENSORS, body, [(b"content-encoding", encoding.encode("latin-1"))])


def test_a_body_that_does_not_say_that_it_is_packed_is_told_so() -> None:
    for pack, name in ((gzip.compress, "gzip"), (zlib.compress, "deflate")):
        for form in (TENSORS, RECORDS):
            assert f"packed by {name}, and no Content-Encoding header" in refused(form, pack(body_of(2)), [])


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_body_that_unpacks_to_more_than_the_bound_is_refused_before_it_is_unpacked(encoding: str) -> None:
    import tracemalloc

    size = 400 * 2**20
    packer = zlib.compressobj(9, zlib.DEFLATED, 31 if encoding == "gzip" else 15)
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(size >> 20)) + packer.flush()
    assert len(bomb) < 1_000_000
    tracemalloc.start()
    with pytest.raises(HttpError, match="longer than 16,777,216 bytes unpacked") as error:
        unpack(bomb, encoding, MAXIMUM_BODY_BYTES)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.value.status == 413
    assert peak < 4 * MAXIMUM_BODY_BYTES


def test_a_body_at_the_bound_is_unpacked() -> None:
    assert len(unpack(gzip.compress(bytes(1_000)), "gzip", 1_000)) == 1_000


@pytest.mark.parametrize(
    ("wish", "found"),
    [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate, br, zstd", "gzip"),
        ("deflate, gzip;q=0.5", "deflate"),
        ("*", "gzip"),
        ("identity", ""),
        ("gzip;q=0, deflate;q=0", ""),
        ("gzip;q=x", ""),
        ("br", ""),
    ],
)
def test_the_encoding_of_an_answer_is_the_one_that_is_rather_taken(wish: str, found: str) -> None:
    assert accepted(wish) == found


@pytest.mark.parametrize(("encoding", "opened"), [("gzip", gzip.decompress), ("deflate", zlib.decompress)])
def test_a_long_answer_is_packed_and_a_short_one_is_not(encoding: str, opened: Any) -> None:
    headers: Headers = [(b"accept-encoding", encoding.encode())]
    for form, body in ((TENSORS, body_of(300)), (RECORDS, {"rows": ROWS * 150})):
        request = read(form, body, headers)
        packed, fields = form.write(SCHEMA, 1, request, prediction(300), FIRST, None)
        assert fields["content-encoding"] == encoding
        assert fields["vary"] == "accept-encoding"
        plain, none = form.write(SCHEMA, 1, read(form, body), prediction(300), FIRST, None)
        assert opened(packed) == plain
        assert "content-encoding" not in none
    _, fields = TENSORS.write(SCHEMA, 1, read(TENSORS, body_of(1), headers), prediction(1), FIRST, None)
    assert "content-encoding" not in fields


TABLE = 'distance,hour,seats,temp,carrier,dest\n1,2.5,,4,AA,Ærø\n-1,1e3,5,nan,"",7\n'


@pytest.mark.parametrize("form", [RECORDS, INVOCATIONS])
@pytest.mark.parametrize("text", [TABLE, "\ufeff" + TABLE, TABLE.replace("\n", "\r\n"), TABLE + "\n\n"])
def test_csv_is_read_as_the_records_that_it_says(form: Form, text: str) -> None:
    same(read(form, text.encode(), CSV), read(RECORDS, {"rows": ROWS}))


def test_csv_has_times_and_private_columns_and_columns_left_out() -> None:
    text = "temp,scheduled_at,seat\n1,2013-06-01T05:00:00Z,1A\ntrue,1370062800000001,\n.5,,\n"
    found = read(RECORDS, text.encode(), CSV)
    assert found.columns.numeric["temp"].tolist() == [1.0, 1.0, 0.5]
    assert found.event_times is not None
    assert found.event_times[:2].tolist() == [1370062800000000, 1370062800000001]
    assert np.isnan(found.columns.numeric["hour"]).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "the csv is empty"),
        (b"temp", "0 rows"),
        (b"temp\n\xff", "not UTF-8: byte 5"),
        (b"temp,temp\n1,2", "two columns 'temp'"),
        (b"temp,mystery\n1,2", "unknown column 'mystery'; expected distance, hour"),
        (b"temp,hour\n1,2\n3", "row 1: found 1 fields; expected 2"),
        (b"temp\n1\nwarm", "row 1, column 'temp': found 'warm'; expected a number"),
        (b"temp\n1_000", "found '1_000'"),
        ("temp\n١".encode(), "expected a number"),
        (b"temp\n1e999", "expected a number"),
        (b"temp\n" + b"9" * 500, "expected a number"),
        (b'temp\n"1', "cannot be read"),
        (b"carrier\n" + b"x" * 1_025, "longer than"),
        (b"carrier\n" + b"x" * 200_000, "cannot be read"),
        (b"temp,scheduled_at\n1,now", "row 0, column 'scheduled_at'"),
        (b"temp\n" + b"1\n" * (MAXIMUM_ROWS + 1), "more than 10,000 rows"),
        (b",".join(b"c%d" % i for i in range(10_001)), "unknown column 'c0'"),
    ],
)
def test_csv_that_cannot_be_read_is_refused_with_its_place(text: bytes, words: str) -> None:
    before = csv.field_size_limit(
        131_072
    )  # the library's own, which reading of large files raises for a whole process
    try:
        assert words in refused(RECORDS, text, CSV)
    finally:
        csv.field_size_limit(before)


@pytest.mark.parametrize(
    ("accept", "is_csv"),
    [
        (b"text/csv", True),
        (b"text/csv;q=0.9, */*", True),
        (b"application/json, text/csv", False),
        (b"*/*", False),
        (b"text/csvx", False),
    ],
)
def test_records_are_answered_in_csv_where_it_is_asked_for(accept: bytes, is_csv: bool) -> None:
    request = read(RECORDS, {"rows": ROWS}, [(b"accept", accept)])
    body, headers = RECORDS.write(SCHEMA, 3, request, prediction(2), FIRST, None)
    assert (headers.get("content-type") == "text/csv; charset=utf-8") == is_csv
    if is_csv:
        assert body.decode() == (
            "prediction,score,prediction_id,model,version\n"
            "0,0.1,p.4.17,flight-delay,3\n1,0.9,p.4.18,flight-delay,3\n"
        )


NAMES = list(ROWS[0])
VALUES = [list(row.values()) for row in ROWS]


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_records": ROWS},
        {"instances": ROWS},
        {"inputs": ROWS},
        {"instances": VALUES},
        {"inputs": VALUES},
        {"dataframe_split": {"index": [0, 1], "columns": NAMES, "data": VALUES}},
        {"dataframe_split": {"columns": NAMES[::-1], "data": [row[::-1] for row in VALUES]}},
        {"dataframe_split": {"data": VALUES}, "params": {}},
        {"inputs": {name: [row[name] for row in ROWS] for name in NAMES}},
        {"inputs": {name: [[row[name]] for row in ROWS] for name in NAMES}, "instances": None},
    ],
)
def test_every_form_of_invocation_says_the_same(body: Any) -> None:
    found = read(INVOCATIONS, body)
    same(found, read(RECORDS, {"rows": ROWS}))
    answer, headers = INVOCATIONS.write(SCHEMA, 3, found, prediction(2), FIRST, None)
    assert headers == {}
    assert json.loads(answer) == {
        "predictions": ["0", "1"],
        "scores": [0.1, 0.9],
        "prediction_ids": ["p.4.17", "p.4.18"],
        "model": "flight-delay",
        "version": 3,
    }


@pytest.mark.parametrize("kind", ["csv", "dataframe_split", "inputs"])
def test_many_columns_are_refused_before_a_row_is_made_of_them(kind: str) -> None:
    import tracemalloc

    names, rows = [f"c{i}" for i in range(3_000)], 300
    body: Any = {
        "csv": (",".join(names) + ("\n" + "," * 2_999) * rows).encode(),
        "dataframe_split": {"dataframe_split": {"columns": names, "data": [[0] * 3_000] * rows}},
        "inputs": {"inputs": {name: [0] * rows for name in names}},
    }[kind]
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    tracemalloc.start()
    assert "unknown column 'c0'" in refused(INVOCATIONS, data, CSV if kind == "csv" else ())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * len(data)


def test_nan_of_an_invocation_is_missing_as_the_client_of_mlflow_sends_it() -> None:
    body = b'{"dataframe_split": {"columns": ["temp", "carrier"], "data": [[NaN, "NaN"], [1.0, "AA"]]}}'
    found = read(INVOCATIONS, body)
    np.testing.assert_array_equal(found.columns.numeric["temp"], [np.nan, 1.0])
    assert found.columns.categorical["carrier"] == ["NaN", "AA"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "holds none of them; expected one of dataframe_split"),
        ({"instances": ROWS, "inputs": ROWS}, "holds instances and inputs"),
        ({"dataframe_records": []}, "0 rows"),
        ({"instances": []}, "0 rows"),
        ({"inputs": {}}, "0 rows"),
        ({"instances": [[1, 2]]}, "row 0: found 2 values; expected 6, in this order: distance"),
        ({"instances": [5]}, "row 0: found 1 values; expected 6"),
        ({"inputs": {"temp": [1, 2], "hour": [1]}}, "column 'hour' has 1 values; expected 2"),
        ({"inputs": {"mystery": [1]}}, "unknown column 'mystery'"),
        ({"dataframe_split": {"columns": ["mystery"], "data": [[1]]}}, "unknown column 'mystery'"),
        ({"inputs": {"temp": [[1, 2]]}}, "row 0, column 'temp': found [1, 2]"),
        ({"dataframe_split": {"columns": ["temp", "temp"], "data": [[1, 2]]}}, "names a column twice"),
        ({"dataframe_split": {"columns": ["temp"], "data": [[1, 2]]}}, "found 2 values; expected 1"),
        ({"instances": ROWS, "params": {"a": 1}}, "params are not taken"),
        ({"instances": [[1]] * (MAXIMUM_ROWS + 1)}, "10001 rows"),
        ({"instances": 5}, "the request holds no records"),
        (b'{"instances": [{"temp": Infinity}]}', "row 0, column 'temp': found Infinity"),
        (b'{"instances": [[NaN', "not JSON"),
    ],
)
def test_an_invocation_that_is_none_is_refused(body: Any, words: str) -> None:
    assert words in refused(INVOCATIONS, body)


@pytest.mark.parametrize(
    ("form", "body", "place"),
    [
        (TENSORS, b'{"inputs": [{"name": "temp", "shape": [3], "data": [1, NaN]}]}', "input 'temp', row 1"),
        (
            TENSORS,
            b'{"inputs": [{"name": "temp", "shape": [2, 1], "data": [[1], [NaN]]}]}',
            "input 'temp', row 1",
        ),
        (
            TENSORS,
            b'{"inputs": [{"name": "x", "shape": [2, 4], "data": [1,1,1,1,1,NaN]}]}',
            "input 'x', row 1",
        ),
        (TENSORS, b'{"inputs": [], "parameters": {"a": NaN}}', "the request"),
        (RECORDS, b'{"rows": [{}, {"temp": NaN}]}', "row 1, column 'temp'"),
        (
            INVOCATIONS,
            b'{"dataframe_split": {"columns": ["temp"], "data": [[-Infinity]]}}',
            "row 0, column 'temp'",
        ),
        (INVOCATIONS, b'{"inputs": {"temp": [1, Infinity]}}', "row 1, column 'temp'"),
    ],
)
def test_a_number_that_json_does_not_have_is_named_with_its_place(
    form: Form, body: bytes, place: str
) -> None:
    message = refused(form, body)
    assert message.startswith(f"{place}: found ")
    assert "JSON does not have" in message
