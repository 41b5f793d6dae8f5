package blob_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"strings"

	"github.com/replctl/replicate/blob"
)

// Objects are written once, listed in the order of their keys, and read from anywhere.
func Example() {
	ctx := context.Background()
	var store blob.Store = new(blob.Memory) // or file.NewStore, or s3.Open

	for _, key := range []string{"logs/0002", "logs/0001", "readme"} {
		opts := blob.WriteOptions{IfAbsent: true}
		if _, err := store.Write(ctx, key, strings.NewReader("content of "+key), opts); err != nil {
			log.Fatal(err)
		}
	}
	for info, err := range store.List(ctx, "logs/", blob.ListOptions{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(info.Key, info.Size)
	}
	r, err := store.Open(ctx, "logs/0002", 11, 4)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	part, err := io.ReadAll(r)
	fmt.Printf("%s %v\n", part, err)

	_, err = store.Write(ctx, "readme", strings.NewReader("another"), blob.WriteOptions{IfAbsent: true})
	fmt.Println(errors.Is(err, fs.ErrExist))
	// Output:
	// logs/0001 20
	// logs/0002 20
	// logs <nil>
	// true
}
