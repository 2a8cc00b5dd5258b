package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// How many requests are under way at a time, and how often one is tried.
const (
	concurrency = 48
	tries       = 8
)

type object = map[string]any

// api is the API server of a kubeconfig's one context.
type api struct {
	client          *http.Client
	server          string
	writes, retried atomic.Int64
}

// kubeconfig is what is read of one.
type kubeconfig struct {
	Clusters []struct {
		Cluster struct {
			Server string `json:"server"`
			CA     []byte `json:"certificate-authority-data"`
		} `json:"cluster"`
	} `json:"clusters"`
	Users []struct {
		User struct {
			Certificate []byte `json:"client-certificate-data"`
			Key         []byte `json:"client-key-data"`
		} `json:"user"`
	} `json:"users"`
}

func connect(from io.Reader) (*api, error) {
	var config kubeconfig
	if err := json.NewDecoder(from).Decode(&config); err != nil {
		return nil, err
	}
	if len(config.Clusters) != 1 || len(config.Users) != 1 {
		return nil, errors.New("expected one cluster and one user: --minify")
	}
	cluster, user := config.Clusters[0].Cluster, config.Users[0].User
	certificate, err := tls.X509KeyPair(user.Certificate, user.Key)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cluster.CA)
	transport := &http.Transport{
		ForceAttemptHTTP2: true,
		TLSClientConfig:   &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}},
	}
	return &api{client: &http.Client{Transport: transport, Timeout: 90 * time.Second}, server: cluster.Server}, nil
}

// refusal is an answer that isn't a success.
type refusal struct {
	status int
	text   string
}

func (r refusal) Error() string { return fmt.Sprintf("%d %s", r.status, r.text) }

// do makes one request; into may be nil.
func (a *api) do(method, path, kind string, body, into any) error {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequest(method, a.server+path, content)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", kind)
	answer, err := a.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 500))
		return refusal{answer.StatusCode, string(text)}
	}
	if into != nil {
		return json.NewDecoder(answer.Body).Decode(into)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

// write makes a request until it is done. What is there already, or gone already, is done.
func (a *api) write(method, path, kind string, body any) error {
	var err error
	for try := range tries {
		if try > 0 {
			a.retried.Add(1)
			time.Sleep(time.Duration(try) * 250 * time.Millisecond)
		}
		a.writes.Add(1)
		err = a.do(method, path, kind, body, nil)
		var refused refusal
		if errors.As(err, &refused) &&
			(method == http.MethodPost && refused.status == http.StatusConflict ||
				method == http.MethodDelete && refused.status == http.StatusNotFound) {
			return nil
		}
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s %s: %w", method, path, err)
}

func (a *api) create(path string, body object) error {
	return a.write(http.MethodPost, path, "application/json", body)
}

// patch merges fields into an object.
func (a *api) patch(path string, body object) error {
	return a.write(http.MethodPatch, path, "application/merge-patch+json", body)
}

// remove deletes at once: nothing has to end.
func (a *api) remove(path string) error {
	return a.write(http.MethodDelete, path, "application/json", object{
		"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0, "propagationPolicy": "Background",
	})
}

// removeAll deletes all objects of a kind in a namespace; one request may not have the time for all.
func (a *api) removeAll(path string) error {
	for range 50 {
		if err := a.remove(path); err != nil {
			return err
		}
		var left struct {
			Items []json.RawMessage `json:"items"`
		}
		if err := a.do(http.MethodGet, path+"?limit=1", "application/json", nil, &left); err != nil {
			return err
		}
		if len(left.Items) == 0 {
			return nil
		}
	}
	return fmt.Errorf("%s can't be emptied", path)
}

// each calls work for 0 to n-1, many at a time, until one fails.
func each(n int, work func(int) error) error {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	for range min(concurrency, n) {
		all.Go(func() {
			for failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := work(i); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}
