"""Backups: a dump of one moment with its checksum, put back with care, and proven by restoring it."""
