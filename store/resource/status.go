package resource

import (
	"fmt"
	"slices"
	"time"
)

// Status is what one controller says of a resource.
type Status struct {
	// ObservedGeneration is the Generation of the resource that the controller has seen.
	ObservedGeneration string `json:"observed_generation,omitempty"`

	Conditions []Condition `json:"conditions,omitempty"`

	// UpdatedAt is the controller's time of the status, in UTC; the zero time is none.
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

// Condition is one observation about a resource.
type Condition struct {
	Type    string         `json:"type,omitempty"` // "Accepted"
	State   ConditionState `json:"state,omitempty"`
	Reason  string         `json:"reason,omitempty"`  // for programs
	Message string         `json:"message,omitempty"` // for people

	// Resource is the other resource that the condition is about, if there is one.
	Resource *Reference `json:"resource,omitempty"`
}

// ConditionState is whether the condition holds.
type ConditionState int

// The states of a condition.
const (
	StateUnknown ConditionState = iota
	StateTrue
	StateFalse
)

// Reference is a resource, whichever life of its name.
type Reference struct {
	Type    Type    `json:"type"`
	Tenancy Tenancy `json:"tenancy"`
	Name    string  `json:"name"`
	Section string  `json:"section,omitempty"` // part of the resource
}

// clone is a copy that shares nothing, and equals what is read from the store.
func (s Status) clone() Status {
	s.UpdatedAt = s.UpdatedAt.UTC().Round(0)
	conditions := s.Conditions
	s.Conditions = nil
	for _, c := range conditions {
		if c.Resource != nil {
			about := *c.Resource
			c.Resource = &about
		}
		s.Conditions = append(s.Conditions, c)
	}
	return s
}

func (s Status) texts() []string {
	texts := []string{s.ObservedGeneration}
	for _, c := range s.Conditions {
		texts = append(texts, c.Type, c.Reason, c.Message)
		if r := c.Resource; r != nil {
			id := ID{Type: r.Type, Tenancy: r.Tenancy, Name: r.Name}
			texts = append(append(texts, id.texts()...), r.Section)
		}
	}
	return texts
}

func (s Status) check() error {
	unknown := func(c Condition) bool { return c.State < StateUnknown || c.State > StateFalse }
	if i := slices.IndexFunc(s.Conditions, unknown); i >= 0 {
		return fmt.Errorf("condition %.40q has state %d", s.Conditions[i].Type, s.Conditions[i].State)
	}
	if year := s.UpdatedAt.UTC().Year(); year < 0 || year > 9999 {
		return fmt.Errorf("the status is of the year %d", year)
	}
	return nil
}
