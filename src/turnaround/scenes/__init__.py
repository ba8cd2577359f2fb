"""Procedural worlds with exact truth: default training data and test oracle."""
