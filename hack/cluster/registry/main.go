// registry serves images on :5000 from /var/lib/registry, or as the
// configuration file says that its one argument names.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/proxy"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

var standard = []byte(`version: 0.1
log: {level: info, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: /var/lib/registry}
  delete: {enabled: true}
http: {addr: ":5000"}
`)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "registry: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	text := standard
	if len(args) > 0 {
		var err error
		if text, err = os.ReadFile(args[0]); err != nil {
			return err
		}
	}
	config, err := configuration.Parse(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	server, err := registry.NewRegistry(context.Background(), config)
	if err != nil {
		return err
	}
	return server.ListenAndServe()
}
