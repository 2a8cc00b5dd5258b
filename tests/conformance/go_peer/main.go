// Go's HTTP/2 (golang.org/x/net/http2) as a peer of ours, without TLS.
//
//	go_peer server        listens on loopback, prints its port, serves until its input ends
//	go_peer client PORT   tries a server, prints what it found out as JSON
//
// A server echoes what comes on a CONNECT, and answers POST with the SHA-256 of what came, of its trailers too, and with trailers.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"

	"golang.org/x/net/http2"
)

func main() {
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == "server":
		err = serve()
	case len(os.Args) == 3 && os.Args[1] == "client":
		err = try(os.Args[2])
	default:
		err = errors.New("usage: go_peer server | client PORT")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go (&http2.Server{}).ServeConn(conn, &http2.ServeConnOpts{Handler: http.HandlerFunc(answer)})
		}
	}()
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func answer(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodConnect && r.Host == "reset.default.svc:80":
		w.WriteHeader(http.StatusOK)
		io.WriteString(w, "some")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case r.Method == http.MethodConnect:
		w.WriteHeader(http.StatusOK)
		echo(w, r.Body)
	default:
		w.Header().Set("Trailer", "X-Sum")
		sum := sha256.New()
		if _, err := io.Copy(sum, r.Body); err != nil {
			panic(http.ErrAbortHandler)
		}
		io.WriteString(w, "received")
		io.WriteString(w, r.Trailer.Get("X-After"))
		w.Header().Set("X-Sum", hex.EncodeToString(sum.Sum(nil)))
	}
}

func echo(w http.ResponseWriter, body io.Reader) {
	flush := http.NewResponseController(w).Flush
	flush()
	buffer := make([]byte, 64<<10)
	for {
		n, err := body.Read(buffer)
		if n > 0 {
			if _, err := w.Write(buffer[:n]); err != nil {
				return
			}
			flush()
		}
		if err != nil {
			return
		}
	}
}

// What the client found out.
type verdict struct {
	// Of 24 MiB, what came back is what went.
	Large bool `json:"large"`
	// Of 200 streams at once, so many brought back their own bytes.
	Streams int `json:"streams"`
	// A request with trailers was answered, with trailers.
	Trailers string `json:"trailers"`
	// What reading a stream gave that was reset.
	Reset string `json:"reset"`
}

func try(port string) error {
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return err
	}
	client, err := (&http2.Transport{AllowHTTP: true}).NewClientConn(conn)
	if err != nil {
		return err
	}
	var found verdict
	large := bytes.Repeat([]byte("0123456789abcdef-pmz"), 24<<20/20)
	back, err := through(client, "echo.default.svc:80", bytes.NewReader(large))
	if err != nil {
		return fmt.Errorf("24 MiB: %w", err)
	}
	found.Large = sha256.Sum256(back) == sha256.Sum256(large)

	var wait sync.WaitGroup
	var lock sync.Mutex
	for i := range 200 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			own := bytes.Repeat([]byte(fmt.Sprintf("stream %d;", i)), 1000+10*i)
			back, err := through(client, fmt.Sprintf("10.0.0.%d:80", i), bytes.NewReader(own))
			if err == nil && bytes.Equal(back, own) {
				lock.Lock()
				found.Streams++
				lock.Unlock()
			}
		}()
	}
	wait.Wait()

	if found.Trailers, err = trailers(client); err != nil {
		return fmt.Errorf("trailers: %w", err)
	}
	_, err = through(client, "reset.default.svc:80", bytes.NewReader(nil))
	found.Reset = fmt.Sprint(err)
	if err := client.Shutdown(context.Background()); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

// Sends all of body through a CONNECT; returns all that comes back.
func through(client *http2.ClientConn, host string, body io.Reader) ([]byte, error) {
	response, err := client.RoundTrip(&http.Request{
		Method: http.MethodConnect,
		URL:    &url.URL{Scheme: "http", Host: host},
		Host:   host,
		Header: http.Header{},
		// Of unknown length, as a tunnel's.
		Body:          io.NopCloser(body),
		ContentLength: -1,
	})
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, errors.New(response.Status)
	}
	return io.ReadAll(response.Body)
}

func trailers(client *http2.ClientConn) (string, error) {
	request, err := http.NewRequest(http.MethodPost, "http://a/", io.NopCloser(bytes.NewReader([]byte("some"))))
	if err != nil {
		return "", err
	}
	request.ContentLength = -1
	request.Trailer = http.Header{"X-After": {"the end"}}
	response, err := client.RoundTrip(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}
