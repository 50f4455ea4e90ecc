"""Runs on disk, and the pages rendered from them."""
