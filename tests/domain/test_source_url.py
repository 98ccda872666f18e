"""What a source is, from its text alone, and that no message repeats a secret."""

from dataclasses import replace
from urllib.parse import quote

import pytest

from pilothouse.domain.errors import ModelFileError
from pilothouse.domain.formats.masking import masked
from pilothouse.domain.models.contract import ColumnRule, contract_faults
from pilothouse.domain.models.model_file import load_spec
from pilothouse.domain.tables.source_url import SourceKind, select_fault, source_url

MODEL = """
name = "late"
task = "binary"
owner = "somebody"

[data]
source = {source}
{query}
target = "late"
timestamp = "at"
features = ["wind"]

[data.connection]
{connection}

[training]
estimator = "sklearn.linear_model.LogisticRegression"

[[targets]]
name = "north"
"""


def problems(source: str, query: str = "", connection: str = "") -> str:
    given = f"query = '''{query}'''" if query else ""
    text = MODEL.format(source=f"'{source}'", query=given, connection=connection)
    try:
        load_spec(text, "model.toml")
    except ModelFileError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("source", "kind", "location", "is_remote"),
    [
        ("rows.parquet", SourceKind.FILES, "rows.parquet", False),
        ("../data/a:b.csv", SourceKind.FILES, "../data/a:b.csv", False),
        ("sqlite:../x.db", SourceKind.SQLITE, "../x.db", False),
        ("duckdb:x.duckdb", SourceKind.DUCKDB, "x.duckdb", False),
        ("postgresql+psycopg://db/x", SourceKind.DATABASE, "postgresql+psycopg://db/x", True),
        ("mysql://db/x", SourceKind.DATABASE, "mysql://db/x", True),
        ("s3://bucket/x", SourceKind.STORE, "s3://bucket/x", True),
        ("https://host/x.csv", SourceKind.STORE, "https://host/x.csv", True),
        ("delta:lake/x", SourceKind.DELTA, "lake/x", False),
        ("delta+s3://bucket/x", SourceKind.DELTA, "s3://bucket/x", True),
        ("iceberg:lake/x", SourceKind.ICEBERG, "lake/x", False),
        ("iceberg+https://host/c#a.b", SourceKind.ICEBERG, "https://host/c#a.b", True),
    ],
)
def test_a_source_is_known_by_its_scheme(
    source: str, kind: SourceKind, location: str, is_remote: bool
) -> None:
    url = source_url(source)
    assert (url.kind, url.location, url.is_remote) == (kind, location, is_remote)


@pytest.mark.parametrize(
    "source",
    [
        "postgresql://reader:hunter22@db/x",
        "postgresql://reader:hunter22@db:port/x",
        "postgresql://db/x?password=hunter22",
        "s3://key:hunter22@bucket/x",
        "https://host/x.csv?X-Amz-Signature=hunter22",
        "az://box/x.csv?sig=hunter22",
        "delta+s3://bucket/x?secret_access_key=hunter22",
    ],
)
def test_a_secret_in_a_source_is_refused_and_not_repeated(source: str) -> None:
    said = problems(source, "SELECT 1" if source.startswith("postgresql") else "")
    assert said
    assert "hunter22" not in said


def test_faults_of_sources_are_said() -> None:
    assert problems("postgresql://db/x", "SELECT 1", 'credentials = "env:FLIGHTS_DB"') == ""
    assert problems("delta:lake", connection="version = 3") == ""
    cases = {
        ("postgresql://db/x", "", ""): "data.query: expected with a source in a database",
        ("s3://bucket/x.csv", "SELECT 1", ""): "data.query: expected with a source in a database",
        ("postgresql://db/x", "SELECT 1; SELECT 2", ""): "holds a semicolon before its end",
        ("mysql://db/x", "SELECT 1 INTO/**/OUTFILE '/srv/x'", ""): "the word INTO",
        ("mysql://db/x", "SELECT 1 /*!50000 UNION SELECT 2 */", ""): "comment that MySQL carries out",
        ("iceberg+az://box/x.metadata.json", "", ""): "expected iceberg+abfss://",
        ("postgresql://db/x", "DELETE FROM x", ""): "expected one SELECT",
        ("postgresql://db/x?sslmode=require", "SELECT 1", ""): "carries settings after '?'",
        (
            "postgresql://db/x",
            "SELECT 1",
            'credentials = "hunter22"',
        ): "the place of the secret and not the secret",
        ("postgresql://db/x", "SELECT 1", "version = 3"): "has no versions to choose from",
        ("duckdb:x", "SELECT 1", 'credentials = "env:X"'): "here needs none",
        ("s3://bucket/x.csv", "", 'timeout = "0s"'): "expected a second or more",
        ("s3:///x.csv", "", ""): "names no bucket or host",
        ("iceberg+https://host/c", "", ""): "names no table of the catalogue",
    }
    for (source, query, connection), expected in cases.items():
        said = problems(source, query, connection)
        assert expected in said
        assert "hunter22" not in said


@pytest.mark.parametrize(
    ("query", "is_fine"),
    [
        ("SELECT 1", True),
        ("  -- which rows\n /* and\n why */ with x AS (SELECT 1) SELECT * FROM x ;\n", True),
        ("(SELECT 1) UNION (SELECT 2)", True),
        ("SELECT 1 -- ; nothing", False),
        ("SELECT 1;;", False),
        ("", False),
        ("EXPLAIN SELECT 1", False),
        ("selection", False),
    ],
)
def test_one_select_alone(query: str, is_fine: bool) -> None:
    assert (select_fault(query) == "") is is_fine


def test_a_password_is_masked_as_sqlalchemy_writes_it() -> None:
    assert (
        masked("postgresql://reader:my secret%2Fpw+1@db/x", ["my secret/pw+1"])
        == "postgresql://reader:***@db/x"
    )


def test_every_form_of_a_secret_is_masked() -> None:
    secret = "p@ss w/ä'\\x"
    forms = [secret, quote(secret), quote(secret, safe=""), repr(secret)[1:-1]]
    for form in forms:
        assert form not in masked(f"cannot open x://u:{form}@h and again {form}", [secret])
    assert masked("postgresql://u:word@h/d", []) == "postgresql://u:***@h/d"
    assert "hidden" not in masked(
        "sslpassword=hidden AccountKey: hidden 'secret_access_key': 'hidden' token=hidden", []
    )
    assert "withheld" in masked("the word is abc", ["abc"])
    assert masked("nothing to hide", [""]) == "nothing to hide"


def test_faults_of_a_contract_are_said() -> None:
    rule = ColumnRule("text")
    number = ColumnRule("number")
    cases = {
        replace(rule, minimum=1.0): "minimum and maximum are of numbers",
        replace(number, minimum=2.0, maximum=1.0): "no row can keep it",
        replace(rule, values=(1.0,)): "expected texts",
        replace(number, values=("a",)): "expected numbers",
        replace(ColumnRule("time"), values=("a",)): "expected with the type text",
        replace(rule, unique=True, nullable=True): "expected with nullable = false",
        replace(rule, tolerance=1.0): "from 0 to below 1",
        replace(rule, tolerance=float("nan")): "from 0 to below 1",
        replace(number, pattern="a"): "expected with the type text",
        replace(rule, pattern="a" * 201): "has 201 characters",
        **{
            replace(rule, pattern=p): "expected letters, classes"
            for p in ("\\d", "(?=a)", "a+?", "^a", "a\n", "[[:alpha:]]")
        },
        replace(rule, pattern="(a"): "is no regular expression",
    }
    for faulty, expected in cases.items():
        assert expected in "; ".join(contract_faults({"x": faulty}, ())), faulty
    assert "is in data.private" in "; ".join(contract_faults({"x": rule}, ("x",)))
    assert list(contract_faults({"x": replace(rule, pattern="[A-Z]{3}(-[0-9]+)?", values=("a",))}, ())) == []
