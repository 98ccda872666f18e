"""The demo: the whole loop on real flights and bike rentals, through the doors that everybody uses."""
