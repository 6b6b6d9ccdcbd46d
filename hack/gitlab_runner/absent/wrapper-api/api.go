// Package api is that of the command `wrapper`: this runner is built without it.
package api

import (
	"context"
	"errors"
)

// ErrProcessNotInitialized says that there's no process.
var ErrProcessNotInitialized = errors.New("process not initialized")

// Status of a process.
type Status string

// String is the status' name.
func (s Status) String() string { return string(s) }

// The statuses.
const (
	StatusUnknown    Status = "unknown"
	StatusRunning    Status = "running"
	StatusInShutdown Status = "in shutdown"
	StatusStopped    Status = "stopped"
)

// ShutdownCallbackDef says whom to call.
type ShutdownCallbackDef interface {
	URL() string
	Method() string
}

// InitGracefulShutdownRequest asks for an end.
type InitGracefulShutdownRequest interface {
	ShutdownCallbackDef() ShutdownCallbackDef
}

// ShutdownCallback calls.
type ShutdownCallback interface {
	Run(context.Context)
}

// NewShutdownCallback is never called.
func NewShutdownCallback(any, ShutdownCallbackDef) ShutdownCallback {
	panic("this runner is built without the command wrapper")
}
