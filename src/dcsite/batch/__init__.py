"""Many cells, many scenarios."""
