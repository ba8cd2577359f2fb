"""A finished orbit in the browser."""
