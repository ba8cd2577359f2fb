"""Noise, denoising, sampling and windows, for any network."""
