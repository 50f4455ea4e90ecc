"""`serve.express:app`: the application of SERVICE under mod_wsgi, which would make each line of its log one of Apache's."""

import os
import sys
from pkgutil import resolve_name

from core.settings import Settings

sys.stderr = sys.__stderr__
app = resolve_name(Settings.from_env(os.environ, os.environ["SERVICE"]).about.app)
