package v3compat

// states keeps track of the states that a restore passes.
type states struct {
	report func(State) error
	due    int // the object at whose end a state is to be reported; or none
	count  int // how many states there were
	seen   int // how many of them were reported, in a run before this one too

	low uint32 // the smallest size of the database since the last one
}

const noState = -1

// segmentState notes the state at the end of a segment.
func (a *applier) segmentState(n int) {
	switch {
	case a.log.ignoring || a.pages.Open():
		a.states.due = noState
	case !a.olderThanSnapshot(n):
		a.states.due = n + 1
	}
}

func (a *applier) olderThanSnapshot(n int) bool {
	return a.plan.Segments[n].CreatedAt.Before(a.plan.Snapshot.CreatedAt)
}

// stateBefore reports the state that is due before a segment is applied.
func (a *applier) stateBefore(n int) error {
	if a.states.due == noState || a.olderThanSnapshot(n) {
		return nil
	}
	return a.state(a.states.due)
}

// lastState reports the final state.
func (a *applier) lastState() error {
	if a.states.due == noState {
		a.states.due = len(a.plan.Segments)
	}
	return a.state(a.states.due)
}

// state reports the state at the end of an object: of the snapshot, number 0,
// or of a segment.
func (a *applier) state(object int) error {
	a.states.due = noState
	a.states.count++
	if a.states.report == nil || a.states.count <= a.states.seen {
		return nil
	}
	a.states.seen = a.states.count
	s := State{PageSize: a.result.PageSize, Size: a.result.Pages}
	s.Point = Point{Pos: a.plan.Snapshot.Pos(), Time: a.plan.Snapshot.CreatedAt, Snapshot: true}
	if object > 0 {
		seg := a.plan.Segments[object-1]
		s.Point = Point{Pos: seg.Pos(), Time: seg.CreatedAt}
	}
	if a.pages != nil {
		if err := a.pages.Flush(); err != nil {
			return err
		}
		if a.states.count > 1 {
			s.Pages = a.pages.Changed(a.states.low, s.Size)
		} else {
			a.pages.Changed(0, 0) // all are new
		}
	}
	a.states.low = s.Size
	return a.states.report(s)
}
