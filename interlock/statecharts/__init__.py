"""The business: one YAML statechart for each lifecycle, and the catalog that loads them."""
