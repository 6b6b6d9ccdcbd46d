// Command testcontainers-probe is a test that uses testcontainers-go: it starts a container that serves a page, waits
// for its port and reads the page at the host and the port that the library names.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

func main() {
	page, err := read(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(page)
}

func read(ctx context.Context) (page string, err error) {
	container, err := testcontainers.GenericContainer(ctx, testcontainers.GenericContainerRequest{
		ContainerRequest: testcontainers.ContainerRequest{
			Image:        "busybox",
			ExposedPorts: []string{"80/tcp"},
			Cmd:          []string{"sh", "-c", "echo reached > /index.html; exec httpd -f -p 80 -h /"},
			WaitingFor:   wait.ForHTTP("/").WithPort("80/tcp"),
		},
		Started: true,
	})
	if err != nil {
		return "", err
	}
	defer func() {
		if ended := container.Terminate(ctx); err == nil {
			err = ended
		}
	}()
	endpoint, err := container.PortEndpoint(ctx, "80/tcp", "http")
	if err != nil {
		return "", err
	}
	response, err := http.Get(endpoint)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return endpoint + " " + string(body), err
}
