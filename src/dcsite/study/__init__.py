"""The public functions: wires tables to physics, facts to scores and plans. Prints nothing."""
