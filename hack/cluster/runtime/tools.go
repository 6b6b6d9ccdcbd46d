//go:build tools

// Package runtime pins the container runtime of the embedded cluster. Nothing
// imports the programs below; the file makes go.mod keep them and what they need.
package runtime

import (
	_ "github.com/containerd/containerd/v2/cmd/containerd"
	_ "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"
	_ "github.com/containerd/containerd/v2/cmd/ctr"
	_ "github.com/opencontainers/runc"
)
