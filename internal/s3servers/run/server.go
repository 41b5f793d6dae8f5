package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// spec is how to run a server.
type spec struct {
	name   string
	binary string // in PATH
	env    string // variable with the path
	module string // to install from
	tls    bool
	args   func(address, data, certs string) []string
}

const (
	minioModule     = "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"
	versitygwModule = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
)

var specs = []spec{
	{name: "minio", binary: "minio", env: "MINIO", module: minioModule, args: minioArgs},
	{name: "minio-tls", binary: "minio", env: "MINIO", module: minioModule, tls: true, args: minioArgs},
	{name: "versitygw", binary: "versitygw", env: "VERSITYGW", module: versitygwModule, args: versitygwArgs},
}

func minioArgs(address, data, certs string) []string {
	return []string{"server", "--quiet", "--address", address, "--console-address", "127.0.0.1:0", "--certs-dir", certs,
		data}
}

func versitygwArgs(address, data, _ string) []string {
	return []string{"--quiet", "--port", address, "posix", data}
}

// server is a running one.
type server struct {
	endpoint string
	cmd      *exec.Cmd
	exited   chan struct{}
	err      error // of the exit, once exited is closed
}

// start starts the server. Between the moment at which its port is found to be free
// and the one at which it takes it, another may have: then it tries another port.
func (s spec) start(ctx context.Context, dir string) (*server, error) {
	binary, err := s.find(ctx)
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		started, err := s.startAt(ctx, binary, dir)
		if err == nil || !errors.Is(err, errExited) || attempt == 5 {
			return started, err
		}
		fmt.Fprintf(os.Stderr, "s3servers: %s: %v; once more\n", s.name, err)
	}
}

func (s spec) startAt(ctx context.Context, binary, dir string) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	data, certs := filepath.Join(dir, s.name), filepath.Join(dir, "no-certs")
	endpoint := "http://" + address
	if s.tls {
		endpoint, certs = "https://"+address, filepath.Join(dir, "certs")
	}
	for _, d := range []string{data, certs} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command(binary, s.args(address, data,
		certs)...) //nolint:noctx // stop ends it, after the command has ended
	cmd.Env = append(os.Environ(),
		"MINIO_ROOT_USER="+accessKey, "MINIO_ROOT_PASSWORD="+secretKey,
		"ROOT_ACCESS_KEY="+accessKey, "ROOT_SECRET_KEY="+secretKey,
		"MINIO_UPDATE=off",
	)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = diesWithUs()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	started := &server{endpoint: endpoint, cmd: cmd, exited: make(chan struct{})}
	go func() {
		started.err = cmd.Wait()
		close(started.exited)
	}()
	if err := started.ready(ctx); err != nil {
		started.stop()
		return nil, err
	}
	return started, nil
}

// find looks for the binary, and installs it if there is none.
func (s spec) find(ctx context.Context) (string, error) {
	if path := os.Getenv(s.env); path != "" {
		return path, nil
	}
	if path, err := exec.LookPath(s.binary); err == nil {
		return path, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(cache, "replicate-s3servers", filepath.Base(s.module))
	path := filepath.Join(bin, s.binary)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return path, s.install(ctx, bin)
}

// install tries three times: a module proxy may be out of reach for a moment.
func (s spec) install(ctx context.Context, bin string) error {
	for attempt := 1; ; attempt++ {
		cmd := exec.CommandContext(ctx, "go", "install", s.module)
		cmd.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=")
		cmd.Stderr = os.Stderr
		err := cmd.Run()
		if err == nil {
			return nil
		}
		if attempt == 3 || ctx.Err() != nil {
			return fmt.Errorf("go install %s: %w", s.module, err)
		}
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

var errExited = errors.New("exited before it was ready")

// ready waits until the server answers in S3: 403, as nobody signed. A busy machine
// has all the time that it may need.
func (s *server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // our own, on loopback
	}}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.endpoint, nil)
		if err != nil {
			return err
		}
		answered := false
		if res, err := client.Do(req); err == nil {
			_ = res.Body.Close()
			answered = res.StatusCode == http.StatusForbidden
		}
		select {
		case <-s.exited: // and if there was an answer, it was another's
			return fmt.Errorf("%w: %w", errExited, s.err)
		case <-ctx.Done():
			return errors.New("not ready in time")
		case <-time.After(50 * time.Millisecond):
		}
		if answered {
			return nil
		}
	}
}

// stop ends the server: what it has is thrown away anyway.
func (s *server) stop() {
	_ = s.cmd.Process.Kill()
	<-s.exited
}
