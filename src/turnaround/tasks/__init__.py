"""LightningModules, one per thing that is learned."""
