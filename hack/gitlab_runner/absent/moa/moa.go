// Package moa stands for the language of `${{ }}` in jobs with inputs, which are refused here.
package moa

import (
	"errors"

	"gitlab.com/gitlab-org/moa/ast"
)

// ParseTemplate refuses every text: the runner calls it for jobs with inputs only.
func ParseTemplate(string) (ast.Expr, error) {
	return nil, errors.New("this runner is built without job inputs")
}

// EscapeTemplate is called for jobs that run in native steps only.
func EscapeTemplate(string) string {
	panic("this runner is built without native steps")
}
