"""Small steps that do what real ones do, and what real ones should not."""
