package config_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/config"
)

// A leader brings a version to a fleet of two instances.
func Example() {
	ctx := context.Background()
	storage := config.New(new(cas.Memory), config.Options{}) // or over file.NewRecords, or s3.OpenRecords
	must := func(err error) {
		if err != nil {
			log.Fatal(err)
		}
	}

	// One leader at a time.
	release, err := storage.AcquireLock(ctx, 1)
	must(err)
	defer release()

	// It offers a version, and empties what was logged about it in an earlier try.
	must(storage.SaveSnapshot(ctx, "limits", "v7", []byte("rate = 100")))
	must(storage.ResetApplyLog(ctx, "limits", "v7"))

	// The instances fetch it, and say what they think of it.
	for _, instance := range []string{"host-1", "host-2"} {
		snapshot, err := storage.GetSnapshot(ctx, "limits", "v7")
		must(err)
		fmt.Printf("%s can apply %q, which is %s\n", instance, snapshot.Content, snapshot.Status)
		must(storage.LogApply(ctx, instance, "limits", "v7", config.Applied))
	}

	// When all have, the leader activates it, and clears up.
	applied, err := storage.CountApplied(ctx, "limits", "v7")
	must(err)
	if applied == 2 {
		must(storage.ActivateSnapshot(ctx, "limits", "v7"))
	} else {
		must(storage.FailSnapshot(ctx, "limits", "v7"))
	}
	version, err := storage.GetActiveVersion(ctx, "limits")
	fmt.Println("active:", version, err)
	n, err := storage.DeleteOldSnapshots(ctx, time.Now().AddDate(0, -1, 0))
	fmt.Println("deleted:", n, err)
	// Output:
	// host-1 can apply "rate = 100", which is pending
	// host-2 can apply "rate = 100", which is pending
	// active: v7 <nil>
	// deleted: 0 <nil>
}

// An instance waits for another version to become active: every ten seconds it asks,
// and sooner where the store tells of changes.
func ExampleStore_GetActiveVersion() {
	ctx := context.Background()
	store := new(cas.Memory)
	storage := config.New(store, config.Options{})
	go func() {
		if err := storage.SaveSnapshot(ctx, "limits", "v1", []byte("rate = 100")); err != nil {
			log.Fatal(err)
		}
		if err := storage.ActivateSnapshot(ctx, "limits", "v1"); err != nil {
			log.Fatal(err)
		}
	}()
	current := ""
	look := func(ctx context.Context) (bool, error) {
		version, err := storage.GetActiveVersion(ctx, "limits")
		if err != nil || version == current {
			return false, nil // nothing yet, or the store cannot be reached: look again
		}
		current = version
		return true, nil
	}
	err := cas.Changes(ctx, store, config.HeadsPrefix, 10*time.Second, time.Minute, look)
	fmt.Println(current, err)
	// Output: v1 <nil>
}
