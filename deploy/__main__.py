"""`python -m deploy TARGET WORDS`: what ./ponte runs once its environment is ready."""

import sys

from deploy.cli import main

sys.exit(main(sys.argv[1:]))
