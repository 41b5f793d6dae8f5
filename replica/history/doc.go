// Package history says when a replicated database changed.
//
// [Log] lists the moments that a replica has, with the pages and the tables that each has changed,
// [RowHistory] is the history of one row, and [Bisect] finds the moment at which the answer to a
// question changed.
//
// Bisect opens a view of about log2(N) of N moments. Log and RowHistory open one, of the moment
// before the first that is listed, and go on from there by what the page indexes of the LTX files
// say: an index names the pages that a transaction has written. A page is read only if the answer
// may depend on it. Log reads the interior pages of the b-trees once for each version of the schema,
// and then those that have changed: they tell which table a page belongs to. RowHistory looks the row
// up again where a page has changed that the lookup before has read. A v0.3 backup has no page
// indexes: its snapshot and its log are read once, and again for each view.
//
// A moment is a state that can be restored. If compaction has left one file of several
// transactions, these have one moment. If it has left only a snapshot of a moment, the pages are those
// of the smallest file around it, which may have pages of later moments as well: [Entry.Of] says so.
// Writing a page is not changing it: the same bytes may have been written.
//
// A moment that disappears meanwhile, because compaction or retention has removed its files, is
// passed over by Bisect. Log and RowHistory fail with view.ErrGone, and can be begun again.
package history
