//go:build faults

package faults

import (
	"path"
	"slices"
	"strings"
)

// Subject is a request of an operation of the library.
type Subject struct {
	Op      string // the operation
	Records bool   // it reads and writes records, not objects
	Raw     bool   // it gives what the store gives
	Verb    string // of the request: "GetObject"
	Key     string
}

func (s Subject) reads() bool { return s.Verb == "GetObject" || s.Verb == "HeadObject" }

// Exemption is a kind of failure that is none for some requests, or that they cannot see.
type Exemption struct {
	Kinds   string // the names of the kinds begin with it
	Of      string // which requests
	Why     string
	Exempts func(Subject) bool
}

// Exemptions are all that are not run.
var Exemptions = []Exemption{
	{
		Kinds: "404", Of: "reads of records, lock.json and times.json",
		Why: "what does not exist is an answer there",
		Exempts: func(s Subject) bool {
			base := path.Base(s.Key)
			return s.reads() && (s.Records || base == "times.json" || base == "lock.json")
		},
	},
	{
		Kinds: "stale read", Of: "all but writes of records and leases",
		Why: "a reader cannot tell that what it gets is old, and S3 promises that it is not; a swap and a lease can tell",
		Exempts: func(s Subject) bool {
			return !slices.ContainsFunc([]string{"cas.Store.Write", "cas.Swap", "Leaser."}, func(op string) bool {
				return strings.HasPrefix(s.Op, op)
			})
		},
	},
	{
		Kinds: "answer", Of: "reads that give what the store gives",
		Why:     "the format of the object has the checksum, and the reader above checks it",
		Exempts: func(s Subject) bool { return s.Raw && s.reads() },
	},
	{
		Kinds: "412 after applying", Of: "all but writes of records and the creation of objects",
		Why:     "S3 answers 412 only to a condition, and these have none",
		Exempts: func(s Subject) bool { return !s.Records && s.Op != "blob.Store.Write if absent" },
	},
	{
		Kinds: "empty 200", Of: "DeleteObject",
		Why:     "it is the answer that S3 gives",
		Exempts: func(s Subject) bool { return s.Verb == "DeleteObject" },
	},
}

// Exempt returns the exemption of a failure of a request, or nil.
func Exempt(kind string, s Subject) *Exemption {
	for i, x := range Exemptions {
		if strings.HasPrefix(kind, x.Kinds) && x.Exempts(s) {
			return &Exemptions[i]
		}
	}
	return nil
}
