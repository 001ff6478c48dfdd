//go:build tools

// Package kwok names the command that is built from this module.
package kwok

import _ "sigs.k8s.io/kwok/cmd/kwok"
