package logstate_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/logstate"
)

// A witness: it takes the first checkpoint on trust, and after that only what is
// newer than the one it has. (A real one checks signatures and consistency proofs,
// and compares sizes as numbers.)
func Example() {
	ctx := context.Background()
	storage := logstate.New(new(cas.Memory)) // or file.NewRecords, or s3.OpenRecords
	if err := storage.Init(ctx); err != nil {
		log.Fatal(err)
	}
	for _, next := range []string{"size 10", "size 25", "size 13"} {
		fmt.Println(next, "-", update(ctx, storage, next))
	}
	ids, err := storage.Logs(ctx)
	fmt.Println(ids, err)
	// Output:
	// size 10 - trusted on first use
	// size 25 - after size 10
	// size 13 - refused: the log has size 25
	// [example.com/log] <nil>
}

// update starts over when another witness was faster: what it has checked against
// is not the latest any more.
func update(ctx context.Context, storage *logstate.Storage, next string) string {
	for {
		verdict, err := tryUpdate(ctx, storage, next)
		switch {
		case err == nil:
			return verdict
		case status.Code(err) != codes.Aborted:
			log.Fatal(err)
		}
	}
}

func tryUpdate(ctx context.Context, storage *logstate.Storage, next string) (verdict string, err error) {
	w, err := storage.WriteOps(ctx, "example.com/log")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	latest, err := w.GetLatest(ctx)
	switch {
	case status.Code(err) == codes.NotFound:
		return "trusted on first use", w.Set(ctx, []byte(next))
	case err != nil:
		return "", err
	case next <= string(latest):
		return fmt.Sprintf("refused: the log has %s", latest), nil
	}
	return fmt.Sprintf("after %s", latest), w.Set(ctx, []byte(next))
}
