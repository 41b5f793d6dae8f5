// Package mirror copies replicas, in either format, from any store to any other.
//
// [Copy] verifies each object as it flows by, and writes create-only, in such an order that
// the copy can be restored at each moment, as far as the source can. A copy that was
// interrupted goes on where it ended. The true times of the objects go along.
package mirror
