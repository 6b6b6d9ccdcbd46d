package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// object is a JSON object of an OCI runtime specification. The whole document
// is kept as it came, so that fields unknown here survive.
type object map[string]any

// at gives the object under a key, making an empty one where there is none.
func (o object) at(key string) object {
	switch value := o[key].(type) {
	case map[string]any:
		return value
	case object:
		return value
	}
	made := object{}
	o[key] = made
	return made
}

// list gives the objects of the array under a key.
func (o object) list(key string) []object {
	var items []object
	values, _ := o[key].([]any)
	for _, value := range values {
		if item, ok := value.(map[string]any); ok {
			items = append(items, item)
		}
	}
	return items
}

// unleash turns the specification of an ordinary container in a user namespace
// of its own into that of a privileged one in the machine's.
func unleash(spec object, capabilities []string) {
	process(spec.at("process"), capabilities)

	linux := spec.at("linux")
	for _, key := range []string{"seccomp", "maskedPaths", "readonlyPaths", "uidMappings", "gidMappings"} {
		delete(linux, key)
	}
	linux["namespaces"] = slices.DeleteFunc(linux.list("namespaces"), func(namespace object) bool {
		return namespace["type"] == "user"
	})
	linux.at("resources")["devices"] = []object{{"allow": true, "access": "rwm"}}

	mounts := spec.list("mounts")
	for _, mount := range mounts {
		// without a user namespace to map into, runc refuses these
		delete(mount, "uidMappings")
		delete(mount, "gidMappings")
		options, _ := mount["options"].([]any)
		system := mount["type"] == "sysfs" || mount["type"] == "cgroup" || mount["type"] == "cgroup2"
		mount["options"] = slices.DeleteFunc(options, func(option any) bool {
			name, _ := option.(string)
			return name == "idmap" || name == "ridmap" || system && name == "ro"
		})
	}
	spec["mounts"] = mounts
}

// process gives a process every capability, as Sysbox does whatever its
// specification says. It may not escalate privileges: set-user-ID programs of
// the image, such as mount, belong to the root of the user namespace that was
// taken away, so they would run as a user without any privilege.
func process(spec object, capabilities []string) {
	spec["noNewPrivileges"] = true
	delete(spec, "apparmorProfile")
	delete(spec, "selinuxLabel")
	for _, set := range []string{"bounding", "effective", "permitted"} {
		spec.at("capabilities")[set] = capabilities
	}
}

// allCapabilities names what this process may hand on, as runc refuses the
// whole set where the machine itself lacks one of them.
func allCapabilities() ([]string, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(status)) {
		field, value, _ := strings.Cut(line, ":")
		if field != "CapBnd" {
			continue
		}
		mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err != nil {
			return nil, fmt.Errorf("/proc/self/status: CapBnd: %w", err)
		}
		var names []string
		for bit, name := range capabilityNames {
			if mask&(1<<bit) != 0 {
				names = append(names, "CAP_"+name)
			}
		}
		return names, nil
	}
	return nil, fmt.Errorf("/proc/self/status has no line CapBnd")
}

// capabilityNames are in the order of the kernel's numbers.
var capabilityNames = []string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
	"LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
	"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
	"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
	"MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
	"CHECKPOINT_RESTORE",
}
