"""The stack on one server, kept by systemd: the native engine with units in the place of supervisor's programs."""
