"""The application in Django, over ASGI."""

import os

os.environ["DJANGO_SERVICE"] = "django-asgi"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ponte.settings")

from core.asgi import Middleware
from django.core.asgi import get_asgi_application

django = get_asgi_application()

from ponte.router import Router  # noqa: E402
from ponte.stack import replica  # noqa: E402

app = Middleware(Router(django), replica)
