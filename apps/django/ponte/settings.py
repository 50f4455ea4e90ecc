"""Django's settings: what the stack decides, and what this project does."""

import logging

from ponte.stack import *  # noqa: F403  # Django looks for its names here

DEBUG = False
ROOT_URLCONF = "ponte.urls"
APPEND_SLASH = False
MIDDLEWARE: list[str] = []
INSTALLED_APPS = ["ponte", "django.contrib.staticfiles"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
# What a client did wrong is an answer, not news; what went wrong here is logged by ponte.routing.
logging.getLogger("django.request").setLevel(logging.CRITICAL)
