"""Measurements, as ratios within one run. Not tests: nothing here asserts a time. `make bench` runs them all."""
