//go:build faults

package faults

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"reflect"
	"strings"
	"testing"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/postgres"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/view"
	"github.com/replctl/replicate/sqldb"
	"github.com/replctl/replicate/store/config"
	"github.com/replctl/replicate/store/kv"
	"github.com/replctl/replicate/store/logstate"
	"github.com/replctl/replicate/store/resource"
)

// The types whose methods are operations, by what the table calls them.
var exported = map[string]reflect.Type{
	"ReplicaClient":   reflect.TypeFor[replicate.ReplicaClient](),
	"ReplicaClientV3": reflect.TypeFor[replicate.ReplicaClientV3](),
	"Leaser":          reflect.TypeFor[replicate.Leaser](),
	"Session":         reflect.TypeFor[*lease.Session](),
	"FencedClient":    reflect.TypeFor[*replica.FencedClient](),
	"blob.Store":      reflect.TypeFor[blob.Store](),
	"cas.Store":       reflect.TypeFor[cas.Store](),
	"kv":              reflect.TypeFor[*kv.Store](),
	"config":          reflect.TypeFor[*config.Store](),
	"logstate":        reflect.TypeFor[*logstate.Store](),
	"resource":        reflect.TypeFor[*resource.Store](),
	"View":            reflect.TypeFor[*view.View](),
	"sqlite":          reflect.TypeFor[*sqldb.Store](),
	"postgres.Store":  reflect.TypeFor[*postgres.Store](),
}

// The packages whose functions are operations.
var verbs = []string{"replica/restore", "replica/check", "replica/mirror", "replica/prune", "replica/migrate",
	"replica/view", "replica/diff", "replica/history", "store/records"}

// Operations that are not in the table, and why.
var notInTable = map[string]string{
	"Type": "asks no store", "SetLogger": "asks no store", "MaxLeaseTTL": "asks no store",
	"Session.Abandoned": "asks no store", "Session.Context": "asks no store", "Session.Err": "asks no store",
	"Session.Generation": "asks no store", "Session.Go": "asks no store", "Session.Lease": "asks no store",
	"Session.Leave": "releases as Session.Release does", "Session.Left": "asks no store",
	"Session.Request": "asks no store", "Session.Valid": "asks no store",
	"FencedClient.Open":          "opens as ReplicaClient.Init does; the operations on it are blob.Store's",
	"FencedClient.GenerationsV3": "the guarded client's", "FencedClient.SnapshotsV3": "the guarded client's",
	"FencedClient.WALSegmentsV3": "the guarded client's", "FencedClient.OpenSnapshotV3": "the guarded client's",
	"FencedClient.OpenWALSegmentV3": "the guarded client's",
	"kv.Lessor":                     "asks no store; its methods are kv.NewLease and kv.GetLease",
	"logstate.WithContext":          "asks no store", "resource.Close": "asks no store",
	"restore.PlanBackup": "a part of restore.NewPlan",
	"View.ReadAtContext": "view.Open reads all pages by it", "View.ReadAt": "as View.ReadAtContext",
	"View.Close": "asks no store", "View.Plan": "asks no store", "View.PageSize": "asks no store",
	"View.Size": "asks no store", "View.State": "asks no store", "View.Stats": "asks no store",
	"records.Check": "asks no store", "records.Defaults": "asks no store",
	"postgres.Store":         "needs a server; the suite of package castest and the tests of package postgres are its own",
	"sqlite.CheckDurability": "a part of the command probe",
	"View.Fetch":             "diff.Compare reads by it",
	"View.HasPages":          "asks no store",
	"diff.SameValue":         "asks no store",
	"view.Same":              "a part of diff.Compare",
}

// TestOperationsAreComplete fails when an exported operation is neither in the table nor
// excused, and when one is that does not exist.
func TestOperationsAreComplete(t *testing.T) {
	inTable := map[string]bool{}
	for _, op := range operations {
		name, _, _ := strings.Cut(op.name, " ")
		inTable[name] = true
	}
	var all []string
	for name, typ := range exported {
		for i := range typ.NumMethod() {
			all = append(all, name+"."+typ.Method(i).Name)
		}
	}
	for _, pkg := range verbs {
		all = append(all, functions(t, pkg)...)
	}
	used := map[string]bool{}
	for _, name := range all {
		dot := strings.LastIndex(name, ".")
		typ, method := name[:dot], name[dot+1:]
		used[name], used[method], used[typ] = true, true, true
		if !inTable[name] && notInTable[name] == "" && notInTable[method] == "" && notInTable[typ] == "" {
			t.Errorf("%s has no line in the table of operations", name)
		}
	}
	for name := range notInTable {
		if !used[name] {
			t.Errorf("%s is excused, and does not exist", name)
		}
	}
}

// functions are the exported functions of a package.
func functions(t *testing.T, dir string) (names []string) {
	t.Helper()
	pkg := path.Base(dir)
	found, err := parser.ParseDir(token.NewFileSet(), "../../"+dir,
		func(fi fs.FileInfo) bool { return !strings.HasSuffix(fi.Name(), "_test.go") }, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found[pkg].Files {
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.IsExported() {
				names = append(names, pkg+"."+fn.Name.Name)
			}
		}
	}
	if len(names) == 0 {
		t.Errorf("package %s has no functions", pkg)
	}
	return names
}
