"""Turnaround: one picture in, a video that turns around the scene out."""
