package lease

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/internal/clock"
)

// Defaults of every engine's Leaser.
const (
	DefaultTTL    = 30 * time.Second
	DefaultMaxTTL = 30 * time.Second
)

// DefaultOwner names this process: "host:pid".
func DefaultOwner() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		return fmt.Sprintf("pid-%d", os.Getpid())
	}
	return fmt.Sprintf("%s:%d", host, os.Getpid())
}

// Config is what a Leaser works with.
type Config struct {
	Key     string        // of the record; DefaultFile if empty
	Owner   string        // DefaultOwner if empty
	TTL     time.Duration // DefaultTTL if zero
	MaxTTL  time.Duration // DefaultMaxTTL if zero
	MaxSkew time.Duration // waited for after an expiry before taking over, beyond what is known of clocks

	// Note is kept in each record that this leaser writes, for readers: see [Leaser.Note].
	// It is a JSON value of some hundred bytes, or empty.
	Note json.RawMessage

	clock clock.Clock // the machine's if nil
}

// WithClock returns the configuration with another clock, for tests.
func (c Config) WithClock(clock clock.Clock) Config {
	c.clock = clock
	return c
}

func (c Config) withDefaults() (Config, error) {
	if c.Owner == "" {
		c.Owner = DefaultOwner()
	}
	c.Key, c.clock = cmp.Or(c.Key, DefaultFile), cmp.Or(c.clock, clock.System)
	c.TTL, c.MaxTTL = cmp.Or(c.TTL, DefaultTTL), cmp.Or(c.MaxTTL, DefaultMaxTTL)
	switch {
	case c.TTL < 0 || c.MaxTTL < 0 || c.MaxSkew < 0:
		return c, fmt.Errorf("lease ttl %v, maximum %v, skew %v: none may be negative", c.TTL, c.MaxTTL, c.MaxSkew)
	case c.TTL > c.MaxTTL:
		return c, fmt.Errorf("%w: %v is more than %v", replicate.ErrTTLExceedsMax, c.TTL, c.MaxTTL)
	case c.MaxTTL > maxRecordedTTL:
		return c, fmt.Errorf("maximum lease ttl %v is more than %v", c.MaxTTL, maxRecordedTTL)
	}
	return c, nil
}
