package main

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"time"
)

// How long a datagram's answer is waited for before it counts as lost.
const answerTime = 300 * time.Millisecond

// serveDatagrams answers each datagram with itself.
func serveDatagrams(conn net.PacketConn) {
	buffer := make([]byte, 65536)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			conn.WriteTo(buffer[:n], from)
		}
	}
}

// datagrams asks by one socket, as fast as answers come, with so many on the way. What isn't answered in time is an error.
func datagrams(o options) (answers, error) {
	conn, err := net.Dial("udp", o.target)
	if err != nil {
		return answers{}, err
	}
	defer conn.Close()
	var sum tally
	sent := map[uint64]time.Time{}
	out, in := make([]byte, max(o.size, 8)), make([]byte, 65536)
	next := uint64(0)
	began := time.Now()
	end := began.Add(time.Duration(o.seconds * float64(time.Second)))
	for time.Now().Before(end) {
		for len(sent) < o.window {
			binary.BigEndian.PutUint64(out, next)
			sent[next] = time.Now()
			next++
			if _, err := conn.Write(out); err != nil {
				return answers{}, err
			}
		}
		conn.SetReadDeadline(time.Now().Add(answerTime))
		n, err := conn.Read(in)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			for range sent {
				sum.note(began, errors.New("a datagram wasn't answered"))
			}
			clear(sent)
			continue
		}
		if err != nil {
			return answers{}, err
		}
		if n < 8 {
			continue
		}
		number := binary.BigEndian.Uint64(in)
		if at, ok := sent[number]; ok {
			delete(sent, number)
			sum.note(at, nil)
		}
		// What was sent long before the others is lost: its place must not stay empty.
		if oldest := number - uint64(64*o.window); len(sent) > 0 && number > uint64(64*o.window) {
			for lost := range sent {
				if lost < oldest {
					delete(sent, lost)
					sum.note(began, errors.New("a datagram wasn't answered"))
				}
			}
		}
	}
	return sum.answers(time.Since(began).Seconds())
}

// askOnce has one datagram answered, and keeps the socket.
func askOnce(o options) (net.Conn, error) {
	conn, err := net.Dial("udp", o.target)
	if err != nil {
		return nil, err
	}
	buffer := make([]byte, 64)
	for range 3 {
		conn.SetReadDeadline(time.Now().Add(time.Second))
		if _, err = conn.Write(buffer); err == nil {
			if _, err = conn.Read(buffer); err == nil {
				return conn, nil
			}
		}
	}
	conn.Close()
	return nil, err
}
