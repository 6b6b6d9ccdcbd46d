// Package client has the types of the client of a step-runner.
package client

import "time"

// Variable of a job.
type Variable struct {
	Key, Value   string
	File, Masked bool
}

// RunRequest asks for steps.
type RunRequest struct {
	Id, WorkDir, BuildDir, Steps string
	Timeout                      *time.Duration
	Env                          map[string]string
	Variables                    []Variable
}

// State of steps.
type State string

// String is the state's name.
func (s State) String() string { return string(s) }

// The states.
const (
	StateSuccess   State = "success"
	StateCancelled State = "cancelled"
)

// ErrorKind says why steps failed.
type ErrorKind string

// The kinds.
const (
	ErrorUnknown     ErrorKind = "unknown"
	ErrorInternal    ErrorKind = "internal"
	ErrorStepFailure ErrorKind = "step failure"
	ErrorCancelled   ErrorKind = "cancelled"
	ErrorTimeout     ErrorKind = "timeout"
)

// Status of steps.
type Status struct {
	State     State
	ErrorKind ErrorKind
	Message   string
}
