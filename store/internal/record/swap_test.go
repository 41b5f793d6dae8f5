package record_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/store/internal/record"
)

var format = record.Format{Name: "test/1", Corrupt: errors.New("corrupt")}

const key = "k"

func swap(t *testing.T, s cas.Store, body string, old record.Stored) record.Stored {
	t.Helper()
	now, err := format.Swap(t.Context(), s, key, []byte(body), old)
	if err != nil {
		t.Fatal(err)
	}
	return now
}

// crowded is a store on which somebody else writes after each write, whatever its
// answer, before it can be read back.
type crowded struct {
	*castest.Faulty
	t      *testing.T
	m      *cas.Memory
	others int
}

func (c *crowded) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	written, err := c.Faulty.Write(ctx, key, value, expect)
	for i := range c.others {
		now, readErr := format.Read(ctx, c.m, key, record.Stored{})
		if readErr != nil {
			c.t.Fatal(readErr)
		}
		swap(c.t, c.m, fmt.Sprint("theirs ", i), now)
	}
	c.others = 0
	return written, err
}

// TestSwap is every fault of a write, and ever more writes of others before it can
// be read back.
func TestSwap(t *testing.T) {
	for _, c := range []struct {
		fault  castest.Fault
		others int
		want   error
	}{
		{castest.None, 0, nil},
		{castest.AppliedThenFail, 0, nil},
		{castest.AppliedThenFail, 1, nil},
		{castest.AppliedThenFail, 7, nil},
		{castest.AppliedThenFail, 8, cas.ErrIndeterminate},
		{castest.LostBefore, 0, nil}, // it is repeated
		{castest.LostBefore, 1, cas.ErrConflict},
		{castest.LostBefore, 7, cas.ErrConflict},
		{castest.LostBefore, 9, cas.ErrIndeterminate},
		{castest.NotDurable, 0, cas.ErrNotDurable},
		{castest.NotDurable, 1, cas.ErrNotDurable},
		{castest.FailBefore, 0, castest.ErrInjected},
	} {
		t.Run(fmt.Sprintf("fault %d, then %d others", c.fault, c.others), func(t *testing.T) {
			m := new(cas.Memory)
			old := swap(t, m, "old", record.Stored{})
			writes := 0
			faulty := &castest.Faulty{Store: m, Decide: func(op, _ string) castest.Fault {
				if op == "write" {
					if writes++; writes == 1 {
						return c.fault
					}
				}
				return castest.None
			}}
			now, err := format.Swap(t.Context(), &crowded{faulty, t, m, c.others}, key, []byte("mine"), old)
			if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
				t.Errorf("got error %v, want %v", err, c.want)
			}
			if record.Lost(err) != errors.Is(c.want, cas.ErrConflict) {
				t.Errorf("%v is certain, and want %v", err, c.want)
			}
			there, readErr := format.Read(t.Context(), m, key, record.Stored{})
			if readErr != nil {
				t.Fatal(readErr)
			}
			if (err == nil || record.Lost(err)) && now.Token != there.Token {
				t.Errorf("the result is %q, and there is %q", now.Body, there.Body)
			}
		})
	}
}

// TestSwapOfNothing: of two writers who create a record one learns that it has not.
func TestSwapOfNothing(t *testing.T) {
	m := new(cas.Memory)
	first := swap(t, m, "theirs", record.Stored{})
	now, err := format.Swap(t.Context(), m, key, []byte("mine"), record.Stored{})
	if !record.Lost(err) || now.Token != first.Token || string(now.Body) != "theirs" {
		t.Errorf("got %q, %v", now.Body, err)
	}
}

// TestSwapUnreadable: a refusal whose cause cannot be read is no conflict that a
// caller could go on from.
func TestSwapUnreadable(t *testing.T) {
	for name, spoil := range map[string]func(m *cas.Memory) cas.Store{
		"cannot be read": func(m *cas.Memory) cas.Store {
			return &castest.Faulty{Store: m, Decide: func(op, _ string) castest.Fault {
				if op == "read" {
					return castest.FailBefore
				}
				return castest.None
			}}
		},
		"is damaged": func(m *cas.Memory) cas.Store {
			r, _ := m.Read(t.Context(), key, "")
			_, _ = m.Write(t.Context(), key, []byte("{}"), r.Token)
			return m
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := new(cas.Memory)
			old := swap(t, m, "old", record.Stored{})
			swap(t, m, "theirs", old)
			_, err := format.Swap(t.Context(), spoil(m), key, []byte("mine"), old)
			if err == nil || record.Lost(err) || errors.Is(err, cas.ErrIndeterminate) {
				t.Errorf("got %v", err)
			}
		})
	}
}
