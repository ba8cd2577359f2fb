"""Clips and batches for training and evaluation."""
