"""The stack as plain processes: supervisor keeps them, this package decides what runs."""
