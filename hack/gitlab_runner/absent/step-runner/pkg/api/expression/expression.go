// Package expression evaluates what is in `${{ }}`: this runner is built without it.
package expression

import (
	"errors"

	"gitlab.com/gitlab-org/moa/ast"
	"gitlab.com/gitlab-org/moa/value"
)

// Sensitive marks a value.
const Sensitive uint16 = 1

// Input of a job.
type Input struct {
	Key   string
	Value value.Value
}

// Evaluator refuses every expression.
type Evaluator struct{}

// NewEvaluator makes one, as the runner does for each job.
func NewEvaluator(value.Value) (*Evaluator, error) { return &Evaluator{}, nil }

// Eval refuses.
func (*Evaluator) Eval(string, ast.Expr) (value.Value, error) {
	return value.Null(), errors.New("this runner is built without job inputs")
}
