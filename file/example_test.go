package file_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/replica"
)

// A replicator: it holds the lease of a directory, and writes LTX files below it for as
// long as it does. Here another replica has captured them. A second replicator on the same
// directory would wait for the lease.
func Example_replicator() {
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		log.Panic(err)
	}
	defer os.RemoveAll(dir)
	captured := file.NewReplicaClient("../testdata/v0.5/replica")

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	written := 0
	err = lease.Run(ctx, file.NewLeaser(dir), lease.Options{}, func(ctx context.Context, s *lease.Session) error {
		client := replica.NewFencedClient(file.NewReplicaClient(dir), s) // refuses once the lease is over
		files, err := captured.LTXFiles(ctx, 0, 0, false)
		if err != nil {
			return err
		}
		defer files.Close()
		for files.Next() {
			f := files.Item()
			body, err := captured.OpenLTXFile(ctx, f.Level, f.MinTXID, f.MaxTXID, 0, 0)
			if err != nil {
				return err
			}
			_, err = client.WriteLTXFile(ctx, f.Level, f.MinTXID, f.MaxTXID, body)
			body.Close()
			if err != nil {
				return err
			}
			written++
		}
		return files.Err()
	})
	fmt.Println(written, "files written, and released:", err)
	// Output: 39 files written, and released: <nil>
}
