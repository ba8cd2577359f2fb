"""Root objects that the configs build; the only place that knows Hydra and W&B."""
