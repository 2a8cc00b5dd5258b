package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
)

func serveHTTP2(listener net.Listener) {
	server := http.Server{
		Protocols: prior(),
		Handler: http.HandlerFunc(func(answer http.ResponseWriter, _ *http.Request) {
			io.WriteString(answer, body)
		}),
	}
	log.Fatal(server.Serve(listener))
}

// http2Client asks one request after the other, all on one connection.
type http2Client struct {
	request *http.Request
	http    http.Client
}

func newHTTP2Client(o options) (*http2Client, error) {
	request, err := http.NewRequest("GET", "http://"+o.target+"/", nil)
	if err != nil {
		return nil, err
	}
	request.Host = o.host
	if name, value, ok := strings.Cut(o.field, ":"); ok {
		request.Header.Set(name, strings.TrimSpace(value))
	}
	transport := &http.Transport{Protocols: prior()}
	return &http2Client{request, http.Client{Transport: transport, Timeout: patience}}, nil
}

func (c *http2Client) ask() error {
	answer, err := c.http.Do(c.request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != 200 || answer.ProtoMajor != 2 {
		return fmt.Errorf("answered %s %s", answer.Proto, answer.Status)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

func (c *http2Client) close() {
	c.http.CloseIdleConnections()
}

// prior is HTTP/2 by prior knowledge (RFC 9113 §3.3), and nothing else.
func prior() *http.Protocols {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return protocols
}
