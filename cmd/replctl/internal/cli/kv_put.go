package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/store/kv"
)

// putFlags are the conditions of a write.
type putFlags struct {
	create  bool
	version int64 // 0: any
	ttl     time.Duration
}

func (f putFlags) check() error {
	switch {
	case f.version < 0:
		return usageError("--version 1", "--version: %d is not positive", f.version)
	case f.version != 0 && (f.create || f.ttl != 0):
		return usageError("one of them",
			"--version is for a record that exists, --create and --ttl are for one that does not")
	case f.ttl != 0 && (f.ttl < kv.MinTTL || f.ttl > kv.MaxTTL):
		return usageError("--ttl 1h", "--ttl: %v is not between %v and %v", f.ttl, kv.MinTTL, kv.MaxTTL)
	}
	return nil
}

func newKVPutCommand(a *app) *cobra.Command {
	var flags putFlags
	cmd := &cobra.Command{
		Use:   "put URL KEY VALUE",
		Short: "Create or replace a record",
		Long: `Create or replace a record, and print its new version. The value - is read
from standard input, as it is.

With --version the record is replaced if that is its version; with --create it is made
if there is none. With --ttl it is made likewise, and vanishes after that time, by a
lease of its own that nobody renews; replacing it later does not change that.`,
		Example: "  replctl kv put s3://bucket/app limit 5\n  replctl kv put s3://bucket/app limit 7 --version 1",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 3 {
				return fmt.Errorf("want a URL, a key and a value, not %d arguments", len(args))
			}
			return checkKVKey(args[1])
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			value, err := putValue(args[2])
			if err != nil {
				return err
			}
			s, url, err := a.openKV(cmd.Context(), args[0], 0)
			if err != nil {
				return err
			}
			r, err := put(cmd.Context(), s, kv.Record{Key: kv.Key(args[1]), Value: value}, flags)
			if err != nil {
				return kvFailure(err, url, args[1])
			}
			if a.json {
				return a.printJSON(newRecordJSON(r))
			}
			return a.print("%d\n", r.Version)
		},
	}
	cmd.Flags().BoolVar(&flags.create, "create", false, "only if there is no such record")
	cmd.Flags().Int64Var(&flags.version, "version", 0, "only if the record has this `version`")
	cmd.Flags().DurationVar(&flags.ttl, "ttl", 0, "how long the record lasts; only if there is none")
	a.addJSON(cmd)
	return cmd
}

// putValue is a value as given, or standard input.
func putValue(arg string) ([]byte, error) {
	value := []byte(arg)
	if arg == "-" {
		var err error
		if value, err = io.ReadAll(io.LimitReader(os.Stdin, kv.MaxValueSize+1)); err != nil {
			return nil, fmt.Errorf("read value from standard input: %w", err)
		}
	}
	if len(value) > kv.MaxValueSize {
		return nil, usageError("a smaller value", "value: more than %d bytes", kv.MaxValueSize)
	}
	return value, nil
}

func put(ctx context.Context, s *kv.Store, r kv.Record, flags putFlags) (kv.Record, error) {
	switch {
	case flags.version != 0:
		r.Version = kv.Version(flags.version)
		return s.Replace(ctx, r)
	case flags.ttl != 0:
		l, err := s.NewLease(ctx, flags.ttl, false)
		if err != nil {
			return kv.Record{}, err
		}
		r.Lease = l.Id()
		return createRecord(ctx, s, r)
	case flags.create:
		return createRecord(ctx, s, r)
	}
	// Try again while others change, delete or create the record.
	for ctx.Err() == nil {
		old, err := s.Get(ctx, r.Key)
		var out kv.Record
		if errors.Is(err, kv.ErrNotFound) {
			out, err = createRecord(ctx, s, r)
		} else if err == nil {
			r.Version = old.Version
			out, err = s.Replace(ctx, r)
		}
		if !errors.Is(err, kv.ErrNotFound) && !errors.Is(err, kv.ErrWrongVersion) && !errors.Is(err, kv.ErrAlreadyExists) {
			return out, err
		}
	}
	return kv.Record{}, context.Cause(ctx)
}

func createRecord(ctx context.Context, s *kv.Store, r kv.Record) (kv.Record, error) {
	version, err := s.Create(ctx, r)
	r.Version = version
	return r, err
}
