"""The Django project: one set of views for both interfaces."""
