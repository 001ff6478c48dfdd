"""The resources of `aifactory.dev`: models, exact quantities, names, the catalogue and the CRDs."""
