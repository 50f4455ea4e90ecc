"""What was measured, what it cost, and whether it may be believed."""
