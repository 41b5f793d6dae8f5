package restore

import (
	"context"
	"errors"
	"fmt"

	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/v3compat"
)

func (c planner) planV3(ctx context.Context, target Target, damaged []string) (*Plan, error) {
	r := c.Backup()
	if target.Generation == "" { // a replica of LTX files alone takes one request to tell
		switch ids, err := r.Generations(ctx); {
		case err != nil:
			return nil, err
		case len(ids) == 0:
			return nil, replica.ErrNoReplica
		}
	}
	found, err := r.Plan(ctx, v3compat.Target{
		Generation: target.Generation, Index: target.Index, Timestamp: target.Timestamp, Without: damaged,
	})
	var unreachable *v3compat.UnreachableError
	switch {
	case errors.Is(err, v3compat.ErrNoObjects) && target.Generation != "":
		why := "there is no generation " + target.Generation
		return nil, &PlanError{Target: target, Format: replica.FormatV3, Reason: why, Kind: ErrNoSuchState}
	case errors.Is(err, v3compat.ErrNoObjects):
		return nil, replica.ErrNoReplica
	case errors.As(err, &unreachable):
		return nil, planErrorV3(target, unreachable)
	case err != nil:
		return nil, err
	}
	return planOfV3(target, found), nil
}

func planErrorV3(target Target, e *v3compat.UnreachableError) error {
	planErr := &PlanError{Target: target, Format: replica.FormatV3, Reason: e.Reason, Kind: ErrNoSuchState, wanted: e.Time}
	if e.Object != "" {
		planErr.Reason, planErr.Kind = e.Object+": "+e.Reason, replica.ErrDamaged
	}
	if !target.Timestamp.IsZero() {
		planErr.Reason = fmt.Sprintf("state at %s: %s", replica.FormatTime(target.Timestamp), planErr.Reason)
	}
	for point, found := range map[*replica.Point]*v3compat.Point{&planErr.Before: e.Before, &planErr.After: e.After} {
		if found != nil {
			*point = replica.Point{Pos: found.Pos, Time: found.Time}
		}
	}
	return planErr
}

func planOfV3(target Target, found *v3compat.Plan) *Plan {
	snapshot := v3compat.SnapshotKey(found.Generation, found.Snapshot.Index)
	plan := &Plan{
		Format: replica.FormatV3, State: replica.Point{Pos: found.Pos, Time: found.Time},
		Objects: []replica.Object{{Key: snapshot, Size: found.Snapshot.Size}},
		MayMiss: found.MayMiss, Bytes: found.Bytes, Requests: found.Requests, Backup: found,
	}
	for _, s := range found.Segments {
		key := v3compat.WALSegmentKey(found.Generation, s.Index, s.Offset)
		plan.Objects = append(plan.Objects, replica.Object{Key: key, Size: s.Size})
	}
	if found.Latest && found.Time.Before(target.Timestamp) {
		plan.Notes = append(plan.Notes, fmt.Sprintf("%s is after the last object, which was written at %s",
			replica.FormatTime(target.Timestamp), replica.FormatTime(found.Time)))
	}
	return plan
}
