package raftbackend

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/replctl/replicate/store/resource"
)

// coder goes over the fields of a message in the order of their numbers. It appends
// them to out; or, if it is reading, it sets the one that it has read. So each message is
// described once, by a function that calls the coder's methods, for both ways.
type coder struct {
	out []byte

	reading bool
	number  protowire.Number // of the field that was read
	typ     protowire.Type
	varint  uint64
	bytes   []byte
	err     error
}

// encode returns the message that fields describes.
func encode(fields func(*coder)) []byte {
	var c coder
	fields(&c)
	return c.out
}

// decode sets what fields describes from a message. Unknown fields are skipped. An
// error is resource.ErrCorrupt.
func decode(message []byte, fields func(*coder)) error {
	c := coder{reading: true}
	for len(message) > 0 && c.err == nil {
		number, typ, n := protowire.ConsumeTag(message)
		if n < 0 {
			return corrupt(protowire.ParseError(n))
		}
		message = message[n:]
		c.number, c.typ = number, typ
		switch typ {
		case protowire.VarintType:
			c.varint, n = protowire.ConsumeVarint(message)
		case protowire.BytesType:
			c.bytes, n = protowire.ConsumeBytes(message)
		default: // no field here has another one
			n = protowire.ConsumeFieldValue(number, typ, message)
		}
		if n < 0 {
			return corrupt(protowire.ParseError(n))
		}
		message = message[n:]
		fields(&c)
	}
	return c.err
}

func corrupt(err error) error { return fmt.Errorf("message: %w: %w", resource.ErrCorrupt, err) }

var errWireType = errors.New("a field has another type")

// has reports whether field n has just been read, and is of the type that it should be.
func (c *coder) has(n protowire.Number, typ protowire.Type) bool {
	if c.number != n || c.err != nil {
		return false
	}
	if c.typ != typ {
		c.err = corrupt(errWireType)
	}
	return c.err == nil
}

func (c *coder) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

func (c *coder) append(n protowire.Number, value []byte) {
	c.out = protowire.AppendBytes(protowire.AppendTag(c.out, n, protowire.BytesType), value)
}

// uint is a varint; 0 is not written.
func (c *coder) uint(n protowire.Number, v *uint64) {
	if c.reading {
		if c.has(n, protowire.VarintType) {
			*v = c.varint
		}
	} else if *v != 0 {
		c.out = protowire.AppendVarint(protowire.AppendTag(c.out, n, protowire.VarintType), *v)
	}
}

// text is a string; the empty one is not written.
func (c *coder) text(n protowire.Number, s *string) {
	if c.reading {
		if c.has(n, protowire.BytesType) {
			*s = string(c.bytes)
		}
	} else if *s != "" {
		c.append(n, []byte(*s))
	}
}

// data is bytes; none are not written.
func (c *coder) data(n protowire.Number, b *[]byte) {
	if c.reading {
		if c.has(n, protowire.BytesType) {
			*b = append([]byte(nil), c.bytes...) // nil for none
		}
	} else if len(*b) > 0 {
		c.append(n, *b)
	}
}

// part is a message inside this one; an empty one is not written.
func (c *coder) part(n protowire.Number, fields func(*coder)) {
	if c.reading {
		if c.has(n, protowire.BytesType) {
			c.fail(decode(c.bytes, fields))
		}
	} else if m := encode(fields); len(m) > 0 {
		c.append(n, m)
	}
}

// optional is a message that may be missing, which is not the same as an empty one.
func optional[T any](c *coder, n protowire.Number, p **T, fields func(*T, *coder)) {
	if c.reading {
		if c.has(n, protowire.BytesType) {
			if *p == nil {
				*p = new(T)
			}
			c.fail(decode(c.bytes, func(c *coder) { fields(*p, c) }))
		}
	} else if *p != nil {
		c.append(n, encode(func(c *coder) { fields(*p, c) }))
	}
}

// repeated is a list of messages.
func repeated[T any](c *coder, n protowire.Number, list *[]T, fields func(*T, *coder)) {
	if c.reading {
		if c.has(n, protowire.BytesType) {
			var one T
			c.fail(decode(c.bytes, func(c *coder) { fields(&one, c) }))
			*list = append(*list, one)
		}
		return
	}
	for i := range *list {
		c.append(n, encode(func(c *coder) { fields(&(*list)[i], c) }))
	}
}

// entries is a map, whose values value describes as field 2.
func entries[T any](c *coder, n protowire.Number, m *map[string]T, value func(*T, *coder)) {
	entry := func(k *string, v *T) func(*coder) {
		return func(c *coder) {
			c.text(1, k)
			value(v, c)
		}
	}
	if c.reading {
		if c.has(n, protowire.BytesType) {
			var k string
			var v T
			c.fail(decode(c.bytes, entry(&k, &v)))
			if *m == nil {
				*m = make(map[string]T)
			}
			(*m)[k] = v
		}
		return
	}
	for _, k := range slices.Sorted(maps.Keys(*m)) {
		v := (*m)[k]
		c.append(n, encode(entry(&k, &v)))
	}
}
