"""The width of text on a terminal, and text cut to a width."""


def display_width(text: str) -> int:
    """Columns that ``text`` takes on a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def clip(text: str, width: int, align: str = "left") -> str:
    """``text`` in exactly ``width`` columns, with an ellipsis where it was cut."""
    columns = display_width(text)
    if columns > width:
        if text.isascii():
            text = text[: max(0, width - 1)] + "…" if width else ""
        else:
            from rich.cells import set_cell_size

            text = set_cell_size(text, max(0, width - 1)) + "…" if width else ""
        columns = display_width(text)
    pad = " " * max(0, width - columns)
    return pad + text if align == "right" else text + pad
