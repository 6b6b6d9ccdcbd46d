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
	"os/exec"
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
	self, err := os.Executable()
	if err != nil {
		return err
	}
	runc := filepath.Join(filepath.Dir(self), "runc")
	switch {
	case slices.Contains(args, "features"):
		return features(runc, args)
	case slices.Contains(args, "create"):
		bundle := option(args, "--bundle", ".")
		if err := rewrite(filepath.Join(bundle, "config.json"), container); err != nil {
			return fmt.Errorf("container of bundle %s: %w", bundle, err)
		}
	case slices.Contains(args, "exec"):
		if err := rewrite(option(args, "--process", ""), process); err != nil {
			return fmt.Errorf("exec: %w", err)
		}
	}
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

// features prints what runc can do, less what Sysbox cannot: it knows no mount that is read-only with all below it.
func features(runc string, args []string) error {
	text, err := exec.Command(runc, args...).Output()
	if err != nil {
		return fmt.Errorf("%s features: %w", runc, err)
	}
	var known object
	if err := json.Unmarshal(text, &known); err != nil {
		return fmt.Errorf("%s features: %w", runc, err)
	}
	options, _ := known["mountOptions"].([]any)
	known["mountOptions"] = slices.DeleteFunc(options, func(option any) bool { return option == "rro" })
	return json.NewEncoder(os.Stdout).Encode(known)
}

// container rewrites the specification of a container.
func container(spec object, capabilities []string) {
	if spec.at("annotations")["io.kubernetes.cri.container-type"] == "container" {
		unleash(spec, capabilities)
	} // else it is a sandbox, which only holds the pod's namespaces
}

func rewrite(path string, change func(spec object, capabilities []string)) error {
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
	capabilities, err := allCapabilities()
	if err != nil {
		return err
	}
	change(spec, capabilities)
	text, err = json.Marshal(spec)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}
