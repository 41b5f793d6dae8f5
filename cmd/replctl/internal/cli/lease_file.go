package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/lease"
)

// grantJSON is a lease as its holder has it: what acquire prints, and renew and
// release take.
type grantJSON struct {
	URL string `json:"url"`
	leaseJSON
	TTL int64 `json:"ttl_ms,omitempty"`
}

func newGrantJSON(url string, lease *replicate.Lease, state lease.State, ttl time.Duration) grantJSON {
	return grantJSON{URL: url, leaseJSON: newLeaseJSON(lease, state), TTL: ttl.Milliseconds()}
}

// maxLeaseFile is more than any lease has, with an owner of any length that the
// store's record can have.
const maxLeaseFile = 1 << 20

// leaseFileFlag adds the flag that says whose lease it is.
func leaseFileFlag(cmd *cobra.Command, name *string) {
	cmd.Flags().Var(pathFlag{name}, "lease",
		"`file` with the lease as acquire --json or renew --json printed it; - is standard input")
}

// readLeaseFile reads what acquire or renew printed.
func readLeaseFile(name string, stdin io.Reader) (grantJSON, error) {
	const try = "replctl lease acquire --json URL > FILE, and then --lease FILE"
	if name == "" {
		return grantJSON{}, usageError(try, "whose lease? --lease FILE is missing")
	}
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return grantJSON{}, usageError(try, "--lease: %w", err)
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxLeaseFile+1))
	if err != nil {
		return grantJSON{}, usageError(try, "--lease: %w", err)
	}
	grant, err := parseGrant(data)
	if err != nil {
		return grantJSON{}, usageError(try, "--lease %s: %w", name, err)
	}
	return grant, nil
}

// parseGrant reads a lease. Keys that it does not know are those of a later version.
func parseGrant(data []byte) (grantJSON, error) {
	var g grantJSON
	if len(data) > maxLeaseFile {
		return g, fmt.Errorf("more than %d bytes", maxLeaseFile)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&g); err != nil {
		return g, fmt.Errorf("not a lease: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return g, errors.New("not a lease: more than one JSON document")
	}
	switch {
	case g.URL == "":
		return g, errors.New("not a lease that was acquired: no url")
	case g.State != string(lease.Held):
		return g, fmt.Errorf("not a lease that is held: state %q", g.State)
	case g.Generation < 1, g.Owner == "", g.ETag == "", g.ExpiresAt == nil || g.ExpiresAt.IsZero():
		return g, errors.New("not a lease: generation, owner, etag or expires_at is missing")
	case g.TTL < 0 || g.TTL > mostTTL.Milliseconds():
		return g, fmt.Errorf("not a lease: ttl_ms %d", g.TTL)
	}
	return g, nil
}

func (g grantJSON) lease() *replicate.Lease {
	return &replicate.Lease{Generation: g.Generation, Owner: g.Owner, ExpiresAt: *g.ExpiresAt, ETag: g.ETag}
}

func (g grantJSON) ttl() time.Duration { return time.Duration(g.TTL) * time.Millisecond }
