// Package describe says in plain JSON what gob carries of a Go value, so that
// a reader in another language can compare without knowing Go's types.
//
// It follows gob, not encoding/json: pointers are flattened, unexported
// fields, functions and channels are left out, and so are fields whose zero
// value gob does not send. What JSON has no word for is an object with one
// key that begins with a dollar sign:
//
//	{"$bytes": "hex"}             a []byte
//	{"$string": "hex"}            a string that is not UTF-8
//	{"$float": "NaN"}             also "+Inf", "-Inf", "-0"
//	{"$complex": [re, im]}        a complex number
//	{"$map": [[key, value], …]}   a map whose keys are not UTF-8 strings
//	{"$time": "…Z", "zone_s": 0}  a time; zone_s is null for UTC, else seconds east
//	{"$encoded": "hex"}           what another GobEncoder or BinaryMarshaler sent
//	{"$interface": "Name", "value": …}  a registered value; a nil one is null
package describe

import (
	"encoding"
	"encoding/gob"
	"encoding/hex"
	"fmt"
	"math"
	"reflect"
	"sort"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Names maps a registered concrete type to the name that gob sends for it.
// gob keeps its own table private, so whoever registers a type repeats it here.
type Names map[reflect.Type]string

// Value describes v; an interface inside it is named from names.
func (names Names) Value(v any) any {
	return names.value(reflect.ValueOf(v))
}

// Interface describes v as gob sends a top-level interface value.
func (names Names) Interface(v any) any {
	return names.value(reflect.ValueOf(&v).Elem())
}

func (names Names) value(v reflect.Value) any {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	if !v.IsValid() {
		return nil
	}
	if special, ok := encoded(v); ok {
		return special
	}
	switch v.Kind() {
	case reflect.Float32, reflect.Float64:
		return float(v.Float())
	case reflect.Complex64, reflect.Complex128:
		c := v.Complex()
		return map[string]any{"$complex": []any{float(real(c)), float(imag(c))}}
	case reflect.String:
		if s := v.String(); !utf8.ValidString(s) {
			return map[string]any{"$string": hex.EncodeToString([]byte(s))}
		}
		return v.String()
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			return map[string]any{"$bytes": hex.EncodeToString(v.Bytes())}
		}
		list := make([]any, 0, v.Len())
		for i := range v.Len() {
			list = append(list, names.value(v.Index(i)))
		}
		return list
	case reflect.Map:
		return names.table(v)
	case reflect.Struct:
		return names.fields(v)
	case reflect.Interface:
		return names.registered(v)
	default:
		return v.Interface()
	}
}

func (names Names) fields(v reflect.Value) any {
	object := map[string]any{}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() || !sent(v.Field(i)) {
			continue
		}
		object[field.Name] = names.value(v.Field(i))
	}
	return object
}

// sent tells whether gob sends a struct's field of this value: everything but
// zero scalars, empty slices, nil maps, nil interfaces, zero GobEncoders and
// what pointers to such things lead to. Structs and arrays always go.
func sent(v reflect.Value) bool {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return false
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return false
	case reflect.Slice:
		return v.Len() > 0
	case reflect.Struct, reflect.Array:
		// With a pointer's method gob looks whether the pointer is zero,
		// which it never is.
		_, byValue := marshaler(v)
		return !byValue || !v.IsZero()
	default:
		return !v.IsZero()
	}
}

func (names Names) table(v reflect.Value) any {
	plain := v.Type().Key().Kind() == reflect.String
	type entry struct {
		order string
		pair  [2]any
	}
	entries := make([]entry, 0, v.Len())
	object := map[string]any{}
	for iter := v.MapRange(); iter.Next(); {
		key, value := iter.Key(), names.value(iter.Value())
		if plain && utf8.ValidString(key.String()) {
			object[key.String()] = value
		} else {
			plain = false
		}
		entries = append(entries, entry{ordering(key), [2]any{names.value(key), value}})
	}
	if plain {
		return object
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].order < entries[j].order })
	pairs := make([]any, 0, len(entries))
	for _, entry := range entries {
		pairs = append(pairs, entry.pair)
	}
	return map[string]any{"$map": pairs}
}

func (names Names) registered(v reflect.Value) any {
	if v.IsNil() {
		return nil
	}
	concrete := v.Elem().Type()
	for concrete.Kind() == reflect.Pointer {
		concrete = concrete.Elem()
	}
	name, ok := names[concrete]
	if !ok {
		name = concrete.String()
	}
	return map[string]any{"$interface": name, "value": names.value(v.Elem())}
}

// encoder finds the marshaler that gob would use, on the value or else on a
// pointer to it.
func encoder(v reflect.Value) (func() ([]byte, error), bool) {
	if encode, ok := marshaler(v); ok {
		return encode, true
	}
	held := reflect.New(v.Type())
	held.Elem().Set(v)
	return marshaler(held)
}

// marshaler prefers GobEncoder to BinaryMarshaler and, as gob, never takes a
// TextMarshaler.
func marshaler(v reflect.Value) (func() ([]byte, error), bool) {
	switch e := v.Interface().(type) {
	case gob.GobEncoder:
		return e.GobEncode, true
	case encoding.BinaryMarshaler:
		return e.MarshalBinary, true
	default:
		return nil, false
	}
}

func encoded(v reflect.Value) (any, bool) {
	if v.Kind() == reflect.Interface {
		return nil, false
	}
	encode, ok := encoder(v)
	if !ok {
		return nil, false
	}
	switch t := v.Interface().(type) {
	case time.Time:
		return moment(t), true
	case metav1.Time:
		return moment(t.Time), true
	case metav1.MicroTime:
		return moment(t.Time), true
	}
	bytes, err := encode()
	if err != nil {
		return map[string]any{"$encoded": nil, "error": err.Error()}, true
	}
	return map[string]any{"$encoded": hex.EncodeToString(bytes)}, true
}

func moment(t time.Time) any {
	description := map[string]any{"$time": t.UTC().Format(time.RFC3339Nano), "zone_s": nil}
	if t.Location() != time.UTC {
		_, description["zone_s"] = t.Zone()
	}
	return description
}

func float(f float64) any {
	switch {
	case math.IsNaN(f):
		return map[string]any{"$float": "NaN"}
	case math.IsInf(f, 1):
		return map[string]any{"$float": "+Inf"}
	case math.IsInf(f, -1):
		return map[string]any{"$float": "-Inf"}
	case f == 0 && math.Signbit(f):
		return map[string]any{"$float": "-0"}
	default:
		return f
	}
}

// ordering is a key's rank among its siblings; any stable order will do.
func ordering(key reflect.Value) string {
	switch key.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return fmt.Sprintf("%020d", uint64(key.Int())+1<<63)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return fmt.Sprintf("%020d", key.Uint())
	default:
		return fmt.Sprint(key.Interface())
	}
}
