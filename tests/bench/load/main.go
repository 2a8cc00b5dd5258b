// Command load is both ends of a measurement: what answers, and what asks. wrk asks too, where it can; this does what
// wrk doesn't: a fixed number of requests, a fixed rate, streams of bytes, connections that are only held, SOCKS5.
//
//	load serve -http :8080 -bytes :5201      the server: HTTP/1.1, streams of bytes, and on the same port datagrams, which it sends back; -http2 :8082: HTTP/2 without TLS, too;
//	                                         -held: until its standard input ends
//	load requests -target A -clients N       -requests R [-times T] or -seconds S; -new: a connection each; -prior: HTTP/2
//	load pace -target A -rate R -seconds S   R requests a second, whether answers come or not (open loop)
//	load lookups -target N -rate R -seconds S  the same with questions for a name's address
//	load stream -target A -up -streams N -seconds S [-warmup W]
//	load datagrams -target A -size B -window N -seconds S  N datagrams on the way
//	load hold -target A -connections N       opens them, and holds them until its standard input ends; -ask: HTTP ones; -udp: UDP sockets
//
// With -socks all goes through a SOCKS5 proxy. Each prints one line of JSON.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
)

type options struct {
	target, host, socks, field     string
	clients, requests, times, rate int
	streams, connections           int
	seconds, warmup                float64
	size, window                   int
	held, fresh, up, ask, prior    bool
	udp, leave                     bool
	listenHTTP, listenBytes        string
	listenHTTP2                    string
}

func main() {
	if len(os.Args) < 2 {
		log.Fatal("usage: load serve|requests|pace|lookups|stream|datagrams|hold [options]")
	}
	var o options
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	flags.StringVar(&o.target, "target", "", "HOST:PORT")
	flags.StringVar(&o.host, "host", "bench", "what the Host header says")
	flags.StringVar(&o.field, "field", "", "a field of each request: \"x-user: alice\"")
	flags.StringVar(&o.socks, "socks", "", "a SOCKS5 proxy's HOST:PORT")
	flags.IntVar(&o.clients, "clients", 1, "connections that ask at the same time")
	flags.IntVar(&o.requests, "requests", 0, "how many requests altogether")
	flags.IntVar(&o.times, "times", 1, "how often all of that")
	flags.IntVar(&o.rate, "rate", 200, "requests per second")
	flags.IntVar(&o.streams, "streams", 1, "streams at the same time")
	flags.IntVar(&o.connections, "connections", 1, "connections to hold")
	flags.IntVar(&o.size, "size", 100, "bytes of a datagram")
	flags.IntVar(&o.window, "window", 1, "datagrams on the way")
	flags.Float64Var(&o.seconds, "seconds", 3, "how long")
	flags.Float64Var(&o.warmup, "warmup", 0, "seconds of a stream that don't count")
	flags.BoolVar(&o.fresh, "new", false, "a new connection for each request")
	flags.BoolVar(&o.leave, "leave", false, "with -new: the client closes first, not the server")
	flags.BoolVar(&o.up, "up", false, "from here to the server; otherwise the other way")
	flags.BoolVar(&o.ask, "ask", false, "hold connections that have had one HTTP request answered")
	flags.BoolVar(&o.udp, "udp", false, "hold UDP sockets that have had one datagram answered")
	flags.BoolVar(&o.held, "held", false, "serve until standard input ends")
	flags.StringVar(&o.listenHTTP, "http", ":8080", "where to answer HTTP")
	flags.BoolVar(&o.prior, "prior", false, "ask by HTTP/2 without TLS (prior knowledge)")
	flags.StringVar(&o.listenHTTP2, "http2", "", "where to answer HTTP/2 without TLS")
	flags.StringVar(&o.listenBytes, "bytes", ":5201", "where to answer streams of bytes")
	flags.Parse(os.Args[2:])

	var result any
	var err error
	switch os.Args[1] {
	case "serve":
		err = serve(o)
	case "requests":
		result, err = requests(o)
	case "pace":
		result, err = pace(o)
	case "lookups":
		result, err = lookups(o)
	case "stream":
		result, err = stream(o)
	case "datagrams":
		result, err = datagrams(o)
	case "hold":
		err = hold(o)
	default:
		err = fmt.Errorf("there is no %q", os.Args[1])
	}
	if err != nil {
		log.Fatal(err)
	}
	if result != nil {
		say(result)
	}
}

func say(result any) {
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		log.Fatal(err)
	}
}
