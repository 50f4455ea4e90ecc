"""Django's settings, from the environment of the replica."""

import logging
import os

from core.database import connection_arguments, pool_options
from core.replica import Replica

# wsgi.py and asgi.py say which of the two services this process is; manage.py speaks for the first.
replica = Replica.from_env(os.environ.get("DJANGO_SERVICE", "django"))
about = replica.settings.about


def database() -> dict[str, object]:
    """Django's names for what psycopg is given; the pool is Django's own (psycopg_pool)."""
    if not replica.settings.database_url:
        return {"ENGINE": "django.db.backends.dummy"}
    rest = connection_arguments(replica.settings)
    named = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    given = {django: rest.pop(libpq) for libpq, django in named.items() if libpq in rest}
    return {
        "ENGINE": "django.db.backends.postgresql",
        **given,
        "CONN_HEALTH_CHECKS": True,  # (!) a round trip for every request; without it PostgreSQL's restart costs some a 503
        "OPTIONS": {**rest, "pool": pool_options(replica.settings)},
    }


DATABASES = {"default": database()}
SECRET_KEY = replica.settings.secret_key or "only for commands that sign nothing"
DEBUG = False
# The edge answers for unknown hosts; here any is right, so that probes need no special case.
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "ponte.urls"
APPEND_SLASH = False
MIDDLEWARE: list[str] = []
INSTALLED_APPS = ["ponte", "django.contrib.staticfiles"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
STATIC_URL = "/static/django/"
STATIC_ROOT = os.environ.get("STATIC_ROOT")
# Hashed names: the edge tells browsers to keep these files for a year.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}
# core.logs has set up logging for every application alike.
LOGGING_CONFIG = None
# What a client did wrong is an answer, not news; what went wrong here is logged by ponte.routing.
logging.getLogger("django.request").setLevel(logging.CRITICAL)
