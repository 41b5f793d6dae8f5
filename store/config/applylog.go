package config

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/errs"
	"github.com/replctl/replicate/store/internal/names"
	"github.com/replctl/replicate/store/internal/record"
)

// Applied is the status that CountApplied counts. The fleet chooses the others.
const Applied = "applied"

var statusFormat = record.Format{Name: "config-status/1", Corrupt: ErrCorrupt}

// status is the body of the record of one instance in one log. Its key is the log's prefix and
// the instance's name, encoded.
type status struct {
	Instance string `json:"instance"`
	Status   string `json:"status"`
}

func decodeStatus(instance string, value []byte) (string, error) {
	var rec status
	if err := json.Unmarshal(value, &rec); err != nil {
		return "", fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if rec.Instance != instance || checkName("status", rec.Status) != nil {
		return "", fmt.Errorf("%w: status %.40q of instance %.40q", ErrCorrupt, rec.Status, rec.Instance)
	}
	return rec.Status, nil
}

// logPrefix is the prefix of the statuses of a snapshot since its log was last reset.
func logPrefix(e *entry) string { return fmt.Sprintf("%s%s/%d/", appliedPrefix, e.ID, e.Round) }

// LogApply implements [Storage].
func (s *Store) LogApply(ctx context.Context, instanceID, collection, version, newStatus string) (err error) {
	defer errs.Wrap(&err, "log %q of instance %q for snapshot %q of %q", newStatus, instanceID, version, collection)
	if err := errors.Join(checkName("instance", instanceID), checkName("status", newStatus)); err != nil {
		return err
	}
	h, _, err := s.head(ctx, collection)
	if err != nil {
		return err
	}
	e := h.version(version)
	if e == nil {
		return ErrSnapshotNotFound
	}
	part, err := names.Encode(instanceID)
	if err != nil {
		return err
	}
	body, err := json.Marshal(status{Instance: instanceID, Status: newStatus})
	if err != nil {
		return err
	}
	prefix := logPrefix(e)
	for old := s.seen(prefix, prefix+part).stored; ; {
		now, err := statusFormat.Swap(ctx, s.records(), prefix+part, body, old)
		switch {
		case err == nil:
			if bytes.Equal(now.Body, body) { // and not of a later call
				s.see(prefix, prefix+part, logged{now, newStatus})
			}
			return nil
		// Another handle has logged for the instance. Even where it is not known
		// whether this status was there in between, logging it again is right.
		case !record.Lost(err) && !errors.Is(err, cas.ErrSuperseded):
			return err
		}
		old = now
	}
}

// CountApplied implements [Storage].
func (s *Store) CountApplied(ctx context.Context, collection, version string) (int, error) {
	ids, err := s.AppliedInstances(ctx, collection, version, Applied)
	return len(ids), err
}

// AppliedInstances implements [Storage].
func (s *Store) AppliedInstances(ctx context.Context, collection, version, status string) (ids []string, err error) {
	defer errs.Wrap(&err, "instances that have logged %q for snapshot %q of %q", status, version, collection)
	if err := checkName("status", status); err != nil {
		return nil, err
	}
	h, _, err := s.head(ctx, collection)
	if err != nil {
		return nil, err
	}
	e := h.version(version)
	if e == nil {
		return []string{}, nil
	}
	all, err := s.readLog(ctx, logPrefix(e))
	if err != nil {
		return nil, err
	}
	ids = []string{}
	for _, one := range all {
		if one.status == status {
			ids = append(ids, one.instance)
		}
	}
	return ids, nil
}

type instanceStatus struct{ instance, status string }

// readLog returns the statuses of a log, in the order of the instances.
func (s *Store) readLog(ctx context.Context, prefix string) ([]instanceStatus, error) {
	var all []instanceStatus
	var unseen []int
	var keys []string
	for e, err := range s.records().List(ctx, prefix, "") {
		if err != nil {
			return nil, err
		}
		instance, err := names.Decode(strings.TrimPrefix(e.Key, prefix))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		last := s.seen(prefix, e.Key)
		if last.stored.Token != e.Token {
			unseen = append(unseen, len(all))
		}
		all, keys = append(all, instanceStatus{instance, last.status}), append(keys, e.Key)
	}
	reads, ctx := errgroup.WithContext(ctx)
	reads.SetLimit(16)
	for _, i := range unseen {
		reads.Go(func() (err error) {
			all[i].status, err = s.readStatus(ctx, prefix, keys[i], all[i].instance)
			return err
		})
	}
	return all, reads.Wait()
}

func (s *Store) readStatus(ctx context.Context, prefix, key, instance string) (string, error) {
	r, err := statusFormat.Read(ctx, s.records(), key, record.Stored{})
	if err != nil || !r.Exists() { // an operator may have deleted it since it was listed
		return "", err
	}
	status, err := decodeStatus(instance, r.Body)
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	s.see(prefix, key, logged{r, status})
	return status, nil
}

// ResetApplyLog implements [Storage].
func (s *Store) ResetApplyLog(ctx context.Context, collection, version string) error {
	err := s.change(ctx, collection, func(h *head) (bool, error) { return h.reset(version) })
	return wrap("reset log of", collection, version, err)
}

// logged is a status as last seen.
type logged struct {
	stored record.Stored
	status string
}

// maxLogs is how many logs are remembered.
const maxLogs = 16

func (s *Store) seen(prefix, key string) logged {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.statuses[prefix][key]
}

func (s *Store) see(prefix, key string, l logged) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.statuses[prefix] == nil {
		if len(s.statuses) >= maxLogs {
			clear(s.statuses)
		}
		s.statuses[prefix] = map[string]logged{}
	}
	s.statuses[prefix][key] = l
}
