"""Arrays in, arrays out: psychrometrics, climate, cooling, water, latency, power, cost."""
