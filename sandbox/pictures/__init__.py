"""Pictures of dashboards: our own drawing of what Grafana's API answers, where Grafana's pages can't be had."""
