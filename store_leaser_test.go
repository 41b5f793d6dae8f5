package replicate_test

import (
	"context"
	"testing"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/replicatest"
)

func TestStoreLeaser(t *testing.T) {
	replicatest.RunLeaser(t, func(*testing.T) replicatest.Lock {
		store := new(cas.Memory)
		ctx := context.Background()
		return replicatest.Lock{
			Open: func(c replicatest.LeaserConfig) replicate.Leaser {
				return replicate.NewStoreLeaser("memory",
					func() replicate.LeaseConfig {
						return replicate.LeaseConfig{Owner: c.Owner, TTL: c.TTL, MaxTTL: c.MaxTTL}
					},
					func(context.Context) (cas.Store, error) { return store, nil })
			},
			Get: func() ([]byte, error) {
				r, err := store.Read(ctx, replicate.DefaultLeaseFile, "")
				return r.Value, err
			},
			Put: func(data []byte) error {
				r, err := store.Read(ctx, replicate.DefaultLeaseFile, "")
				if err == nil {
					_, err = store.Write(ctx, replicate.DefaultLeaseFile, data, r.Token)
				}
				return err
			},
			Remove: func() error {
				store.Forget(replicate.DefaultLeaseFile)
				return nil
			},
		}
	})
}
