// Package api has the address of a step-runner, which native steps need: this runner is built without them.
package api

// DefaultSocketPath is never called.
func DefaultSocketPath() string { panic("this runner is built without native steps") }
