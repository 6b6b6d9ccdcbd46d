//go:build tools

// Package plugins pins what tests use as clients: compose and buildx, plugins of the docker CLI, and testcontainers-go.
package plugins

import (
	_ "github.com/docker/buildx/cmd/buildx"
	_ "github.com/docker/compose/v2/cmd"
)
