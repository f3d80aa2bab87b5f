"""Files in, tables out: finds and reads the facts, each row with its source."""
