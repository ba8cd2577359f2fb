"""Small pure metrics that return (sum, count)."""
