"""Where the stack runs: one command line in front of several engines."""
