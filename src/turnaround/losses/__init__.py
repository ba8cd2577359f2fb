"""Small pure losses."""
