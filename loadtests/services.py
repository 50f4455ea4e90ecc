"""What can be measured: the applications of the stack, each under the path of its name."""

SERVICES = ("flask", "django", "django-asgi", "fastapi")
ASGI = ("django-asgi", "fastapi")  # those with WebSockets
WSGI = tuple(name for name in SERVICES if name not in ASGI)
# Interface -> the service that is measured where no SERVICE is named.
ONE_OF_EACH = {interface: names[0] for interface, names in (("wsgi", WSGI), ("asgi", ASGI[::-1])) if names}
LAST = tuple(ONE_OF_EACH.values())[-1]  # the one with WebSockets, if any has them
