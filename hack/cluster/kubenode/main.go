// kubenode holds every Kubernetes component of the embedded cluster in one
// program: the components share most of their code, so one link and one file
// are a third of the time and a sixth of the disk of separate ones.
//
// Usage: kubenode COMPONENT [FLAGS], or through a link with the component's name.
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// component runs with args[0] as its own name and returns its exit status.
type component func(args []string) int

// command adapts what cobra-based components export; cobra reads os.Args.
func command(build func() *cobra.Command) component {
	return func(args []string) int {
		os.Args = args
		return cli.Run(build())
	}
}

var components = map[string]component{
	"dns":                     command(newDNSCommand),
	"etcd":                    func(args []string) int { etcdmain.Main(args); return 0 },
	"kube-apiserver":          command(func() *cobra.Command { return apiserver.NewAPIServerCommand() }),
	"kube-controller-manager": command(func() *cobra.Command { return controllermanager.NewControllerManagerCommand() }),
	"kube-proxy":              command(func() *cobra.Command { return proxy.NewProxyCommand() }),
	"kube-scheduler":          command(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"kubectl":                 command(func() *cobra.Command { return kubectl.NewDefaultKubectlCommand() }),
	"kubelet":                 command(func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) }),
}

func main() {
	args := slices.Clone(os.Args)
	args[0] = filepath.Base(args[0])
	if _, called := components[args[0]]; !called && len(args) > 1 {
		args = args[1:]
	}
	run, known := components[args[0]]
	if !known {
		names := slices.Sorted(maps.Keys(components))
		fmt.Fprintf(os.Stderr, "kubenode: no component %q; there are: %s\n", args[0], strings.Join(names, ", "))
		os.Exit(2)
	}
	os.Exit(run(args))
}
