package replica

import (
	"iter"

	"github.com/replctl/replicate/ltx"
)

// fileIterator is a sequence in the shape of Litestream's iterators.
type fileIterator struct {
	next func() (*ltx.FileInfo, error, bool)
	stop func()
	item *ltx.FileInfo
	err  error
}

func newFileIterator(seq iter.Seq2[*ltx.FileInfo, error]) ltx.FileIterator {
	next, stop := iter.Pull2(seq)
	return &fileIterator{next: next, stop: stop}
}

func (itr *fileIterator) Next() bool {
	if itr.err != nil {
		return false
	}
	item, err, ok := itr.next()
	itr.item, itr.err = item, err
	return ok && err == nil
}

func (itr *fileIterator) Item() *ltx.FileInfo { return itr.item }

func (itr *fileIterator) Err() error { return itr.err }

func (itr *fileIterator) Close() error {
	itr.stop()
	return itr.err
}
