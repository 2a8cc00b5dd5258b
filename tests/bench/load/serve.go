package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"log"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

const body = "The quick brown fox jumps over the lazy dog, and over it again, and once more, until the line is long enough.\n"

var (
	kept   = answer("keep-alive")
	closed = answer("close")
)

func answer(connection string) []byte {
	return []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " + strconv.Itoa(len(body)) +
		"\r\nConnection: " + connection + "\r\n\r\n" + body)
}

// serve answers. Its answers cost as little as they can: what is measured lies before it.
func serve(o options) error {
	web, err := net.Listen("tcp", o.listenHTTP)
	if err != nil {
		return err
	}
	streams, err := net.Listen("tcp", o.listenBytes)
	if err != nil {
		return err
	}
	ports := map[string]int{"http": web.Addr().(*net.TCPAddr).Port, "bytes": streams.Addr().(*net.TCPAddr).Port}
	packets, err := net.ListenPacket("udp", streams.Addr().String())
	if err != nil {
		return err
	}
	go serveDatagrams(packets)
	if o.listenHTTP2 != "" {
		listener, err := net.Listen("tcp", o.listenHTTP2)
		if err != nil {
			return err
		}
		ports["http2"] = listener.Addr().(*net.TCPAddr).Port
		go serveHTTP2(listener)
	}
	say(ports)
	go accept(streams, serveStream)
	go accept(web, serveHTTP)
	if !o.held {
		select {}
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func accept(listener net.Listener, serve func(net.Conn)) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Print(err)
			time.Sleep(10 * time.Millisecond)
			continue
		}
		go func() {
			defer conn.Close()
			serve(conn)
		}()
	}
}

// serveHTTP takes requests without bodies.
func serveHTTP(conn net.Conn) {
	reader := bufio.NewReaderSize(conn, 2048)
	over := false
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return
		}
		if len(line) > 2 {
			over = over || bytes.EqualFold(bytes.TrimSpace(line), []byte("connection: close"))
			continue
		}
		if over {
			conn.Write(closed)
			return
		}
		if _, err := conn.Write(kept); err != nil {
			return
		}
	}
}

// What a stream's client says first: who sends, for how long, and how much of that doesn't count.
const (
	clientSends = 'U'
	serverSends = 'D'
	nobodySends = 'H'
)

type order struct {
	Kind     byte
	Millis   uint32
	WarmupMs uint32
}

func serveStream(conn net.Conn) {
	var o order
	if binary.Read(conn, binary.BigEndian, &o) != nil {
		return
	}
	switch o.Kind {
	case clientSends:
		if got, err := receive(conn, time.Duration(o.WarmupMs)*time.Millisecond); err == nil {
			json.NewEncoder(conn).Encode(got)
			io.Copy(io.Discard, conn) // the client closes first
		}
	case serverSends:
		send(conn, time.Duration(o.Millis)*time.Millisecond)
	case nobodySends:
		conn.Write([]byte{nobodySends})
		io.Copy(io.Discard, conn)
	}
}

var content = []byte(strings.Repeat("0123456789abcdef", 16384))

// What is sent last. Closing one direction would say it too, but not through every port-forward.
const last = '.'

func send(conn net.Conn, duration time.Duration) error {
	for end := time.Now().Add(duration); time.Now().Before(end); {
		if _, err := conn.Write(content); err != nil {
			return err
		}
	}
	_, err := conn.Write([]byte{last})
	return err
}

type received struct {
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"`
}

// receive reads up to the last byte. What comes in the first moments doesn't count, nor does their time.
func receive(conn io.Reader, warmup time.Duration) (received, error) {
	buffer := make([]byte, 256<<10)
	begun := time.Time{}
	var got received
	for {
		n, err := conn.Read(buffer)
		now := time.Now()
		if begun.IsZero() && n > 0 {
			begun = now.Add(warmup)
		}
		if n > 0 && now.After(begun) {
			got.Bytes += int64(n)
			got.Seconds = now.Sub(begun).Seconds()
		}
		if n > 0 && buffer[n-1] == last {
			return got, nil
		}
		if err != nil {
			return got, err
		}
	}
}
