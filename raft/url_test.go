package raft_test

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/internal/rafttest"
	"github.com/replctl/replicate/raft"
)

func fromURL(rawURL string) (raft.ClientConfig, error) {
	_, host, urlPath, query, user, err := replicate.ParseURL(rawURL)
	if err != nil {
		return raft.ClientConfig{}, err
	}
	return raft.ClientFromURL(host, urlPath, query, user)
}

func TestURL(t *testing.T) {
	for rawURL, want := range map[string]string{
		"raft://h1:1,h2:2,h3:3/app/db":  "h1:1 h2:2 h3:3 app/db/",
		"raft://h1:1":                   "h1:1 ",
		"raft://[::1]:1,h2:2/":          "[::1]:1 h2:2 ",
		"raft://h1:1/a/?":               "h1:1 a/",
		"raft://h1":                     "", // no port
		"raft://h1:1,/a":                "",
		"raft:///a":                     "",
		"raft://me@h1:1/a":              "",
		"raft://me:hidden@h1:1,h2:1/a":  "",
		"raft://h1:1/A":                 "",
		"raft://h1:1/a?prefix=b":        "",
		"raft://h1:1/a?tls-ca=x":        "",
		"raft://h1:1/?tls-ca=x&tls-ca=": "",
		"raft://h1:1;h2:2/a":            "",
	} {
		cfg, err := fromURL(rawURL)
		got := strings.Join(append(slices.Clone(cfg.Addresses), cfg.Prefix), " ")
		if err != nil {
			got = ""
		}
		if got != want || err != nil && strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: got %q, %v, want %q", rawURL, got, err, want)
		}
	}
}

// TestURLWithTLS: a client by a URL with the files of a certificate, and one without.
func TestURLWithTLS(t *testing.T) {
	t.Parallel()
	ours := rafttest.NewAuthority(t)
	c := rafttest.Start(t, rafttest.Options{Nodes: 1, Change: func(_ int, cfg *raft.Config) { cfg.TLS = ours.Load(ours) }})
	dir := ours.Write(ours)
	files := url.Values{"tls-ca": {filepath.Join(dir, "ca")}, "tls-cert": {filepath.Join(dir, "cert")},
		"tls-key": {filepath.Join(dir, "key")}}
	for query, ok := range map[string]bool{files.Encode(): true, "": false} {
		cfg, err := fromURL("raft://" + c.Node(0).Address() + "/app?" + query)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Logger = quiet
		if !ok {
			cfg.Patience = raft.DefaultHeartbeat
		}
		client, err := raft.Dial(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		if _, err := client.Read(t.Context(), "k", ""); (err == nil) != ok {
			t.Errorf("with %q: %v", query, err)
		}
	}
}
