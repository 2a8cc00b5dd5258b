// What an API server and a container runtime are together for a port-forward, for tests: gorilla/websocket and
// moby/spdystream, the libraries that those use. It prints the port on loopback that it listens on, and ends with its input.
//
// The port that is asked for says what the pod does:
//
//	7  sends back what comes, and ends when that has
//	9  counts and hashes what comes until it ends, then says "BYTES SHA256" and ends
//	19 sends 64 MiB, a pattern, in writes of 32 KiB, and ends; pings the client all the while
//	any other is refused, as containerd does: an end first, then the error's text
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/gorilla/websocket"
	"github.com/moby/spdystream"
)

const protocol = "SPDY/3.1+portforward.k8s.io"

// messages is a WebSocket as a connection: each write a message.
type messages struct {
	*websocket.Conn
	reader io.Reader
}

func (m *messages) Read(p []byte) (int, error) {
	for {
		if m.reader == nil {
			kind, reader, err := m.NextReader()
			if err != nil {
				return 0, err
			}
			if kind != websocket.BinaryMessage {
				return 0, fmt.Errorf("a message of kind %d", kind)
			}
			m.reader = reader
		}
		n, err := m.reader.Read(p)
		if n > 0 || err != io.EOF {
			return n, err
		}
		m.reader = nil
	}
}

func (m *messages) Write(p []byte) (int, error) {
	return len(p), m.WriteMessage(websocket.BinaryMessage, p)
}

func (m *messages) SetDeadline(t time.Time) error {
	m.SetReadDeadline(t)
	return m.SetWriteDeadline(t)
}

func serve(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{Subprotocols: []string{protocol}}
	socket, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	connection, err := spdystream.NewConnection(&messages{Conn: socket}, true)
	if err != nil {
		return
	}
	streams := make(chan *spdystream.Stream, 2)
	go forward(connection, streams)
	connection.Serve(func(stream *spdystream.Stream) {
		stream.SendReply(http.Header{}, false)
		streams <- stream
	})
	socket.Close()
}

func forward(connection *spdystream.Connection, streams <-chan *spdystream.Stream) {
	pair := map[string]*spdystream.Stream{}
	for len(pair) < 2 {
		stream := <-streams
		pair[stream.Headers().Get("streamType")] = stream
	}
	data, failure := pair["data"], pair["error"]
	port := data.Headers().Get("port")
	if id := data.Headers().Get("requestID"); id == "" || id != failure.Headers().Get("requestID") || port != failure.Headers().Get("port") {
		fmt.Fprint(failure, "the streams are no pair")
		return
	}
	switch port {
	case "7":
		io.Copy(data, data)
	case "9":
		hash := sha256.New()
		n, _ := io.Copy(hash, data)
		fmt.Fprintf(data, "%d %x", n, hash.Sum(nil))
	case "19":
		done := make(chan struct{})
		go func() {
			for {
				select {
				case <-done:
					return
				default:
					connection.Ping() // returns when it's answered
				}
			}
		}()
		block := make([]byte, 32<<10)
		for i := range block {
			block[i] = byte(i * 7)
		}
		for range 2048 {
			data.Write(block)
		}
		close(done)
	default:
		data.Close()
		fmt.Fprintf(failure, "connect to port %s: connection refused", port)
		failure.Reset()
		return
	}
	failure.Close()
	data.Close()
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	go http.Serve(listener, http.HandlerFunc(serve))
	io.Copy(io.Discard, os.Stdin)
}
