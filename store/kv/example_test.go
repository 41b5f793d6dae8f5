package kv_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/kv"
)

// Workers of a service register themselves: their records are there for as long as they
// are. A setting that all of them read is changed by whoever has seen what it was.
func Example() {
	ctx := context.Background()
	s, err := kv.New(new(cas.Memory), kv.Options{}) // or file.NewRecords, or s3.OpenRecords
	if err != nil {
		log.Fatal(err)
	}
	version, err := s.Create(ctx, kv.Record{Key: "limit", Value: []byte("5")})
	fmt.Println("limit has version", version, err)
	next, err := s.CasByVersion(ctx, kv.Record{Key: "limit", Value: []byte("7"), Version: version})
	fmt.Println("limit has version", next, err)
	_, err = s.CasByVersion(ctx, kv.Record{Key: "limit", Value: []byte("9"), Version: version})
	fmt.Println(errors.Is(err, kv.ErrWrongVersion))

	lease, err := s.NewLease(ctx, 10*time.Second, true)
	if err != nil {
		log.Fatal(err)
	}
	for key, value := range map[kv.Key]string{"worker/1": "10.0.0.1:80", "worker/2": "10.0.0.2:80"} {
		if _, err := s.Create(ctx, kv.Record{Key: key, Value: []byte(value), Lease: lease.Id()}); err != nil {
			log.Fatal(err)
		}
	}
	show(ctx, s)
	select {
	case <-lease.Done(): // the workers are not registered any more, or will not be soon
		log.Fatal(lease.Err())
	default:
	}
	if err := lease.ReleaseContext(ctx); err != nil { // or the process ends, and after 10s
		log.Fatal(err)
	}
	show(ctx, s)
	// Output:
	// limit has version 1 <nil>
	// limit has version 2 <nil>
	// true
	// workers: 10.0.0.1:80 10.0.0.2:80
	// workers:
}

func show(ctx context.Context, s kv.Storage) {
	workers, err := s.GetRange(ctx, "worker/", "worker/\xff")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print("workers:")
	for _, w := range workers {
		fmt.Printf(" %s", w.Value)
	}
	fmt.Println()
}
