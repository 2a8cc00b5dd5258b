// Command datagrams talks to a Service by UDP as real programs do, and is their server.
//
//	datagrams serve                         QUIC on port 4433 of every address: each stream is sent as many bytes as it asks for
//	datagrams quic ADDRESS MIB              gets so many MiB by QUIC, and moves to another port of its own halfway
//	datagrams exchange ADDRESS RATE SECONDS sends RATE datagrams a second by one socket; says how many had an answer, and when
//	datagrams churn ADDRESS COUNT           asks COUNT times, each time by a socket of its own; says how many had an answer
//	datagrams hold ADDRESS COUNT            the same, and keeps the sockets until its standard input ends
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"log"
	"math/big"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
)

const protocol = "pmz-test"

func main() {
	switch args := os.Args[1:]; args[0] {
	case "serve":
		log.Fatal(serve(":4433"))
	case "quic":
		fail(download(args[1], int64(number(args[2]))<<20))
	case "exchange":
		fail(exchange(args[1], number(args[2]), number(args[3])))
	case "churn":
		fail(churn(args[1], number(args[2]), func(socket net.Conn) { socket.Close() }))
	case "hold":
		fail(churn(args[1], number(args[2]), func(net.Conn) {}))
		io.Copy(io.Discard, os.Stdin)
	default:
		log.Fatalf("%s is not a command: see main.go", args[0])
	}
}

func serve(address string) error {
	certificate, err := selfSigned()
	if err != nil {
		return err
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{protocol}}
	listener, err := quic.ListenAddr(address, config, nil)
	if err != nil {
		return err
	}
	log.Printf("QUIC on %s", address)
	for {
		connection, err := listener.Accept(context.Background())
		if err != nil {
			return err
		}
		go answer(connection)
	}
}

// answer sends each stream the bytes that it asks for, and their hash.
func answer(connection *quic.Conn) {
	for {
		stream, err := connection.AcceptStream(context.Background())
		if err != nil {
			return
		}
		go func() {
			defer stream.Close()
			var size int64
			if binary.Read(stream, binary.BigEndian, &size) != nil {
				return
			}
			hashed := sha256.New()
			bytes := io.LimitReader(rand.Reader, size)
			if _, err := io.Copy(io.MultiWriter(stream, hashed), bytes); err == nil {
				stream.Write(hashed.Sum(nil))
			}
		}()
	}
}

func download(address string, size int64) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	remote, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return err
	}
	first, err := transport()
	if err != nil {
		return err
	}
	begun := time.Now()
	config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}}
	connection, err := first.Dial(ctx, remote, config, nil)
	if err != nil {
		return err
	}
	fmt.Println("handshake", time.Since(begun).Milliseconds(), "ms")
	stream, err := connection.OpenStreamSync(ctx)
	if err != nil {
		return err
	}
	if err := binary.Write(stream, binary.BigEndian, size); err != nil {
		return err
	}
	hashed := sha256.New()
	begun = time.Now()
	if _, err := io.CopyN(hashed, stream, size/2); err != nil {
		return err
	}
	if err := migrate(ctx, connection); err != nil {
		return fmt.Errorf("moving to another port: %w", err)
	}
	if _, err := io.CopyN(hashed, stream, size-size/2); err != nil {
		return err
	}
	if err := check(stream, hashed); err != nil {
		return err
	}
	seconds := time.Since(begun).Seconds()
	fmt.Printf("downloaded %d MiB at %.0f Mbit/s\n", size>>20, float64(size)*8/seconds/1e6)
	return connection.CloseWithError(0, "")
}

func migrate(ctx context.Context, connection *quic.Conn) error {
	second, err := transport()
	if err != nil {
		return err
	}
	path, err := connection.AddPath(second)
	if err != nil {
		return err
	}
	if err := path.Probe(ctx); err != nil {
		return err
	}
	if err := path.Switch(); err != nil {
		return err
	}
	fmt.Println("moved to", second.Conn.LocalAddr())
	return nil
}

func transport() (*quic.Transport, error) {
	socket, err := net.ListenUDP("udp", &net.UDPAddr{})
	if err != nil {
		return nil, err
	}
	return &quic.Transport{Conn: socket}, nil
}

func check(stream io.Reader, hashed hash.Hash) error {
	said := make([]byte, sha256.Size)
	if _, err := io.ReadFull(stream, said); err != nil {
		return err
	}
	if !slices.Equal(said, hashed.Sum(nil)) {
		return errors.New("other bytes arrived than were sent")
	}
	return nil
}

// exchange sends numbered datagrams at a steady rate, as a game does. Answers end with what was sent.
func exchange(address string, rate, seconds int) error {
	socket, err := net.Dial("udp", address)
	if err != nil {
		return err
	}
	count := rate * seconds
	sent := make([]time.Time, count)
	trips := make([]time.Duration, 0, count)
	var lock sync.Mutex
	go func() {
		answered := make([]bool, count)
		buffer := make([]byte, 2048)
		for {
			n, err := socket.Read(buffer)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil || n < 8 {
				continue
			}
			at := binary.BigEndian.Uint64(buffer[n-8 : n])
			lock.Lock()
			if at < uint64(count) && !answered[at] {
				answered[at] = true
				trips = append(trips, time.Since(sent[at]))
			}
			lock.Unlock()
		}
	}()
	begun := time.Now()
	datagram := make([]byte, 64)
	for i := range count {
		time.Sleep(time.Until(begun.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		binary.BigEndian.PutUint64(datagram[56:], uint64(i))
		lock.Lock()
		sent[i] = time.Now()
		lock.Unlock()
		socket.Write(datagram) // an error of one before it: that one counts as unanswered
	}
	time.Sleep(2 * time.Second)
	lock.Lock()
	defer lock.Unlock()
	slices.Sort(trips)
	middle, late := time.Duration(0), time.Duration(0)
	if len(trips) > 0 {
		middle, late = trips[len(trips)/2], trips[len(trips)*99/100]
	}
	fmt.Printf("answered %d of %d, p50 %d us, p99 %d us\n", len(trips), count, middle.Microseconds(), late.Microseconds())
	return nil
}

// churn asks by many sockets, by a few of them at a time.
func churn(address string, count int, done func(net.Conn)) error {
	var wait sync.WaitGroup
	var lock sync.Mutex
	answered := 0
	places := make(chan struct{}, 64)
	for i := range count {
		places <- struct{}{}
		wait.Add(1)
		go func() {
			defer func() { <-places; wait.Done() }()
			if ask(address, strconv.Itoa(i), done) {
				lock.Lock()
				answered++
				lock.Unlock()
			}
		}()
	}
	wait.Wait()
	fmt.Printf("answered %d of %d\n", answered, count)
	return nil
}

func ask(address, text string, done func(net.Conn)) bool {
	socket, err := net.Dial("udp", address)
	if err != nil {
		return false
	}
	defer done(socket)
	buffer := make([]byte, 2048)
	for range 3 {
		socket.Write([]byte(text))
		socket.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := socket.Read(buffer); err == nil {
			return true
		}
	}
	return false
}

func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	fail(err)
	return value
}

func fail(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
