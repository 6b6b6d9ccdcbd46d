//go:build tools

// Package buildkit pins the programs in the pods that buildx starts with its driver kubernetes.
package buildkit

import (
	_ "github.com/moby/buildkit/cmd/buildctl"
	_ "github.com/moby/buildkit/cmd/buildkitd"
)
