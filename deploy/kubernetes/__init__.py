"""The stack in Kubernetes: manifests for kustomize, what must hold for them, and a release that goes back when it fails."""
