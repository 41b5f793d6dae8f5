package resourcetest

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/resource"
)

func testWrite(t *testing.T, h Harness) {
	open := handles(t, h.New)
	b := open()
	owner := named("owner")
	r := &resource.Resource{
		ID: named("x"), Owner: &owner, Generation: "g1",
		Metadata: map[string]string{"k": "ü", "": "\x00"}, Data: []byte("one\x00\xff"),
	}
	_, err := b.Read(t.Context(), resource.Strong, r.ID)
	wantIs(t, "Read of nothing", err, resource.ErrNotFound)
	_, err = b.Read(t.Context(), resource.Eventual, r.ID)
	wantIs(t, "eventual Read of nothing", err, resource.ErrNotFound)

	stale := *r
	stale.Version = "1"
	_, err = b.WriteCAS(t.Context(), &stale)
	wantIs(t, "WriteCAS with a version over nothing", err, resource.ErrCASFailure)

	first := write(t, b, r)
	if r.Version != "" {
		t.Error("WriteCAS changes its argument")
	}
	r.Version = first.Version
	wantSame(t, "what WriteCAS returns", first, r)
	wantSame(t, "what another handle reads", read(t, open(), r.ID), r)

	r.Data, r.Metadata, r.Owner, r.Generation = []byte{}, nil, nil, ""
	second := write(t, b, r)
	_, err = open().WriteCAS(t.Context(), r)
	wantIs(t, "WriteCAS of an old version", err, resource.ErrCASFailure)
	if errors.Is(err, cas.ErrIndeterminate) || errors.Is(err, resource.ErrInconsistent) {
		t.Errorf("a refusal is certain: %v", err)
	}
	r.Version = ""
	_, err = open().WriteCAS(t.Context(), r)
	wantIs(t, "creating what is there", err, resource.ErrCASFailure)
	r.Version, r.Data = second.Version, nil
	wantSame(t, "after refusals", read(t, open(), r.ID), r)

	got := read(t, b, r.ID)
	got.ID.Name, got.Metadata = "changed", map[string]string{"a": "b"}
	wantSame(t, "after changing a copy", read(t, b, r.ID), r)
}

func testUIDs(t *testing.T, h Harness) {
	open := handles(t, h.New)
	stored := write(t, open(), with("x", "1"))
	any, other := stored.ID, stored.ID
	any.UID, other.UID = "", "another life"
	wantSame(t, "Read with any UID", read(t, open(), any), stored)
	_, err := open().Read(t.Context(), resource.Strong, other)
	wantIs(t, "Read with another UID", err, resource.ErrNotFound)
	for _, uid := range []string{"", "another life"} {
		r := *stored
		r.ID.UID = uid
		_, err := open().WriteCAS(t.Context(), &r)
		wantIs(t, "WriteCAS with another UID", err, resource.ErrWrongUID)
		r.Version = ""
		_, err = open().WriteCAS(t.Context(), &r)
		wantIs(t, "creating with another UID", err, resource.ErrWrongUID)
		wantIs(t, "creating with another UID", err, resource.ErrCASFailure)
		if err := open().DeleteCAS(t.Context(), r.ID, stored.Version); err != nil {
			t.Errorf("DeleteCAS with another UID: %v", err)
		}
	}
	wantSame(t, "after all that", read(t, open(), any), stored)
	remove(t, open(), stored)
	again := write(t, open(), &resource.Resource{ID: other})
	if again.Version == stored.Version {
		t.Errorf("two lives have the version %q", again.Version)
	}
}

func testGroupVersions(t *testing.T, h Harness) {
	open := handles(t, h.New)
	stored := write(t, open(), with("x", "1"))
	id := stored.ID
	id.Type.GroupVersion = "v2"
	other := open() // whose eventual reads are no older than its strong ones
	for _, consistency := range []resource.Consistency{resource.Strong, resource.Eventual} {
		_, err := other.Read(t.Context(), consistency, id)
		var mismatch resource.GroupVersionMismatchError
		if !errors.As(err, &mismatch) {
			t.Fatalf("Read of another group version: %v", err)
		}
		wantSame(t, "what is stored", mismatch, resource.GroupVersionMismatchError{RequestedType: id.Type, Stored: stored})
	}
	r := *stored
	r.ID.Type.GroupVersion = "v2"
	newer := write(t, open(), &r)
	wantSame(t, "Read of the new one", read(t, open(), id), newer)
	wantSame(t, "List", list(t, open(), workload, anywhere, ""), []*resource.Resource{newer})
	if err := open().DeleteCAS(t.Context(), stored.ID, newer.Version); err != nil {
		t.Errorf("DeleteCAS with an old group version: %v", err)
	}
	wantSame(t, "List", names(list(t, open(), workload, anywhere, "")), []string{})
}

func testDelete(t *testing.T, h Harness) {
	open := handles(t, h.New)
	b := open()
	if err := b.DeleteCAS(t.Context(), named("x"), "1"); err != nil {
		t.Errorf("DeleteCAS in an empty store: %v", err)
	}
	first := write(t, b, with("x", "1"))
	second := write(t, b, first)
	for _, version := range []string{first.Version, ""} {
		wantIs(t, "DeleteCAS of another version", open().DeleteCAS(t.Context(), first.ID, version), resource.ErrCASFailure)
	}
	wantSame(t, "after that", read(t, open(), first.ID), second)
	for range 2 {
		remove(t, open(), second)
		_, err := open().Read(t.Context(), resource.Strong, first.ID)
		wantIs(t, "Read after DeleteCAS", err, resource.ErrNotFound)
	}
	_, err := open().WriteCAS(t.Context(), second)
	wantIs(t, "WriteCAS of what was deleted", err, resource.ErrCASFailure)
}

// testVersions: they grow, over all resources and lives.
func testVersions(t *testing.T, h Harness) {
	open := handles(t, h.Small)
	last, b := 0, open()
	for i := range h.rounds(200) + 5 {
		r := write(t, b, with("x"+strconv.Itoa(i%3), "1"))
		version, err := strconv.Atoi(r.Version)
		if err != nil || version <= last {
			t.Fatalf("version %q after %d", r.Version, last)
		}
		last = version
		remove(t, b, r)
		if i%20 == 0 {
			b = open()
		}
	}
}

func testList(t *testing.T, h Harness) {
	open := handles(t, h.New)
	b := open()
	for _, name := range []string{"web-2", "web-10", "db", "Web", "a/../b ü"} {
		for _, at := range []resource.Tenancy{
			{Partition: "p1", Namespace: "n1"}, {Partition: "p1", Namespace: "n2"}, {Partition: "p2", Namespace: "n1"}, {},
		} {
			write(t, b, &resource.Resource{ID: resource.ID{Type: workload, Tenancy: at, Name: name}})
		}
	}
	write(t, b, &resource.Resource{ID: resource.ID{Type: service, Tenancy: home, Name: "web-1"}})
	for _, c := range []struct {
		typ                          resource.Type
		partition, namespace, prefix string
		want                         []string
	}{
		{workload, "p1", "n1", "", []string{"Web", "a/../b ü", "db", "web-10", "web-2"}},
		{workload, "p1", "n1", "web-", []string{"web-10", "web-2"}},
		{workload, "p1", "*", "web-", []string{"web-10", "web-2", "web-10", "web-2"}},
		{workload, "*", "n1", "d", []string{"db", "db"}},
		{workload, "*", "*", "Web", []string{"Web", "Web", "Web", "Web"}},
		{workload, "", "", "db", []string{"db"}},
		{workload, "", "n1", "", []string{}},
		{workload, "p", "n1", "", []string{}},
		{service, "*", "*", "", []string{"web-1"}},
		{resource.Type{Group: "other", Kind: "Workload"}, "*", "*", "", []string{}},
	} {
		tenancy := resource.Tenancy{Partition: c.partition, Namespace: c.namespace}
		wantSame(t, "List", names(list(t, open(), c.typ, tenancy, c.prefix)), c.want)
		eventual, err := b.List(t.Context(), resource.Eventual, c.typ.Unversioned(), tenancy, c.prefix)
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, "eventual List", names(eventual), c.want)
	}
}

// testPeers: the peer is part of a tenancy, and a wildcard matches all.
func testPeers(t *testing.T, h Harness) {
	open := handles(t, h.New)
	b := open()
	peers := []string{"", "east", "west"}
	for _, peer := range peers {
		id := named("x")
		id.Tenancy.PeerName = peer
		write(t, b, &resource.Resource{ID: id, Data: []byte(peer)})
	}
	for _, peer := range peers {
		id := named("x")
		id.Tenancy.PeerName = peer
		wantSame(t, "Read", string(read(t, open(), id).Data), peer)
		at := home
		at.PeerName = peer
		wantSame(t, "List of one peer", names(list(t, open(), workload, at, "")), []string{"x"})
	}
	at := home
	at.PeerName = resource.Wildcard
	got := []string{}
	for _, r := range list(t, open(), workload, at, "") {
		got = append(got, r.ID.Tenancy.PeerName)
	}
	wantSame(t, "List of all peers", got, peers)
	wantEvents(t, watch(t, open(), at, "x"), "+x=", "+x=east", "+x=west", "|")
	wantSame(t, "List of any tenancy but peers", len(list(t, open(), workload, anywhere, "")), 1)
}

// statusful is a resource with a status that has every field.
func statusful(name string) *resource.Resource {
	r := with(name, "")
	r.Status = map[string]resource.Status{"demo/controller": {
		ObservedGeneration: "g1", UpdatedAt: time.Date(2026, 5, 4, 3, 2, 1, 7, time.UTC),
		Conditions: []resource.Condition{
			{Type: "Bound", State: resource.StateFalse, Reason: "NotFound", Message: "there is no ü"},
			{Type: "Accepted", State: resource.StateTrue, Resource: &resource.Reference{
				Type: service, Tenancy: home, Name: "web", Section: "ports",
			}},
			{},
		},
	}, "empty": {}}
	return r
}

// testStatus: a status is stored and read as it is, and a write replaces it.
func testStatus(t *testing.T, h Harness) {
	open := handles(t, h.New)
	b := open()
	r := statusful("x")
	stored := write(t, b, r)
	r.Status["demo/controller"].Conditions[0].Message = "changed"
	delete(r.Status, "empty")
	want := statusful("x")
	want.Version, want.Data = stored.Version, nil
	for _, got := range []*resource.Resource{stored, read(t, b, r.ID), read(t, open(), r.ID)} {
		wantSame(t, "the status", got, want)
		got.Status["demo/controller"].Conditions[1].Resource.Name = "changed"
	}
	zone := time.FixedZone("east", 3600)
	stored.Status = map[string]resource.Status{"c": {UpdatedAt: time.Date(2026, 1, 1, 0, 30, 0, 0, zone)}}
	again := write(t, b, stored)
	wantSame(t, "the time in UTC", again.Status["c"].UpdatedAt.Format(time.RFC3339), "2025-12-31T23:30:00Z")
	wantSame(t, "what another handle reads", read(t, open(), r.ID), again)
	again.Status = map[string]resource.Status{}
	again = write(t, b, again)
	wantSame(t, "no status", again.Status, map[string]resource.Status(nil))
}

func testOwners(t *testing.T, h Harness) {
	open := handles(t, h.New)
	b := open()
	owner := write(t, b, with("owner", ""))
	otherLife, otherVersion := owner.ID, owner.ID
	otherLife.UID, otherVersion.Type.GroupVersion = "another life", "v2"
	of := func(name string, owner *resource.ID, typ resource.Type) *resource.Resource {
		id := named(name)
		id.Type = typ
		return write(t, b, &resource.Resource{ID: id, Owner: owner})
	}
	one, two := of("one", &owner.ID, workload), of("two", &otherVersion, service)
	of("three", &otherLife, workload)
	of("four", nil, workload)
	wantOwned := func(owner resource.ID, want ...*resource.Resource) {
		t.Helper()
		got, err := b.ListByOwner(t.Context(), owner)
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, "ListByOwner", names(got), names(want))
	}
	wantOwned(owner.ID, two, one)
	wantOwned(named("nobody"))
	one.Owner = nil
	write(t, b, one)
	wantOwned(owner.ID, two)
	remove(t, b, two)
	wantOwned(owner.ID)
}

func testInvalid(t *testing.T, h Harness) {
	b := handles(t, h.New)()
	for name, change := range map[string]func(*resource.ID){
		"no kind":         func(id *resource.ID) { id.Type.Kind = "" },
		"no name":         func(id *resource.ID) { id.Name = "" },
		"not utf-8":       func(id *resource.ID) { id.Name = "\xff" },
		"uid not utf-8":   func(id *resource.ID) { id.UID = "\xff" },
		"any partition":   func(id *resource.ID) { id.Tenancy.Partition = "*" },
		"any peer":        func(id *resource.ID) { id.Tenancy.PeerName = "*" },
		"every namespace": func(id *resource.ID) { id.Tenancy.Namespace = "*" },
	} {
		id := named("x")
		change(&id)
		_, err := b.Read(t.Context(), resource.Strong, id)
		wantIs(t, "Read: "+name, err, resource.ErrInvalid)
		_, err = b.WriteCAS(t.Context(), &resource.Resource{ID: id})
		wantIs(t, "WriteCAS: "+name, err, resource.ErrInvalid)
		wantIs(t, "DeleteCAS: "+name, b.DeleteCAS(t.Context(), id, "1"), resource.ErrInvalid)
	}
	_, err := b.WriteCAS(t.Context(), nil)
	wantIs(t, "WriteCAS: nil", err, resource.ErrInvalid)
	r := restoration(t, b, nil)
	wantIs(t, "Apply: nil", r.Apply(nil), resource.ErrInvalid)
	r.Abort()
	for name, r := range map[string]*resource.Resource{
		"metadata that is not utf-8": {Metadata: map[string]string{"k": "\xff"}},
		"status that is not utf-8":   {Status: map[string]resource.Status{"c": {ObservedGeneration: "\xff"}}},
		"unknown state": {Status: map[string]resource.Status{"c": {
			Conditions: []resource.Condition{{State: resource.StateFalse + 1}},
		}}},
		"time without a year": {Status: map[string]resource.Status{"c": {UpdatedAt: time.Unix(1<<60, 0)}}},
	} {
		r.ID = named("x")
		_, err := b.WriteCAS(t.Context(), r)
		wantIs(t, "WriteCAS: "+name, err, resource.ErrInvalid)
	}
	for _, c := range []resource.Consistency{-1, resource.Strong + 1} {
		_, err := b.Read(t.Context(), c, named("x"))
		wantIs(t, "Read with an unknown consistency", err, resource.ErrInvalid)
		_, err = b.List(t.Context(), c, workload.Unversioned(), anywhere, "")
		wantIs(t, "List with an unknown consistency", err, resource.ErrInvalid)
	}
}

func testSizes(t *testing.T, h Harness) {
	open := handles(t, h.Small)
	b := open()
	const most = resource.MaxResourceSize/4*3 - 600
	versions := map[string]string{}
	for i := range h.rounds(30) + 2 {
		r := with("x"+strconv.Itoa(i%3), strings.Repeat("x", most-i))
		r.Version = versions[r.ID.Name]
		r = write(t, b, r)
		versions[r.ID.Name] = r.Version
		wantSame(t, "what is read", len(read(t, b, r.ID).Data), most-i)
	}
	wantSame(t, "a new handle's list", names(list(t, open(), workload, anywhere, "")), []string{"x0", "x1", "x2"})
	_, err := b.WriteCAS(t.Context(), with("y", strings.Repeat("x", resource.MaxResourceSize)))
	wantIs(t, "WriteCAS of too much", err, cas.ErrTooLarge)
}

// testHandles: what one handle wrote, a strong read of any other sees, and an
// eventual one never goes back.
func testHandles(t *testing.T, h Harness) {
	open := handles(t, h.Small)
	handles := []resource.Backend{open(), open(), open()}
	r := write(t, handles[0], with("x", ""))
	for i := range h.rounds(300) + 10 {
		r.Data = []byte(strconv.Itoa(i))
		r = write(t, handles[i%3], r)
		other := handles[(i+1)%3]
		wantSame(t, "a strong read", read(t, other, r.ID), r)
		got, err := other.Read(t.Context(), resource.Eventual, r.ID)
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, "an eventual read after it", got, r)
	}
}

func testCancelled(t *testing.T, h Harness) {
	open := handles(t, h.New)
	b := open()
	stored := write(t, b, with("x", "1"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Read(ctx, resource.Strong, stored.ID)
	wantIs(t, "Read", err, resource.ErrInconsistent)
	_, err = b.WriteCAS(ctx, stored)
	wantIs(t, "WriteCAS", err, resource.ErrInconsistent)
	wantIs(t, "DeleteCAS", b.DeleteCAS(ctx, stored.ID, stored.Version), resource.ErrInconsistent)
	_, err = b.WatchList(ctx, workload.Unversioned(), anywhere, "")
	wantIs(t, "WatchList", err, context.Canceled)
	wantSame(t, "after that", read(t, open(), stored.ID), stored)
}
