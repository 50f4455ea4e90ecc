"""What the stack decides of Django's settings: where the database is, what signs, where static files lie, how is logged.

A project of your own takes these behind its own settings: docs/adopting.md.
"""

import os
from pathlib import Path

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
# The edge answers for unknown hosts; here any is right, so that probes need no special case.
ALLOWED_HOSTS = ["*"]
STATIC_URL = "/static/django/"
STATIC_ROOT = Path(os.environ["STATIC_ROOT"]) if "STATIC_ROOT" in os.environ else None
# Hashed names: the edge tells browsers to keep these files for a year.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}
# core.logs has set up logging for every application alike.
LOGGING_CONFIG = None
