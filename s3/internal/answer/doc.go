// Package answer says what an answer of a store means, or an error of the SDK that stands
// for one or for none: whether the same request may succeed later, which error of the
// contract it is (fs.ErrNotExist, fs.ErrPermission, blob.ErrUnreadable, ...), what people
// can do about it, and that without anything of the request, which carries secrets.
package answer
