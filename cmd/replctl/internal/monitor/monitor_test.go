package monitor_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/replctl/replicate/cmd/replctl/internal/monitor"
)

func TestHandler(t *testing.T) {
	var notReady error
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "replctl_test", Help: "A test."})
	h, err := monitor.Handler(func(context.Context) error { return notReady }, gauge)
	if err != nil {
		t.Fatal(err)
	}
	s, err := monitor.Listen(t.Context(), "127.0.0.1:0", h)
	if err != nil {
		t.Fatal(err)
	}
	want := func(method, path string, code int, text string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != code || !strings.Contains(string(body), text) {
			t.Errorf("%s %s: %s, %v: %s", method, path, answer.Status, err, body)
		}
	}
	want("GET", "/metrics", 200, "replctl_test 0")
	want("GET", "/metrics", 200, "go_goroutines")
	want("GET", "/readyz", 200, "ok")
	notReady = errors.New("no leader")
	want("GET", "/readyz", 503, "no leader")
	want("GET", "/healthz", 200, "ok")
	want("POST", "/healthz", 405, "")
	want("GET", "/", 404, "")
	if _, err := monitor.Listen(t.Context(), s.Addr, h); err == nil {
		t.Error("two servers have one address")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := monitor.Handler(nil, gauge, gauge); err == nil {
		t.Error("a metric is there twice")
	}
}
