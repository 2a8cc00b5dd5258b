// Command client asks a Service as Go programs do.
//
//	client http URL          40 requests by net/http's pool, every second one with X-User: alice; says how often which pod answered whom
//	client tls ADDR NAME...  a TLS connection for each server name; says what was answered
package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"
)

func main() {
	switch os.Args[1] {
	case "http":
		pool(os.Args[2])
	case "tls":
		for _, name := range os.Args[3:] {
			fmt.Println(name, overTLS(os.Args[2], name))
		}
	}
}

func pool(url string) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4, MaxConnsPerHost: 4}}
	var wait sync.WaitGroup
	for i := range 40 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			method, body := http.MethodGet, io.Reader(nil)
			if i%4 > 1 {
				method, body = http.MethodPost, strings.NewReader("a body")
			}
			request, err := http.NewRequest(method, url, body)
			fail(err)
			user := "nobody"
			if i%2 == 0 {
				user = "alice"
			}
			request.Header.Set("X-User", user)
			response, err := client.Do(request)
			fail(err)
			defer response.Body.Close()
			var said struct{ Pod string }
			fail(json.NewDecoder(response.Body).Decode(&said))
			io.Copy(io.Discard, response.Body)
			fmt.Println(user, said.Pod)
		}()
	}
	wait.Wait()
}

func overTLS(address, name string) string {
	connection, err := tls.Dial("tcp", address, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	fail(err)
	defer connection.Close()
	fmt.Fprintf(connection, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", name)
	answer, err := io.ReadAll(connection)
	fail(err)
	return strings.TrimSpace(string(answer[strings.Index(string(answer), "\r\n\r\n"):]))
}

func fail(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
