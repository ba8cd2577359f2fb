"""One picture to a video that turns around its scene."""
