package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// answers is how requests went. Latencies are in milliseconds.
type answers struct {
	Requests int     `json:"requests"`
	Errors   int     `json:"errors"`
	Error    string  `json:"error,omitempty"` // the first one
	Seconds  float64 `json:"seconds"`
	P50      float64 `json:"p50"`
	P90      float64 `json:"p90"`
	P99      float64 `json:"p99"`
	Max      float64 `json:"max"`
}

// client asks one request after the other.
type client struct {
	options
	request []byte
	conn    net.Conn
	reader  *bufio.Reader
}

// asker has one request answered after the other.
type asker interface {
	ask() error
	close()
}

func newAsker(o options) (asker, error) {
	if o.prior {
		return newHTTP2Client(o)
	}
	return newClient(o), nil
}

func newClient(o options) *client {
	more := ""
	if o.fresh && !o.leave {
		more = "Connection: close\r\n"
	}
	if o.field != "" {
		more += o.field + "\r\n"
	}
	request := []byte("GET / HTTP/1.1\r\nHost: " + o.host + "\r\n" + more + "\r\n")
	return &client{options: o, request: request}
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// ask has one request answered. After an error the next one gets a new connection.
func (c *client) ask() error {
	if c.fresh {
		c.close()
	}
	if c.conn == nil {
		conn, err := dial(c.options)
		if err != nil {
			return err
		}
		c.conn, c.reader = conn, bufio.NewReaderSize(conn, 4096)
	}
	c.conn.SetDeadline(time.Now().Add(patience))
	_, err := c.conn.Write(c.request)
	if err == nil {
		err = c.read()
	}
	if err != nil || c.leave {
		c.close()
	}
	return err
}

func (c *client) read() error {
	length, first := -1, true
	for {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
			return fmt.Errorf("answered %q", line)
		}
		first = false
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			break
		}
		if name, value, _ := bytes.Cut(line, []byte(":")); bytes.EqualFold(name, []byte("content-length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return errors.New("answered without a length")
	}
	_, err := io.CopyN(io.Discard, c.reader, int64(length))
	return err
}

// tally is kept by each asker alone, and put together at the end.
type tally struct {
	latencies []time.Duration
	errors    int
	first     error
}

func (t *tally) note(began time.Time, err error) {
	if err == nil {
		t.latencies = append(t.latencies, time.Since(began))
		return
	}
	t.errors++
	if t.first == nil {
		t.first = err
	}
}

// requests asks as fast as answers come, all of it as often as is said: with new connections each time.
func requests(o options) (answers, error) {
	if o.clients < 1 || o.times < 1 {
		return answers{}, errors.New("there must be clients, and once at least")
	}
	var sum tally
	var seconds float64
	for range o.times {
		once := once(o)
		sum.add(once.tally)
		seconds += once.seconds
	}
	return sum.answers(seconds)
}

type timed struct {
	tally
	seconds float64
}

func once(o options) timed {
	var asked atomic.Int64
	began := time.Now()
	end := began.Add(time.Duration(o.seconds * float64(time.Second)))
	more := func() bool {
		if o.requests > 0 {
			return asked.Add(1) <= int64(o.requests)
		}
		return time.Now().Before(end)
	}
	return each(o.clients, func(t *tally) {
		c, err := newAsker(o)
		if err != nil {
			t.note(time.Now(), err)
			return
		}
		defer c.close()
		for more() {
			began := time.Now()
			t.note(began, c.ask())
		}
	})
}

// pace asks at a fixed rate. What a request waits because an earlier one is slow counts as its latency, too.
func pace(o options) (answers, error) {
	return paced(o, func(t *tally) (func() error, func()) {
		c := newClient(o)
		if !o.fresh {
			if err := c.ask(); err != nil { // connects, and is no part of it
				t.note(time.Now(), err)
			}
		}
		return c.ask, c.close
	})
}

// lookups asks the machine's nameserver for a name's address at a fixed rate.
func lookups(o options) (answers, error) {
	resolver := net.Resolver{PreferGo: true}
	return paced(o, func(*tally) (func() error, func()) {
		ask := func() error {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			_, err := resolver.LookupNetIP(ctx, "ip4", o.target)
			return err
		}
		return ask, func() {}
	})
}

// paced has clients do something at a fixed rate, whether the last ones are done or not.
func paced(o options, client func(*tally) (do func() error, end func())) (answers, error) {
	if o.rate < 1 {
		return answers{}, errors.New("there must be a rate")
	}
	due := make(chan time.Time, int(float64(o.rate)*o.seconds)+1)
	go func() {
		defer close(due)
		step := time.Second / time.Duration(o.rate)
		at := time.Now().Add(100 * time.Millisecond) // connections are made meanwhile
		for i := 0; i < cap(due)-1; i++ {
			time.Sleep(time.Until(at))
			due <- time.Now() // not `at`: that this wakes late is no latency of what is measured
			at = at.Add(step)
		}
	}()
	all := each(o.clients, func(t *tally) {
		do, end := client(t)
		defer end()
		for at := range due {
			t.note(at, do())
		}
	})
	return all.answers(all.seconds)
}

func each(clients int, work func(*tally)) timed {
	began := time.Now()
	tallies := make([]tally, clients)
	var all sync.WaitGroup
	for i := range tallies {
		all.Go(func() { work(&tallies[i]) })
	}
	all.Wait()
	result := timed{seconds: time.Since(began).Seconds()}
	for _, t := range tallies {
		result.add(t)
	}
	return result
}

func (t *tally) add(other tally) {
	t.latencies = append(t.latencies, other.latencies...)
	t.errors += other.errors
	if t.first == nil {
		t.first = other.first
	}
}

func (t *tally) answers(seconds float64) (answers, error) {
	result := answers{Requests: len(t.latencies), Errors: t.errors, Seconds: seconds}
	if t.first != nil {
		result.Error = t.first.Error()
	}
	if len(t.latencies) == 0 {
		return result, fmt.Errorf("no request was answered: %w", t.first)
	}
	slices.Sort(t.latencies)
	at := func(quantile float64) float64 {
		rank := int(math.Ceil(quantile*float64(len(t.latencies)))) - 1
		return float64(t.latencies[max(rank, 0)].Microseconds()) / 1000
	}
	result.P50, result.P90, result.P99, result.Max = at(0.5), at(0.9), at(0.99), at(1)
	return result, nil
}
