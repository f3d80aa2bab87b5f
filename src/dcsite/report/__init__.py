"""Results to frames and files."""
