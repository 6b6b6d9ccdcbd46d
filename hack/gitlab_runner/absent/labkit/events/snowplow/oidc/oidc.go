// Package oidc has options of billing events.
package oidc

// Option of a Source.
type Option struct{}

// Source of tokens.
type Source struct{}

// WithSkipIfUnsupportedCloud is an option.
func WithSkipIfUnsupportedCloud(bool) Option { return Option{} }

// NewSource makes a source.
func NewSource(...Option) Source { return Source{} }
