package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// halves is a connection whose one direction can be ended.
type halves interface {
	net.Conn
	CloseWrite() error
}

// dialer connects to unix:PATH, or by mutual TLS to HOST:PORT with the key
// set of a directory.
func dialer(to, certificates string) (func() (halves, error), error) {
	if path, unix := strings.CutPrefix(to, "unix:"); unix {
		return func() (halves, error) {
			return net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
		}, nil
	}
	keys, err := keySet(certificates)
	if err != nil {
		return nil, err
	}
	keys.ServerName = "localhost"
	return func() (halves, error) { return tls.Dial("tcp", to, keys) }, nil
}

// keySet reads ca.pem, cert.pem and key.pem, for either end.
func keySet(directory string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(directory, "cert.pem"), filepath.Join(directory, "key.pem"))
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(filepath.Join(directory, "ca.pem"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("%s has no usable ca.pem", directory)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{pair},
		RootCAs:      pool,
		ClientCAs:    pool,
		ClientAuth:   tls.RequireAndVerifyClientCert,
	}, nil
}
