package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

const patience = 20 * time.Second

// dial connects, through the proxy where there is one.
func dial(o options) (net.Conn, error) {
	address := o.target
	if o.socks != "" {
		address = o.socks
	}
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil || o.socks == "" {
		return conn, err
	}
	if err := socks(conn, o.target); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// socks asks a SOCKS5 proxy (RFC 1928) for a connection to a name.
func socks(conn net.Conn, target string) error {
	host, portText, err := net.SplitHostPort(target)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(portText)
	if err != nil || len(host) > 255 {
		return fmt.Errorf("no target: %q", target)
	}
	if _, err := conn.Write([]byte{5, 1, 0}); err != nil {
		return err
	}
	answer := make([]byte, 4)
	if _, err := io.ReadFull(conn, answer[:2]); err != nil {
		return err
	}
	if answer[1] != 0 {
		return errors.New("the proxy wants a password")
	}
	request := append([]byte{5, 1, 0, 3, byte(len(host))}, host...)
	if _, err := conn.Write(append(request, byte(port>>8), byte(port))); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, answer); err != nil {
		return err
	}
	if answer[1] != 0 {
		return fmt.Errorf("the proxy answered %d", answer[1])
	}
	rest := map[byte]int{1: 4 + 2, 4: 16 + 2}[answer[3]]
	if rest == 0 {
		return fmt.Errorf("the proxy answered with an address of kind %d", answer[3])
	}
	_, err = io.ReadFull(conn, make([]byte, rest))
	return err
}
