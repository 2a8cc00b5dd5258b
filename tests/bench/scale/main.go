// Command scale fills a cluster with objects that nothing runs of, changes them, and takes them away again: what a laptop and a
// gateway see of a large cluster. All goes through the API server. Its standard input is a kubeconfig in JSON
// (`kubectl config view --raw --minify -o json`).
//
//	scale fill -services N -pods N     nodes that have no kubelet, namespaces, Services, their EndpointSlices, and pods that look like running
//	scale touch -rate R -seconds S     status updates of pods that change nothing that pmz reads
//	scale rollout -replaced N -seconds S -generation G  replaces so many pods by others with other addresses, one after the other; G is 1, 2, ...
//	scale empty                        takes all of it away
//
// Each prints one line of JSON.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"time"
)

type options struct {
	services, pods       int
	rate                 int
	replaced, generation int
	seconds              float64
}

// outcome is what was done. What failed for good is an error of the command.
type outcome struct {
	Writes  int64   `json:"writes"`
	Retried int64   `json:"retried"`
	Seconds float64 `json:"seconds"`
}

func main() {
	if len(os.Args) < 2 {
		log.Fatal("usage: scale fill|touch|rollout|empty [options]")
	}
	var o options
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	flags.IntVar(&o.services, "services", 10_000, "how many Services, each with an EndpointSlice")
	flags.IntVar(&o.pods, "pods", 30_000, "how many pods")
	flags.IntVar(&o.rate, "rate", 50, "updates a second")
	flags.IntVar(&o.replaced, "replaced", 500, "pods that are replaced")
	flags.IntVar(&o.generation, "generation", 1, "which rollout it is")
	flags.Float64Var(&o.seconds, "seconds", 10, "how long")
	flags.Parse(os.Args[2:])
	work, known := map[string]func(*api, options) error{
		"fill": fill, "touch": touch, "rollout": rollout, "empty": empty,
	}[os.Args[1]]
	if !known {
		log.Fatalf("there is no %q", os.Args[1])
	}
	server, err := connect(os.Stdin)
	if err != nil {
		log.Fatal(fmt.Errorf("reading the kubeconfig: %w", err))
	}
	began := time.Now()
	if err := work(server, o); err != nil {
		log.Fatal(err)
	}
	done := outcome{server.writes.Load(), server.retried.Load(), time.Since(began).Seconds()}
	if err := json.NewEncoder(os.Stdout).Encode(done); err != nil {
		log.Fatal(err)
	}
}
