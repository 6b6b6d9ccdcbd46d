// Package extended is the client of a step-runner: this runner is built without it.
package extended

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	"gitlab.com/gitlab-org/step-runner/pkg/api/client"
)

var errAbsent = errors.New("this runner is built without native steps")

// Dialer connects to a step-runner.
type Dialer interface {
	Dial() (*grpc.ClientConn, error)
}

// FollowOutput takes logs.
type FollowOutput struct{ Logs io.Writer }

// Client refuses everything.
type Client struct{}

// New refuses.
func New(Dialer) (*Client, error) { return nil, errAbsent }

// CloseConn refuses.
func (*Client) CloseConn() error { return errAbsent }

// Cancel refuses.
func (*Client) Cancel(context.Context, string) error { return errAbsent }

// RunAndFollow refuses.
func (*Client) RunAndFollow(context.Context, *client.RunRequest, *FollowOutput) (client.Status, error) {
	return client.Status{}, errAbsent
}
