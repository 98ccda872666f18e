"""Rules of the dialect of csv that a model file or a command's options give."""

from collections.abc import Iterator

from pilothouse.domain.models.model_spec import CsvSpec


def csv_faults(given: CsvSpec) -> Iterator[str]:
    """One line for each key with which no file can be read."""
    for key in ("delimiter", "thousands", "quote"):
        text = getattr(given, key)
        if text and (len(text) > 1 or text in "\n\r\0" or (key != "thousands" and not text.isascii())):
            yield f"data.csv.{key}: found {text[:60]!r}; expected one character"
    if given.delimiter and given.delimiter == (given.quote or '"'):
        yield f"data.csv.delimiter: found {given.delimiter!r}, which is the quote; expected another character"
    if given.decimal not in ("", ".", ","):
        yield f'data.csv.decimal: found {given.decimal[:60]!r}; expected "." or ","'
    if given.thousands and given.thousands == (given.decimal or "."):
        yield f"data.csv.thousands: found {given.thousands!r}, the decimal mark; expected another character"
    try:
        "".encode(given.encoding or "utf-8")
    except (LookupError, UnicodeError):
        yield f"data.csv.encoding: found {given.encoding[:60]!r}; expected the name of an encoding, e.g. latin-1 or utf-16"
