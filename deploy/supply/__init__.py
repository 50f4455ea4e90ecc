"""What is in the stack that others made: lists of it (`make sbom`) and what is known against it (`make audit`)."""
