"""Cameras, rigid motions, alignment, flow: pure functions on tensors."""
