"""`python -m deploy.kubernetes OVERLAY`: what deploy/kubernetes/release runs once its environment is ready."""

import sys

from deploy.kubernetes.command import main

sys.exit(main(sys.argv[1:]))
