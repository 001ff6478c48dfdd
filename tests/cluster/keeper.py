"""Keeps an API server able to see a Lease change, while policies come and go."""

from typing import Any

Object = dict[str, Any]
SYSTEM, LEASE = "aifactory-system", "aifactory"

# An API server that for a second has had no policy with a Lease as parameter never sees a Lease change again
# (kubernetes/kubernetes#130887). This one judges nothing and stays, so that modules may follow each other.
KEEPER: tuple[Object, ...] = (
    {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "lease-keeper.test"},
        "spec": {
            "paramKind": {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"},
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["nodes"],
                    }
                ],
                "objectSelector": {"matchLabels": {"lease-keeper.test": "never"}},
            },
            "validations": [{"expression": "true"}],
        },
    },
    {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "lease-keeper.test"},
        "spec": {
            "policyName": "lease-keeper.test",
            "validationActions": ["Deny"],
            "paramRef": {"name": LEASE, "namespace": SYSTEM, "parameterNotFoundAction": "Allow"},
        },
    },
)
