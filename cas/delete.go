package cas

import "context"

// Deleter is a Store that can remove a record by compare-and-swap, for the tombstones of
// what is built on records. S3 is none: several stores ignore the condition on a DELETE.
//
// Removing a record makes room for late creations. A Write with a zero token whose
// outcome is unknown may be applied after the record was created by somebody else and
// removed again; [Swap], which repeats such a Write, may even apply it twice. So remove
// only what such a creation cannot harm: see package store/internal/floor for one way.
type Deleter interface {
	Store

	// Delete removes the record if its current version is the one that expect names. A
	// zero token, or a record that does not exist, is ErrConflict. The outcomes are those
	// of a Write: nil, certainly not removed, or ErrIndeterminate; a Notifier tells of it
	// as of a Write. The removal is durable on return.
	//
	// A decorator of a Store that is no Deleter returns ErrUnsupported.
	Delete(ctx context.Context, key string, expect Token) error
}
