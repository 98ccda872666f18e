"""What of a source's credentials no message may hold."""

import json

from pilothouse.domain.formats.masking import masked
from pilothouse.tables.urls.secrets import credentials_of


def test_the_parts_of_a_setting_are_secrets_too() -> None:
    settings = {
        "for": "az://box",
        "authorization": "Bearer eyJhbGciOi",
        "connection_string": "AccountName=flights;AccountKey=c2VjcmV0a2V5==;EndpointSuffix=core.windows.net",
    }
    secrets = credentials_of(json.dumps(settings), "az://box/rows", is_database=False).secrets()
    said = masked("refused: eyJhbGciOi, signed with c2VjcmV0a2V5== for flights at core.windows.net", secrets)
    assert said == "refused: ***, signed with *** for flights at core.windows.net"
