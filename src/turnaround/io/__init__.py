"""Files in and out; every reader checks shape, dtype, range and finiteness, every writer is atomic."""
