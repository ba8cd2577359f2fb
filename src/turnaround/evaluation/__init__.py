"""Predict to disk, score from disk, compare."""
