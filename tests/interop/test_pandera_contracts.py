"""What a schema of pandera says that a contract does not, without pandera; beside pandera itself in tests/ecosystem."""

import pytest

from pilothouse.interop.pandera_contracts import contract_of, schema_yaml


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint16", "bool"])
@pytest.mark.parametrize("whole", [False, True], ids=["of the column", "of the schema"])
def test_a_coerce_that_cuts_fractions_off_is_told_where_a_schema_is_read(dtype: str, whole: bool) -> None:
    contract, notes = contract_of({"coerce": whole, "columns": {"x": {"dtype": dtype, "coerce": not whole}}})

    assert contract["x"].type == ("boolean" if dtype == "bool" else "integer")
    assert notes == [f"x: coerce to {dtype} makes fractions fit; a contract refuses them"]


@pytest.mark.parametrize(
    ("dtype", "coerce"), [("Int64", True), ("boolean", True), ("float64", True), ("int64", False)]
)
def test_types_that_refuse_fractions_have_no_note_and_are_what_is_written(dtype: str, coerce: bool) -> None:
    contract, notes = contract_of({"columns": {"x": {"dtype": dtype, "coerce": coerce}}})

    assert notes == []
    assert f"dtype: {dtype if coerce else 'Int64'}" in schema_yaml(contract)
