package cli

import "time"

// The contract of ls and drill.
type (
	databaseDoc struct {
		URL        string            `json:"url"`
		Formats    []string          `json:"formats"`
		Newest     *pointDocument    `json:"newest,omitempty"`
		AgeSeconds *float64          `json:"age_seconds,omitempty"`
		Oldest     *pointDocument    `json:"oldest,omitempty"`
		Lease      *leaseDoc         `json:"lease,omitempty"`
		Drill      *recordedDrillDoc `json:"drill,omitempty"`
		Verdict    string            `json:"verdict"`
		Problems   []problemDoc      `json:"problems"`
		Error      *string           `json:"error,omitempty"`
		Objects    *int              `json:"objects,omitempty"`
		Bytes      *int64            `json:"bytes,omitempty"`
	}
	drillDoc struct {
		URL            string           `json:"url"`
		Outcome        string           `json:"outcome"`
		Seed           uint64           `json:"seed"`
		States         int              `json:"states"`
		Newest         *pointDocument   `json:"newest,omitempty"`
		AgeSeconds     *float64         `json:"age_seconds,omitempty"`
		RestoreSeconds float64          `json:"restore_seconds"`
		Moments        []drillMomentDoc `json:"moments"`
	}
	drillMomentDoc struct {
		Why     string          `json:"why"`
		Format  *string         `json:"format,omitempty"`
		State   *pointDocument  `json:"state,omitempty"`
		Size    int64           `json:"size"`
		Read    int64           `json:"read"`
		Seconds float64         `json:"seconds"`
		Outcome string          `json:"outcome"`
		Checks  []drillCheckDoc `json:"checks"`
		Error   *string         `json:"error,omitempty"`
	}
	drillCheckDoc struct {
		Name    string  `json:"name"`
		Outcome string  `json:"outcome"`
		Message *string `json:"message,omitempty"`
	}
	recordedDrillDoc struct {
		ID             string    `json:"id"`
		Time           time.Time `json:"time"`
		Outcome        string    `json:"outcome"`
		Moments        int       `json:"moments"`
		Seed           uint64    `json:"seed"`
		Newest         time.Time `json:"newest"`
		RestoreSeconds float64   `json:"restore_seconds"`
	}
)
