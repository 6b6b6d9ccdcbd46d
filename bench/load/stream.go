package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// passed is what a stream comes to.
type passed struct {
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"`
}

// stream moves so many bytes one way, and fails unless all have arrived.
func stream(args []string) (any, error) {
	flags := flag.NewFlagSet("stream", flag.ContinueOnError)
	to := flags.String("to", "", "unix:PATH or HOST:PORT")
	certificates := flags.String("certificates", "", "directory with ca.pem, cert.pem and key.pem")
	what := flags.String("what", "build", "build, save, input or output")
	size := flags.Int64("bytes", 1<<20, "how many")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	move, known := map[string]func(halves, int64) (int64, error){
		"build": build, "save": save, "input": input, "output": output,
	}[*what]
	if !known {
		return nil, fmt.Errorf("there is no stream %q", *what)
	}
	dial, err := dialer(*to, *certificates)
	if err != nil {
		return nil, err
	}
	connection, err := dial()
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	begin := time.Now()
	arrived, err := move(connection, *size)
	if err != nil {
		return nil, err
	}
	if arrived != *size {
		return nil, fmt.Errorf("%d of %d bytes arrived", arrived, *size)
	}
	return passed{arrived, time.Since(begin).Seconds()}, nil
}

// build sends a context in chunks, as the docker client does.
func build(connection halves, size int64) (int64, error) {
	fmt.Fprint(connection, "POST /v1.45/build?version=1&t=localhost/bench HTTP/1.1\r\nHost: docker\r\n"+
		"Content-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n\r\n")
	buffered := bufio.NewWriterSize(connection, chunk+16)
	for left := size; left > 0; left -= min(left, chunk) {
		fmt.Fprintf(buffered, "%x\r\n", min(left, chunk))
		_, _ = buffered.Write(zeros[:min(left, chunk)])
		_, _ = buffered.WriteString("\r\n")
		if err := buffered.Flush(); err != nil {
			return 0, err
		}
	}
	if _, err := io.WriteString(connection, "0\r\n\r\n"); err != nil {
		return 0, err
	}
	answer, err := ok(bufio.NewReader(connection), http.StatusOK)
	if err != nil {
		return 0, err
	}
	var arrived int64
	_, err = fmt.Fscanf(answer.Body, `{"stream":%d}`, &arrived)
	return arrived, err
}

// save reads an archive of an image.
func save(connection halves, size int64) (int64, error) {
	fmt.Fprintf(connection, "GET /v1.45/images/busybox:%d/get HTTP/1.1\r\nHost: docker\r\n\r\n", size)
	answer, err := ok(bufio.NewReaderSize(connection, chunk), http.StatusOK)
	if err != nil {
		return 0, err
	}
	return io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{answer.Body}, make([]byte, chunk))
}

// input writes to a container, ends its direction, and hears what arrived.
func input(connection halves, size int64) (int64, error) {
	reader, err := attached(connection, "take\n")
	if err != nil {
		return 0, err
	}
	if err := pour(connection, size); err != nil {
		return 0, err
	}
	if err := connection.CloseWrite(); err != nil {
		return 0, err
	}
	told, err := reader.ReadString('\n')
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(told), 10, 64)
}

// output reads what a container writes.
func output(connection halves, size int64) (int64, error) {
	reader, err := attached(connection, fmt.Sprintf("give %d\n", size))
	if err != nil {
		return 0, err
	}
	return drain(reader)
}

func attached(connection halves, first string) (*bufio.Reader, error) {
	fmt.Fprint(connection, "POST /v1.45/containers/first/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: docker\r\n"+
		"Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n")
	reader := bufio.NewReaderSize(connection, chunk)
	if _, err := ok(reader, http.StatusSwitchingProtocols); err != nil {
		return nil, err
	}
	_, err := io.WriteString(connection, first)
	return reader, err
}

func ok(reader *bufio.Reader, status int) (*http.Response, error) {
	answer, err := http.ReadResponse(reader, nil)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != status {
		text, _ := io.ReadAll(answer.Body)
		return nil, fmt.Errorf("%s: %s", answer.Status, text)
	}
	return answer, nil
}
