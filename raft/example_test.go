package raft_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/raft"
)

// A cluster of one node. Two more nodes would join it with Join instead of Bootstrap.
func Example() {
	dir, err := os.MkdirTemp("", "raft-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	node, err := raft.Open(raft.Config{
		ID: "a", Dir: dir, Bind: "127.0.0.1:0", Bootstrap: true, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer node.Close()
	ctx := context.Background()
	if err := node.Ready(ctx); err != nil {
		fmt.Println(err)
		return
	}
	if _, err := cas.Swap(ctx, node, "config.json", []byte(`{"limit":5,"nonce":"a1"}`), ""); err != nil {
		fmt.Println(err)
		return
	}
	r, err := node.Read(ctx, "config.json", "")
	fmt.Println(string(r.Value), err)
	// Output: {"limit":5,"nonce":"a1"} <nil>
}
