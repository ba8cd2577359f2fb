"""One picture in, a video around its scene out."""
