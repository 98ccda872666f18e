"""Sites: what this workspace says of itself to others, and what others have published."""
