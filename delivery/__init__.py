"""The deploy gate: a pipeline calls it after a rollout; it watches the service and rolls back what harms it."""
