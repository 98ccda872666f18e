"""Charts as descriptions, and what draws them."""
