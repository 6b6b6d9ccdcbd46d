// sysbox-stand-in takes Sysbox's place as the OCI runtime of the handler
// "sysbox-runc". IT ISOLATES NOTHING: it proves that a pod is wired for Sysbox
// (RuntimeClass, hostUsers: false, nothing privileged, a volume on
// /var/lib/docker) and that a dockerd then works in it, no more.
//
// Sysbox lets such a dockerd work inside a user namespace; the stand-in takes
// the user namespace away and gives the container what a privileged one has.
// Then it becomes the runc that lies beside it, with the same arguments.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "sysbox-stand-in: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if slices.Contains(args, "create") {
		bundle := option(args, "--bundle", ".")
		if err := rewrite(filepath.Join(bundle, "config.json")); err != nil {
			return fmt.Errorf("container of bundle %s: %w", bundle, err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	runc := filepath.Join(filepath.Dir(self), "runc")
	err = syscall.Exec(runc, append([]string{runc}, args...), os.Environ())
	return fmt.Errorf("exec %s: %w; run `cluster build` to have it built", runc, err)
}

// option gives the value of "NAME VALUE" or "NAME=VALUE" in args.
func option(args []string, name, fallback string) string {
	for i, arg := range args {
		if value, found := strings.CutPrefix(arg, name+"="); found {
			return value
		}
		if arg == name && i+1 < len(args) {
			return args[i+1]
		}
	}
	return fallback
}

func rewrite(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // limits are whole numbers beyond what a float64 holds
	var spec object
	if err := decoder.Decode(&spec); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if spec.at("annotations")["io.kubernetes.cri.container-type"] != "container" {
		return nil // the sandbox only holds the pod's namespaces
	}
	capabilities, err := allCapabilities()
	if err != nil {
		return err
	}
	unleash(spec, capabilities)
	text, err = json.Marshal(spec)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}
