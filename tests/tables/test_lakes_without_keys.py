"""A table of a lake for which no key is given is asked for as nobody: the machine's own keys and roles are not taken."""

import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.tables.urls.lakes import _delta_options, _without_the_machines_keys
from pilothouse.tables.urls.secrets import Credentials


@pytest.mark.parametrize(
    ("location", "setting"),
    [
        ("s3://bucket/table", "AWS_SKIP_SIGNATURE"),
        ("gs://bucket/table", "GOOGLE_SKIP_SIGNATURE"),
        ("gcs://bucket/table", "GOOGLE_SKIP_SIGNATURE"),
        ("az://box/table", "AZURE_SKIP_SIGNATURE"),
        ("abfss://box/table", "AZURE_SKIP_SIGNATURE"),
    ],
)
def test_delta_is_asked_for_as_nobody(location: str, setting: str) -> None:
    assert (_delta_options(location, Credentials()) or {})[setting] == "true"


def test_delta_is_asked_for_with_the_key_that_is_given() -> None:
    with_key = Credentials(settings={"account_name": "a", "account_key": "k"})
    assert _delta_options("az://box/table", with_key) == {
        "AZURE_STORAGE_ACCOUNT_NAME": "a",
        "AZURE_STORAGE_ACCOUNT_KEY": "k",
    }


def test_iceberg_is_asked_for_as_nobody_or_refused() -> None:
    assert _without_the_machines_keys("s3", {}) == {"s3.anonymous": "true"}
    assert _without_the_machines_keys("s3", {"s3.access-key-id": "a"}) == {}
    assert _without_the_machines_keys("", {}) == {}
    assert _without_the_machines_keys("abfss", {"adls.account-key": "k"}) == {}
    for scheme in ("gs", "abfss"):
        with pytest.raises(InvalidInputError, match="with keys of this machine"):
            _without_the_machines_keys(scheme, {})
