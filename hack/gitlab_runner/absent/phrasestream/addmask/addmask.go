// Package addmask masks output of the command `proxy-exec`, which this runner doesn't have.
package addmask

import (
	"errors"
	"io"
)

// AddMask is never made.
type AddMask struct{}

// New refuses.
func New(any, ...io.Writer) (*AddMask, error) {
	return nil, errors.New("this runner is built without the command proxy-exec")
}

// Get has no stream.
func (*AddMask) Get(int) io.Writer { return nil }

// Close has nothing to close.
func (*AddMask) Close() error { return nil }
