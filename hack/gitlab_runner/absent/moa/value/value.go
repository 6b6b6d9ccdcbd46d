// Package value has the language's values, of which there's only null here: every input of a job is refused as null.
package value

import (
	"errors"
	"iter"
)

// Kind of a value.
type Kind string

// The kinds.
const (
	NullKind   Kind = "null"
	StringKind Kind = "string"
	NumberKind Kind = "number"
	BoolKind   Kind = "bool"
	ArrayKind  Kind = "array"
	ObjectKind Kind = "object"
)

// What access to a value may fail with.
var (
	ErrAttributeNotFound = errors.New("attribute not found")
	ErrInvalidKey        = errors.New("invalid key")
)

// Mapper is an object.
type Mapper interface {
	All() iter.Seq2[Value, Value]
	Attr(string) (Value, error)
	Get(Value) (Value, error)
	Keys() iter.Seq[Value]
	Len() int
	Values() iter.Seq[Value]
	WithMarks(uint16) Mapper
}

// Value is null.
type Value struct{}

// Null, String and Object make values.
func Null() Value         { return Value{} }
func String(string) Value { return Value{} }
func Object(Mapper) Value { return Value{} }

// Kind is that of null.
func (Value) Kind() Kind { return NullKind }

// String is that of null.
func (Value) String() string { return string(NullKind) }

// HasMarks is whether the value has one of the marks.
func (Value) HasMarks(uint16) bool { return false }

// WithMarks is the value: null has no marks.
func (v Value) WithMarks(uint16) Value { return v }
