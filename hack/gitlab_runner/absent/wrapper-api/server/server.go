// Package server is that of the command `wrapper`, which this runner doesn't have.
package server

import "net"

// Server is never made.
type Server struct{}

// New is never called.
func New(any, any) *Server { panic("this runner is built without the command wrapper") }

// Listen has nothing to serve.
func (*Server) Listen(net.Listener) {}

// Stop has nothing to stop.
func (*Server) Stop() {}
