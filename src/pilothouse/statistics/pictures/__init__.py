"""Pictures of a scored version as figures: curves, reliability, confusion, residuals. Arrays in, values out."""
