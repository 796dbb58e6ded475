"""Benchmarks: timings side by side in one run. Machines are noisy, so quote the ratios."""
