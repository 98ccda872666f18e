"""Tables as values: columns, rows, and which records they are made of."""
