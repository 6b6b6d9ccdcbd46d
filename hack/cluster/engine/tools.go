//go:build tools

// Package engine pins the Docker of the test images: daemon and client. Nothing imports
// the programs below; the file makes go.mod keep them and what they need.
package engine

import (
	_ "github.com/docker/cli/cmd/docker"
	_ "github.com/moby/moby/v2/cmd/docker-proxy"
	_ "github.com/moby/moby/v2/cmd/dockerd"
)
