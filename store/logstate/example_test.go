package logstate_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/logstate"
)

// A witness: it takes the first checkpoint on trust, and after that only what is
// newer than the one it has. (A real one checks signatures and consistency proofs,
// and compares sizes as numbers.)
func Example() {
	storage := logstate.New(new(cas.Memory)) // or file.NewRecords, or s3.OpenRecords
	if err := storage.Init(); err != nil {
		log.Fatal(err)
	}
	for _, next := range []string{"size 10", "size 25", "size 13"} {
		fmt.Println(next, "-", witness(storage, next))
	}
	ids, err := storage.Logs()
	fmt.Println(ids, err)
	// Output:
	// size 10 - trusted on first use
	// size 25 - after size 10
	// size 13 - refused: the log has size 25
	// [example.com/log] <nil>
}

// witness starts over when another witness was faster: what it has checked against
// is not the latest any more.
func witness(storage logstate.LogStatePersistence, next string) string {
	for {
		verdict, err := tryWitness(storage, next)
		switch {
		case err == nil:
			return verdict
		case status.Code(err) != codes.Aborted:
			log.Fatal(err)
		}
	}
}

func tryWitness(storage logstate.LogStatePersistence, next string) (verdict string, err error) {
	w, err := storage.WriteOps("example.com/log")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	latest, err := w.GetLatest()
	switch {
	case status.Code(err) == codes.NotFound:
		return "trusted on first use", w.Set([]byte(next))
	case err != nil:
		return "", err
	case next <= string(latest):
		return fmt.Sprintf("refused: the log has %s", latest), nil
	}
	return fmt.Sprintf("after %s", latest), w.Set([]byte(next))
}

// The same in one call, for at most five seconds.
func ExampleStore_Update() {
	storage := logstate.New(new(cas.Memory))
	update := func(next string) error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return storage.WithContext(ctx).Update("example.com/log", func(current []byte) ([]byte, error) {
			if next <= string(current) {
				return nil, fmt.Errorf("the log has %s", current)
			}
			return []byte(next), nil
		})
	}
	fmt.Println(update("size 10"), update("size 25"), update("size 13"))
	latest, err := storage.Latest("example.com/log")
	fmt.Printf("%s %v\n", latest, err)
	// Output:
	// <nil> <nil> the log has size 25
	// size 25 <nil>
}
