"""Grafana's dashboards, one module each, built from the declared services."""
