"""Drills: something breaks under load, on purpose. What was promised for that case is checked, and everything is mended."""
