// Command filelease runs under a lease on a directory.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/lease"
)

func main() {
	err := lease.Run(context.Background(), file.NewLeaser(os.Args[1]), lease.Options{},
		func(_ context.Context, s *lease.Session) error {
			_, err := fmt.Println("generation", s.Generation())
			return err
		})
	if err != nil {
		log.Fatal(err)
	}
}
