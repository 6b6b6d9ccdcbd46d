package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	chunk  = 32 << 10 // what dockerd copies at a time
	listed = 20       // containers that there are

	placeholder = "the creation of a container" // an annotation
)

var zeros = make([]byte, chunk)

// serve stands in for dockerd: Go's HTTP server as dockerd has it, answers
// that are as long as dockerd's, and nothing behind them.
func serve(args []string) (any, error) {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	unix := flags.String("unix", "", "path to listen on")
	tcp := flags.String("tcp", "", "HOST:PORT to listen on, by mutual TLS")
	certificates := flags.String("certificates", "", "directory with ca.pem, cert.pem and key.pem")
	owner := flags.String("owner", "", "value of the label nesteddocker.dev/uid of all that there is")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	server := &http.Server{Handler: daemon(*owner)}
	keys, err := keySet(*certificates)
	if err != nil {
		return nil, err
	}
	secure, err := tls.Listen("tcp", *tcp, keys)
	if err != nil {
		return nil, err
	}
	plain, err := net.Listen("unix", *unix)
	if err != nil {
		return nil, err
	}
	failed := make(chan error)
	for _, listener := range []net.Listener{plain, secure} {
		go func() { failed <- server.Serve(listener) }()
	}
	return nil, <-failed
}

func daemon(owner string) http.Handler {
	labels := map[string]string{"nesteddocker.dev/uid": owner}
	image := document(map[string]any{
		"Id": "sha256:" + id(0), "RepoTags": []string{"busybox:latest"}, "RepoDigests": []string{},
		"Architecture": "amd64", "Os": "linux", "Size": 4 << 20, "Config": map[string]any{"Cmd": []string{"sh"}},
		"RootFS": map[string]any{"Type": "layers", "Layers": []string{"sha256:" + id(1)}},
	})
	container := document(map[string]any{
		"Id": id(1), "Created": "2026-01-01T00:00:00.0Z", "Path": "sh", "Args": []string{}, "Name": "/first",
		"State": map[string]any{"Status": "running", "Running": true, "Pid": 4711, "ExitCode": 0},
		"HostConfig": map[string]any{
			"NetworkMode": "default", "RestartPolicy": map[string]any{"Name": "no"},
			"Annotations": map[string]string{"nesteddocker.dev/uid": owner, "nesteddocker.dev/creation": placeholder},
		},
		"Config": map[string]any{"Image": "busybox", "Cmd": []string{"sh"}, "Labels": labels},
		"Image":  "sha256:" + id(0),
	})
	creations := &creations{container: container}
	containers := document(list(labels))

	routes := http.NewServeMux()
	routes.HandleFunc("GET /_ping", answer(http.StatusOK, "text/plain; charset=utf-8", []byte("OK")))
	routes.HandleFunc("GET /containers/json", answer(http.StatusOK, "application/json", containers))
	routes.HandleFunc("GET /containers/{id}/json", creations.inspect)
	routes.HandleFunc("GET /images/{name}/json", answer(http.StatusOK, "application/json", image))
	routes.HandleFunc("POST /containers/create", creations.create)
	routes.HandleFunc("DELETE /containers/{id}", answer(http.StatusNoContent, "text/plain", nil))
	routes.HandleFunc("POST /build", take)
	routes.HandleFunc("GET /images/{name}/get", give)
	routes.HandleFunc("POST /containers/{id}/attach", attach)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1.") { // a version changes nothing here
			r.URL.Path = r.URL.Path[strings.Index(r.URL.Path[1:], "/")+1:]
		}
		for name, value := range map[string]string{
			"Api-Version": "1.51", "Docker-Experimental": "false", "Ostype": "linux", "Server": "Docker/28.0.0 (linux)",
		} {
			w.Header().Set(name, value)
		}
		routes.ServeHTTP(w, r)
	})
}

// creations stores of each new container the annotation by which the guard
// recognizes it, until the guard has inspected the container.
type creations struct {
	container   []byte
	number      atomic.Int64
	annotations sync.Map
}

func (c *creations) create(w http.ResponseWriter, r *http.Request) {
	var body struct {
		HostConfig struct{ Annotations map[string]string }
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, "the body is not JSON", http.StatusBadRequest)
		return
	}
	container := id(1000 + int(c.number.Add(1)))
	if annotation := body.HostConfig.Annotations["nesteddocker.dev/creation"]; annotation != "" {
		c.annotations.Store(container, annotation)
	}
	answer(http.StatusCreated, "application/json", document(map[string]any{"Id": container, "Warnings": []string{}}))(w, r)
}

func (c *creations) inspect(w http.ResponseWriter, r *http.Request) {
	container := c.container
	if annotation, found := c.annotations.LoadAndDelete(r.PathValue("id")); found {
		container = bytes.Replace(container, []byte(placeholder), []byte(annotation.(string)), 1)
	}
	answer(http.StatusOK, "application/json", container)(w, r)
}

func answer(status int, kind string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}
}

// take reads an archive, and tells its size.
func take(w http.ResponseWriter, r *http.Request) {
	size, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r.Body}, make([]byte, chunk))
	if err != nil {
		return
	}
	_, _ = w.Write(document(map[string]int64{"stream": size}))
}

// give sends an archive of as many bytes as the image's tag says.
func give(w http.ResponseWriter, r *http.Request) {
	_, tag, _ := strings.Cut(r.PathValue("name"), ":")
	size, err := strconv.ParseInt(tag, 10, 64)
	if err != nil {
		http.Error(w, "the tag is no size", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/x-tar")
	_ = pour(w, size)
}

// attach takes the connection over. The client's first line says what the
// stream is for: `give SIZE` for a container's output, `take` for its input.
func attach(w http.ResponseWriter, _ *http.Request) {
	connection, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer connection.Close()
	fmt.Fprint(connection, "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n"+
		"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
	line, err := buffered.ReadString('\n')
	if err != nil {
		return
	}
	var size int64
	if _, err := fmt.Sscanf(line, "give %d", &size); err == nil {
		_ = pour(connection, size)
		return
	}
	size, _ = drain(buffered.Reader)
	fmt.Fprintf(connection, "%d\n", size)
}

func pour(w io.Writer, size int64) error {
	for size > 0 {
		written, err := w.Write(zeros[:min(size, chunk)])
		if err != nil {
			return err
		}
		size -= int64(written)
	}
	return nil
}

func drain(r *bufio.Reader) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, make([]byte, chunk))
}

func list(labels map[string]string) []map[string]any {
	containers := make([]map[string]any, listed)
	for number := range containers {
		containers[number] = map[string]any{
			"Id": id(number), "Names": []string{fmt.Sprintf("/container-%d", number)}, "Image": "busybox",
			"ImageID": "sha256:" + id(0), "Command": "sh", "Created": 1767225600, "Ports": []any{}, "Labels": labels,
			"State": "running", "Status": "Up 2 hours", "HostConfig": map[string]string{"NetworkMode": "default"},
			"NetworkSettings": map[string]any{"Networks": map[string]any{}}, "Mounts": []any{},
		}
	}
	return containers
}

func id(number int) string {
	return fmt.Sprintf("%064x", number)
}

func document(value any) []byte {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err) // they are all our own
	}
	return data
}
