package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/replctl/replicate/cas"
)

// outcome is what one writer in a race was told.
type outcome struct {
	value []byte
	token cas.Token
	err   error
}

// race has all writers write to a record at once, each expecting the same version.
func (r *run) race(ctx context.Context, key string, expect cas.Token) []outcome {
	outcomes := make([]outcome, len(r.records))
	start := make(chan struct{})
	var ready, done sync.WaitGroup
	for i, s := range r.records {
		ready.Add(1)
		done.Go(func() {
			// So that nobody has to connect while others write.
			_, _ = s.Read(ctx, key, "")
			ready.Done()
			<-start
			o := &outcomes[i]
			o.value = value()
			written, err := s.Write(ctx, key, o.value, expect)
			o.token, o.err = written.Token, err
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	return outcomes
}

// judge finds the winner of a race: nil if nobody won. An error that is a failure
// says that the store let more than one win, or said to one what is not so.
func (r *run) judge(ctx context.Context, key string, outcomes []outcome) (*outcome, error) {
	var winner *outcome
	winners := 0
	var trouble error
	for i, o := range outcomes {
		switch {
		case o.err == nil:
			winner, winners = &outcomes[i], winners+1
		case errors.Is(o.err, cas.ErrUnsupported) && !r.badRead:
			return nil, &failure{fmt.Sprintf("the store cannot make a write conditional: %v", o.err), o.err}
		case errors.Is(o.err, cas.ErrIndeterminate):
			r.inDoubt.Store(true)
			trouble = o.err
		case !errors.Is(o.err, cas.ErrConflict):
			trouble = o.err
		}
	}
	if winners > 1 {
		return nil, failf("%d of %d writers that all expected the same version were told that they had won",
			winners, len(outcomes))
	}
	if r.badRead {
		return winner, trouble
	}
	now, err := r.records[1].Read(ctx, key, "")
	if err != nil {
		return nil, err
	}
	there := find(outcomes, now.Value)
	switch {
	case winner != nil && there != winner:
		return nil, r.wrong(ctx, key, winner.value,
			"one writer was told that it had won, and the record is not its own but "+whose(there))
	case winner == nil && there != nil && !errors.Is(there.err, cas.ErrIndeterminate):
		return nil, failf("the record is that of a writer that was told it had lost: %v", there.err)
	case there == nil:
		return nil, trouble
	}
	there.token = now.Token
	return there, nil
}

func find(outcomes []outcome, v []byte) *outcome {
	for i := range outcomes {
		if string(outcomes[i].value) == string(v) {
			return &outcomes[i]
		}
	}
	return nil
}

func whose(o *outcome) string {
	if o == nil {
		return "none of the racers'"
	}
	return fmt.Sprintf("that of another, which was told: %v", o.err)
}

func (r *run) createRace(ctx context.Context) (string, error) {
	won := 0
	for round := range r.opts.Rounds {
		key := r.key(fmt.Sprintf("create-race-%d", round))
		winner, err := r.judge(ctx, key, r.race(ctx, key, ""))
		if err != nil {
			return "", inRound(err, round)
		}
		if winner != nil {
			won++
		}
	}
	return r.raced(won, "creating a record at once")
}

func (r *run) ifMatchRace(ctx context.Context) (string, error) {
	key := r.key("if-match-race")
	rec, err := r.put(ctx, r.records[0], key, "")
	if err != nil {
		return "", err
	}
	won, token := 0, rec.Token
	for round := range r.opts.Rounds {
		winner, err := r.judge(ctx, key, r.race(ctx, key, token))
		if err != nil {
			return "", inRound(err, round)
		}
		if winner != nil {
			won++
			token = winner.token
		}
	}
	return r.raced(won, "replacing one version at once")
}

func inRound(err error, round int) error {
	var f *failure
	if errors.As(err, &f) {
		return &failure{fmt.Sprintf("%s (round %d)", f.what, round+1), f.fatal}
	}
	return err
}

func (r *run) raced(won int, doing string) (string, error) {
	switch {
	case won == 0:
		return "", fmt.Errorf("of %d writers %s none ever got through, in %d rounds", r.opts.Writers, doing, r.opts.Rounds)
	case won < r.opts.Rounds:
		return fmt.Sprintf("of %d writers %s never more than one won; in %d of %d rounds nobody did",
			r.opts.Writers, doing, r.opts.Rounds-won, r.opts.Rounds), nil
	}
	return fmt.Sprintf("of %d writers %s exactly one won, in each of %d rounds", r.opts.Writers, doing, r.opts.Rounds), nil
}

// counter is a record that counts its own writes.
type counter struct {
	Sum int `json:"sum"`
}

// increments has every writer try to count a record up, and compares the sum with
// what they were told.
func (r *run) increments(ctx context.Context) (string, error) {
	key := r.key("increments")
	if _, err := cas.Swap(ctx, r.records[0], key, counted(0), ""); err != nil {
		return "", err
	}
	var mu sync.Mutex
	var trouble error
	applied, unknown := 0, 0
	var all sync.WaitGroup
	for _, s := range r.records {
		all.Go(func() {
			for range r.opts.Rounds {
				err := increment(ctx, s, key)
				mu.Lock()
				gone := false
				switch {
				case err == nil:
					applied++
				case errors.Is(err, cas.ErrIndeterminate):
					unknown, trouble = unknown+1, err
				case !errors.Is(err, cas.ErrConflict):
					gone, trouble = true, err
				}
				mu.Unlock()
				if gone {
					return
				}
			}
		})
	}
	all.Wait()
	if unknown > 0 {
		r.inDoubt.Store(true)
	}
	return r.sum(ctx, key, applied, unknown, trouble)
}

func (r *run) sum(ctx context.Context, key string, applied, unknown int, trouble error) (string, error) {
	if r.badRead {
		return "", errors.New("the sum cannot be read: reads are not to be trusted")
	}
	rec, err := r.records[1].Read(ctx, key, "")
	if err != nil {
		return "", err
	}
	var c counter
	if err := json.Unmarshal(rec.Value, &c); err != nil {
		return "", failf("the counter is not what anybody has written: %v", err)
	}
	switch {
	case c.Sum < applied:
		return "", failf("%d increments were acknowledged, and the sum is %d: the others were overwritten", applied, c.Sum)
	case c.Sum > applied+unknown:
		return "", failf("the sum is %d, and no more than %d increments can have been applied: "+
			"%d were refused and applied", c.Sum, applied+unknown, c.Sum-applied-unknown)
	case applied == 0:
		return "", fmt.Errorf("no increment got through: %w", trouble)
	}
	return fmt.Sprintf("%d increments by %d writers in each other's way were acknowledged, and the sum is %d",
		applied, r.opts.Writers, c.Sum), nil
}

func increment(ctx context.Context, s cas.Store, key string) error {
	rec, err := s.Read(ctx, key, "")
	if err != nil {
		return err
	}
	var c counter
	if err := json.Unmarshal(rec.Value, &c); err != nil {
		return err
	}
	_, err = s.Write(ctx, key, counted(c.Sum+1), rec.Token)
	return err
}

func counted(sum int) []byte {
	return fmt.Appendf(nil, `{"sum":%d,"nonce":%s}`, sum, value())
}
