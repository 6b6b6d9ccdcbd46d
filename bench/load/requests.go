package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

const patience = 30 * time.Second

const creation = `{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":true,"AttachStderr":true,` +
	`"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":["CI=true","HOME=/root"],"Cmd":["sh","-c","make test"],` +
	`"Image":"busybox","WorkingDir":"/src","Labels":{"job":"4711"},"HostConfig":{"Binds":null,"NetworkMode":"bridge",` +
	`"RestartPolicy":{"Name":"no","MaximumRetryCount":0},"AutoRemove":true,"CapAdd":null,"CapDrop":null,"Dns":[],` +
	`"Memory":536870912,"NanoCpus":1000000000,"Privileged":false,"ReadonlyRootfs":false,"ShmSize":0},` +
	`"NetworkingConfig":{"EndpointsConfig":{}}}`

type kind struct {
	request []byte
	status  int
	undo    bool // the container that was made is removed
}

var kinds = map[string]kind{
	"ping":    {request: plain("GET /_ping"), status: http.StatusOK},
	"inspect": {request: plain("GET /v1.45/containers/first/json"), status: http.StatusOK},
	"list":    {request: plain("GET /v1.45/containers/json?all=1"), status: http.StatusOK},
	"create":  {request: create(), status: http.StatusCreated},
	"life":    {request: create(), status: http.StatusCreated, undo: true},
}

func create() []byte {
	return fmt.Appendf(nil, "POST /v1.45/containers/create HTTP/1.1\r\nHost: docker\r\nUser-Agent: load\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(creation), creation)
}

func plain(what string) []byte {
	return fmt.Appendf(nil, "%s HTTP/1.1\r\nHost: docker\r\nUser-Agent: load\r\n\r\n", what)
}

// report is what a run of small requests comes to; times are milliseconds.
type report struct {
	Answered int     `json:"answered"`
	Errors   int     `json:"errors"`
	Error    string  `json:"error"` // the first one
	Rate     float64 `json:"rate"`  // answers per second
	P50      float64 `json:"p50"`
	P99      float64 `json:"p99"`
}

// requests has clients send small requests, each on a connection that it
// keeps. Without a rate each sends the next one when it has its answer; with
// one they are sent by the clock, and late ones count from when they were due.
func requests(args []string) (any, error) {
	flags := flag.NewFlagSet("requests", flag.ContinueOnError)
	to := flags.String("to", "", "unix:PATH or HOST:PORT")
	certificates := flags.String("certificates", "", "directory with ca.pem, cert.pem and key.pem")
	what := flags.String("what", "ping", "ping, inspect, list, create or life")
	clients := flags.Int("clients", 10, "clients at the same time")
	rate := flags.Float64("rate", 0, "requests per second of all clients; 0: as fast as they are answered")
	during := flags.Duration("during", time.Second, "how long")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	wanted, known := kinds[*what]
	if !known {
		return nil, fmt.Errorf("there are no requests %q", *what)
	}
	dial, err := dialer(*to, *certificates)
	if err != nil {
		return nil, err
	}
	var group sync.WaitGroup
	all := make([]client, *clients)
	begin := time.Now()
	for number := range all {
		all[number] = client{kind: wanted, dial: dial, end: begin.Add(*during)}
		if *rate > 0 {
			all[number].pause = time.Duration(float64(*clients) / *rate * float64(time.Second))
			all[number].due = begin.Add(all[number].pause * time.Duration(number) / time.Duration(*clients))
		}
		group.Go(all[number].run)
	}
	group.Wait()
	return summary(all, time.Since(begin)), nil
}

type client struct {
	kind
	dial  func() (halves, error)
	end   time.Time
	due   time.Time
	pause time.Duration
	took  []time.Duration
	bad   []error
}

func (c *client) run() {
	for time.Now().Before(c.end) {
		if err := c.connection(); err != nil {
			c.bad = append(c.bad, err)
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// connection sends on one connection until the time is over or it fails.
func (c *client) connection() error {
	connection, err := c.dial()
	if err != nil {
		return err
	}
	defer connection.Close()
	reader := bufio.NewReader(connection)
	for {
		sent := time.Now()
		if c.pause > 0 {
			time.Sleep(time.Until(c.due))
			sent, c.due = c.due, c.due.Add(c.pause)
		}
		if !sent.Before(c.end) {
			return nil
		}
		_ = connection.SetDeadline(time.Now().Add(patience))
		made, err := exchange(connection, reader, c.request, c.status)
		if err == nil && c.undo {
			err = remove(connection, reader, made)
		}
		if err != nil {
			return err
		}
		c.took = append(c.took, time.Since(sent))
	}
}

func exchange(connection io.Writer, reader *bufio.Reader, request []byte, status int) ([]byte, error) {
	if _, err := connection.Write(request); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(reader, nil)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != status {
		err = fmt.Errorf("%s: %s", answer.Status, bytes.TrimSpace(body))
	}
	return body, err
}

func remove(connection io.Writer, reader *bufio.Reader, created []byte) error {
	var container struct{ Id string }
	if err := json.Unmarshal(created, &container); err != nil {
		return err
	}
	_, err := exchange(connection, reader, plain("DELETE /v1.45/containers/"+container.Id), http.StatusNoContent)
	return err
}

func summary(all []client, took time.Duration) report {
	var times []time.Duration
	var result report
	for _, each := range all {
		times = append(times, each.took...)
		result.Errors += len(each.bad)
		if len(each.bad) > 0 {
			result.Error = each.bad[0].Error()
		}
	}
	result.Answered = len(times)
	result.Rate = float64(len(times)) / took.Seconds()
	if len(times) > 0 {
		slices.Sort(times)
		at := func(share float64) float64 {
			return float64(times[int(share*float64(len(times)-1))].Microseconds()) / 1000
		}
		result.P50, result.P99 = at(0.50), at(0.99)
	}
	return result
}
