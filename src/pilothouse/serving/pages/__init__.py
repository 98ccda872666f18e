"""Routes, and what is answered about the server itself: versions, metrics, its description."""
