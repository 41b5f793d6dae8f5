package raftbackend

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

var (
	messageLine = regexp.MustCompile(`^message (\w+) \{`)
	fieldLine   = regexp.MustCompile(`^  (repeated )?(\w+) (\w+) = (\d+);`)
	mapLine     = regexp.MustCompile(`^  map<string, (\w+)> (\w+) = (\d+);`)
)

// readProto reads resources.proto, as far as it uses the language.
func readProto(t *testing.T) protoreflect.FileDescriptor {
	t.Helper()
	content, err := os.ReadFile("resources.proto")
	if err != nil {
		t.Fatal(err)
	}
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("resources.proto"), Package: proto.String("replicate.resource.v1"), Syntax: proto.String("proto3"),
	}
	for line := range strings.Lines(string(content)) {
		if m := messageLine.FindStringSubmatch(line); m != nil {
			file.MessageType = append(file.MessageType, &descriptorpb.DescriptorProto{Name: &m[1]})
		} else if m := fieldLine.FindStringSubmatch(line); m != nil {
			in := file.MessageType[len(file.MessageType)-1]
			in.Field = append(in.Field, field(m[3], m[2], m[4], m[1] != ""))
		} else if m := mapLine.FindStringSubmatch(line); m != nil {
			addMap(file.MessageType[len(file.MessageType)-1], m[1], m[2], m[3])
		}
	}
	d, err := protodesc.NewFile(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func field(name, typ, number string, repeated bool) *descriptorpb.FieldDescriptorProto {
	n, _ := strconv.ParseInt(number, 10, 32)
	f := &descriptorpb.FieldDescriptorProto{
		Name: &name, Number: proto.Int32(int32(n)), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
	}
	if repeated {
		f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	}
	scalars := map[string]descriptorpb.FieldDescriptorProto_Type{
		"string": descriptorpb.FieldDescriptorProto_TYPE_STRING, "bytes": descriptorpb.FieldDescriptorProto_TYPE_BYTES,
		"uint64": descriptorpb.FieldDescriptorProto_TYPE_UINT64, "int64": descriptorpb.FieldDescriptorProto_TYPE_INT64,
	}
	if scalar, ok := scalars[typ]; ok {
		f.Type = scalar.Enum()
	} else {
		f.Type = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
		f.TypeName = proto.String(".replicate.resource.v1." + typ)
	}
	return f
}

// addMap adds a field that is a map: a list of entries, of a type that is inside the message.
func addMap(in *descriptorpb.DescriptorProto, value, name, number string) {
	entry := strings.ToUpper(name[:1]) + name[1:] + "Entry"
	in.NestedType = append(in.NestedType, &descriptorpb.DescriptorProto{
		Name: &entry, Options: &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)},
		Field: []*descriptorpb.FieldDescriptorProto{field("key", "string", "1", false), field("value", value, "2", false)},
	})
	in.Field = append(in.Field, field(name, in.GetName()+"."+entry, number, true))
}

// TestProto: resources.proto describes what is written, every field of it. Read by protobuf's own
// code and written again, it is the same.
func TestProto(t *testing.T) {
	file := readProto(t)
	b := bare(t)
	samples := map[protoreflect.Name][][]byte{"Log": sampleLog()}
	for i, msg := range sampleLog() {
		b.Apply(msg, uint64(1+i))
	}
	samples["Record"] = records(t, b)
	seen := map[protoreflect.FullName]bool{}
	for name, messages := range samples {
		for _, want := range messages {
			m := dynamicpb.NewMessage(file.Messages().ByName(name))
			if err := (proto.UnmarshalOptions{DiscardUnknown: false}).Unmarshal(want, m); err != nil {
				t.Fatal(err)
			}
			note(t, m, seen)
			got, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			again, err := remarshal(name, got)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, again); diff != "" {
				t.Errorf("a %s, written by protobuf (-want +got):\n%s", name, diff)
			}
		}
	}
	for i := range file.Messages().Len() {
		m := file.Messages().Get(i)
		for j := range m.Fields().Len() {
			if f := m.Fields().Get(j); m.Name() != "GroupVersionMismatch" && !seen[f.FullName()] {
				t.Errorf("no sample has the field %s", f.FullName())
			}
		}
	}
}

// remarshal reads and writes with this package what protobuf has written.
func remarshal(name protoreflect.Name, b []byte) ([]byte, error) {
	if name == "Log" {
		m, err := decodeMessage(b)
		if err != nil {
			return nil, err
		}
		return m.encode(), nil
	}
	var r record
	err := decode(b, r.fields)
	return encode(r.fields), err
}

// note notes the fields that a message has, and that it has no others.
func note(t *testing.T, m protoreflect.Message, seen map[protoreflect.FullName]bool) {
	t.Helper()
	if len(m.GetUnknown()) > 0 {
		t.Errorf("a %s has fields that resources.proto does not", m.Descriptor().Name())
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		seen[f.FullName()] = true
		switch {
		case f.IsMap() && f.MapValue().Kind() == protoreflect.MessageKind:
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				note(t, v.Message(), seen)
				return true
			})
		case f.IsMap():
		case f.IsList():
			for i := range v.List().Len() {
				note(t, v.List().Get(i).Message(), seen)
			}
		case f.Kind() == protoreflect.MessageKind:
			note(t, v.Message(), seen)
		}
		return true
	})
}
