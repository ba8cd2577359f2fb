"""Stereo video to tracks in space."""
