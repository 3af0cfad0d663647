"""The machine: charts, steps, decisions, and the store that commits them. Knows no lifecycle by name."""
