"""Images from geometry."""
