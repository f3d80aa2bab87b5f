"""Opinion on facts: criteria, value functions, weights, rankings."""
