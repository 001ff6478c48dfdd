"""Provisions GPU node pools in AI factories under per-site power quotas."""
