"""What the applications share: settings, errors, work, messages, jobs, and the middleware of each interface."""
