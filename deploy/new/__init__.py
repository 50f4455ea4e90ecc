"""A project of your own from this one: the tree without the services, pages and results that are not wanted."""
