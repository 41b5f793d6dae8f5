package cas_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/replctl/replicate/cas"
)

// Two programs change one record, each on the condition of what it has read. One of them
// comes first, and the other is told, and shown what is there now.
func Example() {
	ctx := context.Background()
	var store cas.Store = new(cas.Memory) // or file.NewRecords, or s3.OpenRecords

	first, err := cas.Swap(ctx, store, "config.json", []byte(`{"limit":5,"nonce":"a1"}`), "")
	if err != nil {
		log.Fatal(err)
	}
	second, err := cas.Swap(ctx, store, "config.json", []byte(`{"limit":7,"nonce":"b2"}`), first.Token)
	if err != nil {
		log.Fatal(err)
	}
	now, err := cas.Swap(ctx, store, "config.json", []byte(`{"limit":9,"nonce":"c3"}`), first.Token)
	fmt.Println(errors.Is(err, cas.ErrConflict), now.Token == second.Token)
	fmt.Println(string(now.Value))
	// Output:
	// true true
	// {"limit":7,"nonce":"b2"}
}
