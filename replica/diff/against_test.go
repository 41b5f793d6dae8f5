package diff_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/replica/diff"
	"github.com/replctl/replicate/replica/view"
)

// live is a database as of one moment.
type live struct {
	db   []byte
	size int
	fail uint32 // this page cannot be read
}

func (l live) PageSize() uint32 { return uint32(l.size) }

func (l live) Pages() uint32 { return uint32(len(l.db) / l.size) }

var errUnread = errors.New("cannot be read")

func (l live) ReadPage(pgno uint32, buf []byte) error {
	if pgno == l.fail {
		return errUnread
	}
	copy(buf, l.db[int(pgno-1)*l.size:])
	return nil
}

// TestAgainst: each page that differs is found, in the first state, whose file has a checksum of the
// database, and in the second, whose file has none. With the checksum, what is identical costs no request.
func TestAgainst(t *testing.T) {
	m := newMade(t, blob.NewMemory(), "PRAGMA page_size=1024")
	m.exec(`CREATE TABLE t(id INTEGER PRIMARY KEY, v);
		WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 3000)
		INSERT INTO t SELECT i, randomblob(100) FROM c`)
	m.commit(false)
	m.exec("UPDATE t SET v = randomblob(100) WHERE id % 500 = 0")
	m.commit(false)
	for txid := 1; txid <= 2; txid++ {
		same := live{m.states[txid-1], 1024, 0}
		v := m.view(txid)
		before := v.Stats().Requests
		d := against(t, v, same)
		if requests := v.Stats().Requests - before; !d.Identical() || d.Total != int64(same.Pages()) ||
			(requests == 0) != (txid == 1) {
			t.Errorf("state %d and itself: %+v, in %d requests", txid, d, requests)
		}
		// Pages 2, 3 and the last are others.
		changed := live{append([]byte(nil), same.db...), 1024, 0}
		for _, pgno := range []int{2, 3, int(same.Pages())} {
			changed.db[pgno*1024-1]++
		}
		want := []diff.Range{{First: 2, Last: 3}, {First: same.Pages(), Last: same.Pages()}}
		if d := against(t, v, changed); d.Different != 3 || !reflect.DeepEqual(d.Ranges, want) {
			t.Errorf("state %d and another one: %+v", txid, d)
		}
		// Two pages more, and two fewer.
		n := same.Pages()
		for _, other := range []live{{append(same.db[:len(same.db):len(same.db)], make([]byte, 2048)...), 1024, 0},
			{same.db[:len(same.db)-2048], 1024, 0}} {
			first := min(n, other.Pages()) + 1
			want := []diff.Range{{First: first, Last: first + 1}}
			if d := against(t, v, other); d.Different != 2 || !reflect.DeepEqual(d.Ranges, want) ||
				d.Total != int64(max(n, other.Pages())) {
				t.Errorf("state %d and one of %d pages: %+v", txid, other.Pages(), d)
			}
		}
		if d := against(t, v, live{same.db, 512, 0}); d.Identical() || d.Different != d.Total {
			t.Errorf("another page size: %+v", d)
		}
		if _, err := diff.Against(t.Context(), v, live{same.db, 1024, 7}, nil); !errors.Is(err, errUnread) {
			t.Errorf("a page that cannot be read: %v", err)
		}
	}
	many := live{append([]byte(nil), m.states[1]...), 1024, 0}
	for at := 0; at < len(many.db); at += 2048 {
		many.db[at]++
	}
	if d := against(t, m.view(2), many); len(d.Ranges) != 20 || d.Different != int64(many.Pages()+1)/2 {
		t.Errorf("every second page: %s", fmt.Sprint(d))
	}
}

func against(t *testing.T, v *view.View, im diff.Image) *diff.PageDiff {
	t.Helper()
	d, err := diff.Against(t.Context(), v, im, func(done, total int64) {
		if done > total {
			t.Errorf("%d of %d", done, total)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}
