package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/cas"
)

// createOnlyObject: what LTX files are written with where a lease reaches the data.
func (r *run) createOnlyObject(ctx context.Context) (string, error) {
	key := r.key("create-only-object")
	if err := r.createTwice(ctx, key, 64); err != nil {
		return "", err
	}
	for round := range (r.opts.Rounds + 3) / 4 {
		key := r.key(fmt.Sprintf("create-only-race-%d", round))
		if err := r.createObjectRace(ctx, key, r.opts.Writers, 64); err != nil {
			return "", inRound(err, round)
		}
	}
	return fmt.Sprintf("a second creation was refused, and of %d at once all but one", r.opts.Writers), nil
}

// createOnlyMultipart is the same for objects that are sent in parts, one after the
// other.
func (r *run) createOnlyMultipart(ctx context.Context) (string, error) {
	size := r.target.PartSize + 1
	if err := r.createTwice(ctx, r.key("create-only-multipart"), size); err != nil {
		return "", err
	}
	return fmt.Sprintf("of objects of %d bytes, in parts, a second one was refused", size), nil
}

// multipartRacers is few, as each sends some megabytes.
const multipartRacers = 3

// multipartRace is not a condition of leases, whose records are small. The engine
// looks for an object before it sends a second one, so that writers must race to
// find out whether the store itself keeps the condition when parts are put together.
func (r *run) multipartRace(ctx context.Context) (string, error) {
	size := r.target.PartSize + 1
	err := r.createObjectRace(ctx, r.key("multipart-race"), multipartRacers, size)
	var f *failure
	switch {
	case errors.As(err, &f):
		return f.what + "; what is written in parts is not safe from a rival at the same moment", nil
	case err != nil:
		return "", err
	}
	return fmt.Sprintf("of %d writers creating an object of %d bytes at once exactly one won", multipartRacers, size), nil
}

func (r *run) createTwice(ctx context.Context, key string, size int64) error {
	if err := r.createObject(ctx, 0, key, 'a', size); errors.Is(err, fs.ErrExist) {
		return failf("the creation of an object with a new random name was refused: %v", err)
	} else if err != nil {
		return err
	}
	err := r.createObject(ctx, 1, key, 'b', size)
	switch {
	case err == nil:
		return failf("a second creation of an object of %d bytes (If-None-Match) was applied: "+
			"the store ignores the condition", size)
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	return r.holds(ctx, key, 'a', size)
}

func (r *run) createObjectRace(ctx context.Context, key string, writers int, size int64) error {
	errs := make([]error, writers)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			<-start
			errs[i] = r.createObject(ctx, i, key, content(i), size)
		})
	}
	close(start)
	all.Wait()
	winner, winners := -1, 0
	var trouble error
	for i, err := range errs {
		switch {
		case err == nil:
			winner, winners = i, winners+1
		case !errors.Is(err, fs.ErrExist):
			trouble = err
		}
	}
	switch {
	case winners > 1:
		return failf("%d of %d writers creating an object of %d bytes at once were told that they had",
			winners, writers, size)
	case trouble != nil:
		return trouble
	case winners == 0:
		return failf("of %d writers creating an object at once each was told that another had", writers)
	}
	return r.holds(ctx, key, content(winner), size)
}

// createObject writes an object of one repeated byte.
func (r *run) createObject(ctx context.Context, handle int, key string, b content, size int64) error {
	err := r.writeObject(ctx, handle, key, b, size, blob.WriteOptions{IfAbsent: true})
	if errors.Is(err, errors.ErrUnsupported) {
		return failf("the store cannot write an object on the condition that there is none: %v", err)
	}
	return err
}

func (r *run) writeObject(
	ctx context.Context, handle int, key string, b content, size int64, opts blob.WriteOptions,
) error {
	_, err := r.objects[handle%len(r.objects)].Write(ctx, key, io.NewSectionReader(b, 0, size), opts)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		r.inDoubt.Store(true)
	}
	return err
}

// holds checks that the object is the one that was acknowledged.
func (r *run) holds(ctx context.Context, key string, b content, size int64) error {
	if r.badRead {
		return nil
	}
	rc, err := r.objects[1].Open(ctx, key, size-16, 0)
	if err != nil {
		return err
	}
	defer rc.Close()
	got, err := io.ReadAll(io.LimitReader(rc, 17))
	if err != nil {
		return err
	}
	if want := bytes.Repeat([]byte{byte(b)}, 16); !bytes.Equal(got, want) {
		return failf("every other creation was refused, and yet the object is not the one that was acknowledged")
	}
	return nil
}

// content is an endless repetition of a byte.
type content byte

func (c content) ReadAt(p []byte, _ int64) (int, error) {
	for i := range p {
		p[i] = byte(c)
	}
	return len(p), nil
}

// listAfterWrite: what was written is listed, in order, by another handle, as object
// and as record, and what was deleted is not.
func (r *run) listAfterWrite(ctx context.Context) (string, error) {
	const most = 5
	dir := r.prefix + "list/"
	var keys []string
	listings := 0
	lists := func(what string) error {
		n, err := r.lists(ctx, dir, keys, what)
		listings += n
		return err
	}
	for i := range most {
		keys = append(keys, r.key(fmt.Sprintf("list/%d", i)))
		if err := r.writeListed(ctx, keys[i]); err != nil {
			return "", err
		}
		if err := lists("was written"); err != nil {
			return "", err
		}
	}
	deleted := ""
	for len(keys) > 1 {
		if err := r.deleteListed(ctx, keys[0]); errors.Is(err, cas.ErrUnsupported) {
			break
		} else if err != nil {
			return "", err
		}
		keys, deleted = keys[1:], " and deleted"
		if err := lists("was deleted"); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d listings by another handle each showed what had been written%s before them",
		listings, deleted), nil
}

// writeListed writes an object or, where there are none, a record.
func (r *run) writeListed(ctx context.Context, key string) error {
	if r.hasObjects() {
		return r.writeObject(ctx, 0, key, 'a', 64, blob.WriteOptions{})
	}
	_, err := r.put(ctx, r.records[0], key, "")
	return err
}

func (r *run) deleteListed(ctx context.Context, key string) error {
	if r.hasObjects() {
		return r.objects[0].Delete(ctx, []string{key})
	}
	return deleteRecord(ctx, r.records[0], key)
}

// lists compares listings of all kinds with what there is, and returns how many it made.
func (r *run) lists(ctx context.Context, dir string, want []string, what string) (int, error) {
	records, err := listRecords(ctx, r.records[1], dir)
	listings := [][]string{records}
	if err == nil && r.hasObjects() {
		var objects []string
		objects, err = listObjects(ctx, r.objects[1], dir)
		listings = append(listings, objects)
	}
	if err != nil {
		return 0, err
	}
	for _, got := range listings {
		if !slices.Equal(got, want) {
			return 0, failf("a listing after something %s shows %d keys, and not the %d that there are",
				what, len(got), len(want))
		}
	}
	return len(listings), nil
}

func listObjects(ctx context.Context, s blob.Store, dir string) (keys []string, err error) {
	for info, err := range s.List(ctx, dir, blob.ListOptions{}) {
		if err != nil {
			return keys, err
		}
		keys = append(keys, info.Key)
	}
	return keys, nil
}

func listRecords(ctx context.Context, s cas.Store, dir string) (keys []string, err error) {
	for entry, err := range s.List(ctx, dir, "") {
		if err != nil {
			return keys, err
		}
		keys = append(keys, entry.Key)
	}
	return keys, nil
}
