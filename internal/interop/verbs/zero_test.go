package verbs_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/check"
	"github.com/replctl/replicate/replica/mirror"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/s3"
)

// zeroValues are pointers to zero values of all exported types that have methods, by package.
var zeroValues = map[string][]any{
	"file":  {&file.Leaser{}, &file.Records{}, &file.ReplicaClient{}, &file.Store{}},
	"lease": {&lease.Config{}, &lease.Leaser{}, &lease.Options{}, &lease.ReachError{}, &lease.Session{}},
	"replica": {
		&replica.Client{}, &replica.ConflictError{}, &replica.FencedClient{}, &replica.Files{}, &replica.FileTime{},
		&replica.Point{}, &replica.Refusals{}, &replica.Timeline{}, &replica.Version{},
	},
	"replica/check":   {&check.Inspection{}, &check.Report{}},
	"replica/migrate": nil,
	"replica/mirror":  {&mirror.ConflictError{}},
	"replica/prune":   {},
	"replica/restore": {&restore.Plan{}, &restore.PlanError{}},
	"replica/retain":  {},
	"s3":              {&s3.Config{}, &s3.Leaser{}, &s3.Records{}, &s3.ReplicaClient{}, &s3.Store{}},
}

// TestZeroValues: no method of a zero value panics, whatever zero values it is given. Those
// that can fail, and need what only a constructor sets, return an error.
func TestZeroValues(t *testing.T) {
	for dir, values := range zeroValues {
		t.Run(dir, func(t *testing.T) {
			want := withMethods(t, filepath.Join("..", "..", "..", dir))
			for _, v := range values {
				name := reflect.TypeOf(v).Elem().Name()
				want = slices.DeleteFunc(want, func(s string) bool { return s == name })
				t.Run(name, func(t *testing.T) { callAll(t, reflect.ValueOf(v)) })
			}
			if len(want) > 0 {
				t.Errorf("exported types with methods that zeroValues leaves out: %s", want)
			}
		})
	}
}

// withMethods lists the exported types of a package that have methods.
func withMethods(t *testing.T, dir string) (names []string) {
	t.Helper()
	sources, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv != nil && fn.Name.IsExported() {
				names = append(names, receiver(fn))
			}
		}
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(s string) bool { return !ast.IsExported(s) })
}

func receiver(fn *ast.FuncDecl) string {
	typ := fn.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	name, _ := typ.(*ast.Ident)
	return name.Name
}

// callAll calls each method of v with zero values.
func callAll(t *testing.T, v reflect.Value) {
	for i := range v.NumMethod() {
		name := v.Type().Method(i).Name
		t.Run(name, func(t *testing.T) {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("panic: %v\n%s", p, debug.Stack())
				}
			}()
			m := v.Method(i)
			var args []reflect.Value
			for in := range m.Type().Ins() {
				args = append(args, zeroArgument(t, in))
			}
			call := m.Call
			if m.Type().IsVariadic() {
				call = m.CallSlice
			}
			for _, out := range call(args) {
				if out.Kind() == reflect.Func && !out.IsNil() { // a sequence, or a stop
					ins := []reflect.Value{}
					for in := range out.Type().Ins() {
						ins = append(ins, zeroArgument(t, in))
					}
					out.Call(ins)
				}
			}
		})
	}
}

// zeroArgument is a zero value, or points to one: but for contexts, readers and functions.
func zeroArgument(t *testing.T, typ reflect.Type) reflect.Value {
	switch {
	case typ == reflect.TypeFor[context.Context]():
		return reflect.ValueOf(t.Context())
	case typ == reflect.TypeFor[io.Reader]():
		return reflect.ValueOf(strings.NewReader(""))
	case typ == reflect.TypeFor[*slog.Logger](), typ == reflect.TypeFor[*replicate.Lease]():
		return reflect.Zero(typ) // nil is a value of theirs
	case typ.Kind() == reflect.Pointer:
		return reflect.New(typ.Elem())
	case typ.Kind() != reflect.Func:
		return reflect.Zero(typ)
	}
	return reflect.MakeFunc(typ, func([]reflect.Value) (results []reflect.Value) {
		for out := range typ.Outs() {
			results = append(results, reflect.Zero(out))
		}
		return results
	})
}
