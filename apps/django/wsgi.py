"""The application in Django, over WSGI."""

import os

os.environ["DJANGO_SERVICE"] = "django"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ponte.settings")

from core.wsgi import Middleware
from django.core.wsgi import get_wsgi_application

django = get_wsgi_application()

from ponte.stack import replica  # noqa: E402

app = Middleware(django, replica)
