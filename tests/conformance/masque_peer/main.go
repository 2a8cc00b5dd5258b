// Reads and writes capsules (RFC 9297) by quic-go's http3: what pmz's masque/ is compared with.
//
//	masque_peer read   capsules on standard input -> a line of JSON for each: {"type":0,"value":"BASE64"}
//	masque_peer write  such lines on standard input -> capsules
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"

	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
)

type capsule struct {
	Type  uint64 `json:"type"`
	Value []byte `json:"value"`
}

func read(in io.Reader, out io.Writer) error {
	reader := quicvarint.NewReader(bufio.NewReader(in))
	lines := json.NewEncoder(out)
	for {
		kind, value, err := http3.ParseCapsule(reader)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		bytes, err := io.ReadAll(value)
		if err != nil {
			return err
		}
		if err := lines.Encode(capsule{uint64(kind), bytes}); err != nil {
			return err
		}
	}
}

func write(in io.Reader, out io.Writer) error {
	writer := bufio.NewWriter(out)
	lines := json.NewDecoder(in)
	for {
		var one capsule
		err := lines.Decode(&one)
		if errors.Is(err, io.EOF) {
			return writer.Flush()
		}
		if err != nil {
			return err
		}
		if err := http3.WriteCapsule(writer, http3.CapsuleType(one.Type), one.Value); err != nil {
			return err
		}
	}
}

func main() {
	run := map[string]func(io.Reader, io.Writer) error{"read": read, "write": write}
	if len(os.Args) != 2 || run[os.Args[1]] == nil {
		log.Fatal("usage: masque_peer read|write")
	}
	if err := run[os.Args[1]](os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}
