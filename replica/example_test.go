package replica_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
)

// An engine of one's own is a blob.Store; replica.NewClient makes a client of it. Where
// there is an ltx.LayoutFile or an ltx.LayoutS3 already, the client keeps to that.
func ExampleNewClient() {
	ctx := context.Background()
	client := replica.NewClient("memory", ltx.LayoutS3, func(context.Context) (blob.Store, error) {
		return blob.NewMemory(), nil // called once; it may dial
	})
	body, err := os.Open("../testdata/v0.5/replica/ltx/0/0000000000000043-0000000000000043.ltx")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer body.Close()
	if _, err := client.WriteLTXFile(ctx, 0, 0x43, 0x43, body); err != nil {
		fmt.Println(err)
		return
	}
	files, err := client.LTXFiles(ctx, 0, 0, false)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer files.Close()
	for files.Next() {
		fmt.Println("transaction", uint64(files.Item().MinTXID), "in", files.Item().Size, "bytes")
	}
	fmt.Println(files.Err())
	// Output:
	// transaction 67 in 1138 bytes
	// <nil>
}

// Write only as long as the lease is held. Any client that has Open can be fenced: see
// [replica.Fenceable].
func ExampleFencedClient() {
	ctx := context.Background()
	records, objects := new(cas.Memory), blob.NewMemory() // file.NewLeaser and file.NewReplicaClient have others
	leaser := lease.NewLeaser("memory",
		func() lease.Config { return lease.Config{Owner: "host-1"} },
		func(context.Context) (cas.Store, error) { return records, nil })
	inner := replica.NewClient("memory", ltx.LayoutS3, func(context.Context) (blob.Store, error) { return objects, nil })
	from := file.NewReplicaClient("../testdata/v0.5/replica")

	var client *replica.FencedClient
	write := func(txid ltx.TXID) error {
		body, err := from.OpenLTXFile(ctx, 0, txid, txid, 0, 0)
		if err != nil {
			return err
		}
		defer body.Close()
		_, err = client.WriteLTXFile(ctx, 0, txid, txid, body)
		return err
	}
	err := lease.Run(ctx, leaser, lease.Options{}, func(_ context.Context, s *lease.Session) error {
		client = replica.NewFencedClient(inner, s)
		return write(67)
	})
	fmt.Println("under the lease:", err)
	fmt.Println("afterwards:", errors.Is(write(68), lease.ErrReleased))

	info, err := objects.Stat(ctx, ltx.LayoutS3.Key(0, 67, 67))
	fmt.Println("generation", info.Metadata[replica.MetadataLeaseGeneration], err)
	// Output:
	// under the lease: <nil>
	// afterwards: true
	// generation 1 <nil>
}
