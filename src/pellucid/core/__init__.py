"""Foundations: settings, memory, random streams, files, lazy names."""
