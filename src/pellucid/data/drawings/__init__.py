"""Drawings of digits: strokes, rendering, corrections."""
