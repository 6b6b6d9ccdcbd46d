// seccomp-profile writes the seccomp profile of dockerd in a user namespace, as
// `make seccomp` puts it into the chart: containerd's default profile for a
// container with CAP_SYS_ADMIN, and the system calls that runc needs besides.
// runc gives each inner container a keyring of its own (keyctl), and moves it
// to its root (pivot_root). Each container gets Docker's own profile in turn.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/containerd/containerd/v2/contrib/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// capabilities that containerd gives every container, and those that dockerd's adds.
var capabilities = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
	"CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",
	"CAP_AUDIT_WRITE", "CAP_SYS_ADMIN", "CAP_NET_ADMIN",
}

// profile is an OCI profile in the order in which people read it.
type profile struct {
	DefaultAction   specs.LinuxSeccompAction `json:"defaultAction"`
	DefaultErrnoRet *uint                    `json:"defaultErrnoRet,omitempty"`
	Architectures   []specs.Arch             `json:"architectures"`
	Syscalls        []specs.LinuxSyscall     `json:"syscalls"`
}

func main() {
	made := seccomp.DefaultProfile(&specs.Spec{Process: &specs.Process{
		Capabilities: &specs.LinuxCapabilities{Bounding: capabilities},
	}})
	// Names that a kernel's architecture does not have change nothing there, so one file serves both.
	arm := []string{"arm_fadvise64_64", "arm_sync_file_range", "sync_file_range2", "breakpoint", "cacheflush", "set_tls"}
	keys := []string{"add_key", "keyctl", "pivot_root", "request_key"}
	allowed := specs.LinuxSyscall{Names: append(keys, arm...), Action: specs.ActAllow}
	out := profile{
		DefaultAction:   made.DefaultAction,
		DefaultErrnoRet: made.DefaultErrnoRet,
		Architectures:   []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32, specs.ArchAARCH64, specs.ArchARM},
		Syscalls:        append(made.Syscalls, allowed),
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(out); err != nil {
		fmt.Fprintln(os.Stderr, "seccomp-profile:", err)
		os.Exit(1)
	}
}
