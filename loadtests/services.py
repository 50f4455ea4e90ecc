"""What can be measured: the applications of the stack, each under the path of its name."""

SERVICES = ("flask", "django", "django-asgi", "fastapi")
ASGI = ("django-asgi", "fastapi")  # those with WebSockets
