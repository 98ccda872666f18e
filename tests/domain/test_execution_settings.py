"""``[execution]``: a cluster beyond this machine takes mutual TLS."""

import pytest

from pilothouse.domain.errors import ModelFileError
from pilothouse.domain.integrations.integration_file import (
    Integrations,
    differences,
    load_integrations,
    opens,
)

TLS = 'tls_ca = "tls/ca.pem"\ntls_certificate = "tls/own.pem"\ntls_key = "tls/own.key"\n'


def read(text: str) -> Integrations:
    return load_integrations(f'[execution]\nengine = "dask"\n{text}')


@pytest.mark.parametrize(
    "text",
    [
        'scheduler = "tcp://127.0.0.1:8786"',
        'scheduler = "tcp://[::1]:8786"',
        f'scheduler = "tls://10.0.0.5:8786"\n{TLS}',
        f'scheduler = "tls://scheduler.example:8786"\njobs = 64\n{TLS}',
    ],
)
def test_loopback_and_mutual_tls_are_taken(text: str) -> None:
    assert read(text).execution is not None


@pytest.mark.parametrize(
    "address", ["tcp://10.0.0.5:8786", "tcp://localhost:8786", "tcp://0.0.0.0:8786", "tcp://node:8786"]
)
def test_an_address_that_others_reach_is_refused_without_tls_and_it_says_why(address: str) -> None:
    with pytest.raises(ModelFileError, match="whoever reaches a scheduler runs code on its cluster"):
        read(f'scheduler = "{address}"')


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            'scheduler = "tls://10.0.0.5:8786"\ntls_ca = "ca.pem"',
            "expected tls_ca, tls_certificate and tls_key",
        ),
        (f'scheduler = "tcp://127.0.0.1:8786"\n{TLS}', "expected tls:// with certificates"),
        ('scheduler = "10.0.0.5:8786"', "expected tls://HOST:PORT"),
        ('scheduler = "tls://ada:secret@10.0.0.5:8786"', "expected tls://HOST:PORT"),
        ("", "expected tls://HOST:PORT"),
        ('scheduler = "tcp://127.0.0.1:8786"\nscheduler_name = "node"', "over tcp:// there is none"),
        ('scheduler = "tcp://127.0.0.1:8786"\nworker_store_mb = 0', "execution.worker_store_mb: found 0"),
        ('scheduler = "tcp://127.0.0.1:8786"\njobs = 0', "execution.jobs: found 0"),
    ],
)
def test_what_is_wrong_is_said(text: str, fault: str) -> None:
    with pytest.raises(ModelFileError, match=fault):
        read(text)


def test_to_send_rows_and_code_to_a_cluster_is_an_admins_matter() -> None:
    lines = list(
        differences(
            Integrations(),
            read(
                f'scheduler = "tls://node:8786"\nscheduler_name = "node"\njobs = 9\nworker_store_mb = 9\n{TLS}'
            ),
        )
    )
    assert {line.partition(":")[0]: opens(line) for line in lines} == {
        "execution.engine": True,
        "execution.scheduler": True,
        "execution.scheduler_name": True,
        "execution.tls_ca": True,
        "execution.tls_certificate": True,
        "execution.tls_key": True,
        "execution.worker_store_mb": False,
        "execution.jobs": False,
    }
