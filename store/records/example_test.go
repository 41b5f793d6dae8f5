package records_test

import (
	"context"
	"fmt"
	"log"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/kv"
	"github.com/replctl/replicate/store/records"
)

// A program moves its records to another store, and goes on there: versions go on, too.
func ExampleCopy() {
	ctx := context.Background()
	old, new := new(cas.Memory), new(cas.Memory) // or a directory, a bucket, a database
	before, err := kv.New(old, kv.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := before.Create(ctx, kv.Record{Key: "limit", Value: kv.Value("5")}); err != nil {
		log.Fatal(err)
	}

	report, err := records.Copy(ctx, old, new, records.Options{Source: "the old store"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("copied", report.Copied)

	after, err := kv.New(new, kv.Options{})
	if err != nil {
		log.Fatal(err)
	}
	version, err := after.CasByVersion(ctx, kv.Record{Key: "limit", Value: kv.Value("7"), Version: 1})
	fmt.Println("version", version, err)
	// Output:
	// copied 1
	// version 2 <nil>
}
