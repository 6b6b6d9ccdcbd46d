//go:build tools

// Package plugins pins compose and buildx, plugins of the docker CLI, with which tests go through the guard.
package plugins

import (
	_ "github.com/docker/buildx/cmd/buildx"
	_ "github.com/docker/compose/v2/cmd"
)
