// Package schema has the fields of steps that the runner fills.
package schema

// StepInputs of a step.
type StepInputs map[string]any

// Step of a job.
type Step struct {
	Name   *string
	Step   any
	Inputs StepInputs
	Run    []Step
}
