package s3_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync/atomic"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/s3"
)

// config is where the fake server is. On AWS, Bucket alone would do.
func config(srv *fakes3.Server) s3.Config {
	cfg := s3.NewConfig()
	cfg.Bucket, cfg.Path, cfg.Endpoint = srv.Bucket, "backups/app", srv.URL
	cfg.AccessKeyID, cfg.SecretAccessKey = fakes3.AccessKeyID, fakes3.SecretAccessKey
	return cfg
}

// Write a file of a replica, and list its level.
func ExampleReplicaClient() {
	fakes3.Run(func(srv *fakes3.Server) {
		client := s3.NewReplicaClient()
		client.Config = config(srv)

		ctx := context.Background()
		f, err := os.Open("../testdata/v0.5/replica/ltx/0/0000000000000027-0000000000000027.ltx")
		if err != nil {
			fmt.Println(err)
			return
		}
		defer f.Close()
		if _, err := client.WriteLTXFile(ctx, 0, 0x27, 0x27, f); err != nil {
			fmt.Println(err)
			return
		}
		files, err := client.LTXFiles(ctx, 0, 0, true)
		if err != nil {
			fmt.Println(err)
			return
		}
		for files.Next() {
			info := files.Item()
			fmt.Println(info.MinTXID, info.MaxTXID, info.CreatedAt)
		}
		if err := files.Close(); err != nil {
			fmt.Println(err)
		}
	})
	// Output: 0000000000000027 0000000000000027 2026-11-21 04:06:02.215 +0000 UTC
}

// Elect a leader among the processes that share a bucket.
func ExampleLeaser() {
	fakes3.Run(func(srv *fakes3.Server) {
		for _, owner := range []string{"host-1", "host-2"} {
			leaser := s3.NewLeaser()
			leaser.Config, leaser.Owner = config(srv), owner

			err := lease.Run(context.Background(), leaser, lease.Options{}, func(ctx context.Context, s *lease.Session) error {
				fmt.Println(owner, "leads, with fencing number", s.Generation())
				return nil // the work; ctx ends when the lease is lost
			})
			if err != nil {
				fmt.Println(err)
			}
		}
	})
	// Output:
	// host-1 leads, with fencing number 1
	// host-2 leads, with fencing number 2
}

// Keep small records that change only by compare-and-swap, in the same place.
func ExampleOpenRecords() {
	fakes3.Run(func(srv *fakes3.Server) {
		ctx := context.Background()
		records, err := s3.OpenRecords(ctx, config(srv))
		if err != nil {
			fmt.Println(err)
			return
		}
		first, err := records.Write(ctx, "schema", []byte("1"), "") // create it
		if err != nil {
			fmt.Println(err)
			return
		}
		if _, err := records.Write(ctx, "schema", []byte("2"), first.Token); err != nil {
			fmt.Println(err)
			return
		}
		_, err = records.Write(ctx, "schema", []byte("3"), first.Token) // of a version that is gone
		fmt.Println("conflict:", errors.Is(err, cas.ErrConflict))
	})
	// Output: conflict: true
}

// counter counts the requests that a transport carries.
type counter struct {
	http.RoundTripper
	n atomic.Int32
}

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.RoundTripper.RoundTrip(r)
}

// Count the requests of a client.
func ExampleConfig_transport() {
	fakes3.Run(func(srv *fakes3.Server) {
		count := &counter{RoundTripper: http.DefaultTransport}
		client := s3.NewReplicaClient()
		client.Config = config(srv)
		client.Transport = count
		if err := client.Init(context.Background()); err != nil {
			fmt.Println(err)
		}
		fmt.Println("requests:", count.n.Load())
	})
	// Output: requests: 1
}
