// The rules that sidecars' init containers make in a pod's network namespace, by the code of Istio and of Consul.
package main

import (
	"fmt"
	"os"

	consul "github.com/hashicorp/consul/sdk/iptables"
	"istio.io/istio/pkg/log"
	istio "istio.io/istio/tools/istio-iptables/pkg/cmd"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sidecars:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("usage: sidecars consul [PORT-TO-EXCLUDE...] | istio [OPTION...]")
	}
	switch args[0] {
	case "consul":
		// As consul-k8s has it: its Envoy listens on port 20000 and runs as user 5995.
		return consul.Setup(consul.Config{
			ProxyUserID:         "5995",
			ProxyInboundPort:    20000,
			ExcludeInboundPorts: args[1:],
		}, false)
	case "istio":
		command := istio.GetCommand(log.DefaultOptions())
		command.SetArgs(args[1:])
		return command.Execute()
	default:
		return fmt.Errorf("there is no sidecar %q", args[0])
	}
}
