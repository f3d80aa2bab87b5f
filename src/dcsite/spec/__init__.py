"""What may be said: frozen, validated models of scenarios, workloads and profiles. Knows no files."""
