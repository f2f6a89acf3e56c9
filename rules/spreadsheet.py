"""What a spreadsheet may take from us: a text that it would run is quoted. Writes no file."""

# A cell that starts with one of these is taken for a formula, and callers choose some of our texts.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def as_cell(text: str) -> str:
    """Return a text as a cell that no spreadsheet runs."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
