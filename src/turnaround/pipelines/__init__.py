"""Inputs of a person to outputs of a person."""
