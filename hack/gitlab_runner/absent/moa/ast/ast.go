// Package ast has the types of the language's syntax tree.
package ast

// Expr is a node of the tree.
type Expr interface {
	Walk(Visitor) (Expr, error)
}

// Visitor visits nodes.
type Visitor interface {
	Enter(Expr) (Visitor, error)
	Exit(Expr) (Expr, error)
}

// Template is text with expressions.
type Template struct{}

// Walk visits nothing: no template is ever made.
func (t *Template) Walk(Visitor) (Expr, error) {
	return t, nil
}
