"""How far two windows are apart, column by column."""
