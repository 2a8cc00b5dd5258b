package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

type carried struct {
	Bytes         int64   `json:"bytes"`
	BitsPerSecond float64 `json:"bitsPerSecond"`
}

// stream has bytes sent for a time. They count where they arrive: buffers on the way don't.
func stream(o options) (carried, error) {
	results := make([]received, o.streams)
	failures := make([]error, o.streams)
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() { results[i], failures[i] = oneStream(o) })
	}
	all.Wait()
	var sum carried
	for _, got := range results {
		sum.Bytes += got.Bytes
		if got.Seconds > 0 {
			sum.BitsPerSecond += float64(got.Bytes) * 8 / got.Seconds
		}
	}
	return sum, errors.Join(failures...)
}

func oneStream(o options) (got received, err error) {
	conn, err := dial(o)
	if err != nil {
		return got, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience + 4*time.Duration(o.seconds*float64(time.Second))))
	duration, warmup := time.Duration(o.seconds*float64(time.Second)), time.Duration(o.warmup*float64(time.Second))
	order := order{serverSends, uint32(duration.Milliseconds()), uint32(warmup.Milliseconds())}
	if o.up {
		order.Kind = clientSends
	}
	if err := binary.Write(conn, binary.BigEndian, order); err != nil {
		return got, err
	}
	if !o.up {
		return receive(conn, warmup)
	}
	if err := send(conn, duration); err != nil {
		return got, err
	}
	err = json.NewDecoder(conn).Decode(&got)
	return got, err
}

type holding struct {
	Open   int    `json:"open"`
	Failed int    `json:"failed"`
	Error  string `json:"error,omitempty"` // the first one
}

// hold opens connections, each of which the server has answered once, and holds them.
func hold(o options) error {
	const atOnce = 50
	var lock sync.Mutex
	var result holding
	var conns []net.Conn
	turns := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for range o.connections {
		turns <- struct{}{}
		all.Go(func() {
			conn, err := idle(o)
			lock.Lock()
			defer lock.Unlock()
			if err == nil {
				conns = append(conns, conn)
				result.Open++
			} else if result.Failed++; result.Failed == 1 {
				result.Error = err.Error()
			}
			<-turns
		})
	}
	all.Wait()
	say(result)
	io.Copy(io.Discard, os.Stdin)
	for _, conn := range conns {
		conn.Close()
	}
	return nil
}

func idle(o options) (net.Conn, error) {
	if o.udp {
		return askOnce(o)
	}
	if o.ask {
		c := newClient(o)
		err := c.ask()
		return c.conn, err
	}
	conn, err := dial(o)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(patience))
	err = binary.Write(conn, binary.BigEndian, order{Kind: nobodySends})
	if err == nil {
		_, err = io.ReadFull(conn, make([]byte, 1))
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("holding: %w", err)
	}
	return conn, nil
}
