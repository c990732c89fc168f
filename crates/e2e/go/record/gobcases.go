package main

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"reflect"
	"time"

	"github.com/canary-judge/canary-judge/crates/e2e/go/describe"
)

// gobCase is one gob stream: each value is one call of Encoder.Encode.
type gobCase struct {
	name   string
	about  string
	values []any
	// asInterface sends each value as a top-level interface, which is how
	// Argo sends every argument.
	asInterface bool
}

type scalars struct {
	Bool   bool
	Int    int
	Int8   int8
	Int16  int16
	Int32  int32
	Int64  int64
	Uint   uint
	Uint8  uint8
	Uint16 uint16
	Uint32 uint32
	Uint64 uint64
	F32    float32
	F64    float64
	C64    complex64
	C128   complex128
	Text   string
	Bytes  []byte
}

type point struct{ X, Y int }

type embedded struct {
	point
	Base
	*Extra
	Own string
}

// Base and Extra are exported because gob sends embedded structs as fields
// under their type's name only then.
type Base struct{ ID int }

// Extra is embedded by pointer.
type Extra struct{ Note string }

type containers struct {
	Ints     []int
	Strings  []string
	Nested   [][]string
	Points   []point
	Array    [3]int
	Blob     [4]byte
	Map      map[string]int
	Blobs    map[string][]byte
	ByInt    map[int]string
	ByStruct map[point]bool
	Structs  map[string]point
	Lists    map[string][]string
}

type pointers struct {
	Int     *int
	Text    *string
	Twice   **int
	Struct  *point
	Structs []*point
	Map     *map[string]int
}

type sparse struct {
	First  int
	Gap1   int
	Gap2   string
	Middle string
	Gap3   *point
	Last   int
}

type tree struct {
	Name     string
	Children []tree
	Parent   *tree
	ByName   map[string]*tree
}

type holder struct {
	Before int
	Any    any
	List   []any
	Map    map[string]any
	After  int
}

// byValue encodes itself; so does byPointer, which gob can only call through
// an address and therefore sends even when it is zero.
type byValue struct{ hidden string }

func (v byValue) GobEncode() ([]byte, error)   { return []byte("gob:" + v.hidden), nil }
func (v *byValue) GobDecode(data []byte) error { return trim(data, "gob:", &v.hidden) }

type byPointer struct{ hidden string }

func (v *byPointer) GobEncode() ([]byte, error)  { return []byte("ptr:" + v.hidden), nil }
func (v *byPointer) GobDecode(data []byte) error { return trim(data, "ptr:", &v.hidden) }

type binary struct{ hidden string }

func (v binary) MarshalBinary() ([]byte, error)     { return []byte("bin:" + v.hidden), nil }
func (v *binary) UnmarshalBinary(data []byte) error { return trim(data, "bin:", &v.hidden) }

// text is a TextMarshaler, which gob does not use: its field goes as it is.
type text struct{ Shown string }

func (v text) MarshalText() ([]byte, error)     { return []byte("text:" + v.Shown), nil }
func (v *text) UnmarshalText(data []byte) error { return trim(data, "text:", &v.Shown) }

func trim(data []byte, prefix string, into *string) error {
	rest, ok := bytes.CutPrefix(data, []byte(prefix))
	if !ok {
		return fmt.Errorf("%q does not begin with %q", data, prefix)
	}
	*into = string(rest)
	return nil
}

type marshalers struct {
	Gob     byValue
	ZeroGob byValue
	Pointer byPointer
	ZeroPtr byPointer
	Binary  binary
	List    []binary
	Map     map[string]byValue
	Text    text
	IP      net.IP
	Time    time.Time
	Zero    time.Time
	Maybe   *time.Time
}

type times struct {
	UTC, East, West, Seconds, Old, Zero time.Time
}

type silent struct {
	Kept    string
	private string
	Func    func()
	Chan    chan int
	Last    int
}

type oldShape struct {
	Kept  string
	Extra map[string][]point
	Gone  []holder
	Last  int
}

type (
	level   string
	flags   uint8
	seconds float64
	names   []string
	table   map[level]flags
)

type named struct {
	Level level
	Flags flags
	Secs  seconds
	Names names
	Table table
}

// registered is what this program registers, by the name gob sends.
var registered = describe.Names{
	reflect.TypeFor[point]():                  "point",
	reflect.TypeFor[holder]():                 "holder",
	reflect.TypeFor[containers]():             "containers",
	reflect.TypeFor[tree]():                   "tree",
	reflect.TypeFor[binary]():                 "binary",
	reflect.TypeFor[scalars]():                "scalars",
	reflect.TypeFor[map[string]point]():       "map-of-points",
	reflect.TypeFor[level]():                  "level",
	reflect.TypeFor[map[string]interface{}](): "object",
}

func init() {
	for concrete, name := range registered {
		gob.RegisterName(name, reflect.New(concrete).Elem().Interface())
	}
}

func pointer[T any](v T) *T { return &v }

func scalarCases() []gobCase {
	full := scalars{
		true, -129, math.MinInt8, math.MinInt16, math.MinInt32, math.MinInt64,
		256, math.MaxUint8, math.MaxUint16, math.MaxUint32, math.MaxUint64,
		math.MaxFloat32, -math.SmallestNonzeroFloat64, complex(1.5, -2), complex(math.Pi, math.Inf(-1)),
		"naïve 日本語 \x00 end", []byte{0, 1, 127, 128, 255},
	}
	return []gobCase{
		{name: "bool", about: "both values", values: []any{true, false}},
		{name: "int", about: "where the length of an int changes", values: []any{
			0, 1, -1, 63, 64, -64, -65, 127, 128, -128, -129, 1 << 20, -1 << 20, math.MaxInt64, math.MinInt64}},
		{name: "uint", about: "where the length of a uint changes", values: []any{
			uint(0), uint(1), uint(127), uint(128), uint(255), uint(256), uint(1 << 16), uint(1<<32 - 1), uint(math.MaxUint64)}},
		{name: "float", about: "bytes reversed, and what JSON cannot say", values: []any{
			0.0, math.Copysign(0, -1), 1.0, -1.5, 17.0, math.MaxFloat64, math.SmallestNonzeroFloat64, math.NaN(), math.Inf(1), math.Inf(-1)}},
		{name: "complex", about: "two floats", values: []any{complex(0, 0), complex(1, -1)}},
		{name: "string", about: "empty, short, long, and not UTF-8", values: []any{
			"", "hello", string(bytes.Repeat([]byte("0123456789"), 30)), "bad \xff\xfe utf-8"}},
		{name: "bytes", about: "empty and not", values: []any{[]byte{}, []byte{1, 2, 255}}},
		{name: "struct-scalars", about: "every scalar kind as a field, at its limit", values: []any{full}},
		{name: "struct-zero", about: "a struct of zeros is a type and an end", values: []any{scalars{}, scalars{Int64: 1}}},
		{name: "struct-sparse", about: "deltas over zero fields", values: []any{
			sparse{First: 1, Middle: "m", Last: 9}, sparse{}, sparse{Gap3: &point{}, Last: 2}}},
		{name: "named-kinds", about: "types with names of their own are their kinds", values: []any{
			named{"error", 3, 1.5, names{"a", ""}, table{"warn": 1}}}},
		{name: "unsent-fields", about: "private fields, functions and channels", values: []any{
			silent{Kept: "kept", private: "private", Last: 3}}},
		{name: "skipped-fields", about: "a reader that knows only Kept and Last has to skip the rest", values: []any{
			oldShape{Kept: "kept", Last: 7,
				Extra: map[string][]point{"p": {{1, 2}, {}}},
				Gone:  []holder{{1, point{3, 4}, []any{"x", nil, point{5, 6}}, nil, 2}}}}},
	}
}

func shapeCases() []gobCase {
	leaf := tree{Name: "leaf"}
	return []gobCase{
		{name: "containers", about: "slices, arrays and maps of most things", values: []any{containers{
			Ints: []int{1, 0, -1}, Strings: []string{"a", "", "c"}, Nested: [][]string{{"x"}, {}, {"y", "z"}},
			Points: []point{{1, 2}, {}, {0, 3}}, Array: [3]int{7, 0, 9}, Blob: [4]byte{1, 0, 255, 0},
			Map: map[string]int{"one": 1, "zero": 0}, Blobs: map[string][]byte{"k": []byte(`{"a":1}`)},
			ByInt: map[int]string{-1: "minus", 300: ""}, ByStruct: map[point]bool{{1, 2}: true, {}: false},
			Structs: map[string]point{"p": {0, 5}, "q": {}}, Lists: map[string][]string{"l": {"m"}, "": nil},
		}}},
		{name: "containers-empty", about: "empty is not sent, except for arrays and for maps that are not nil", values: []any{
			containers{}, containers{Ints: []int{}, Map: map[string]int{}, Structs: map[string]point{}}}},
		{name: "top-slice", about: "a slice as the whole value", values: []any{[]string{}, []string{"a", ""}, []string(nil)}},
		{name: "top-map", about: "a map as the whole value", values: []any{map[string]string{}, map[string]string{"k": "v", "": ""}}},
		{name: "top-array", about: "an array as the whole value", values: []any{[2]point{{1, 0}, {}}}},
		{name: "pointers", about: "pointers are flattened; those to zero are not sent", values: []any{
			pointers{Int: pointer(5), Text: pointer("t"), Twice: pointer(pointer(6)), Struct: &point{0, 1},
				Structs: []*point{{1, 1}, {}}, Map: &map[string]int{"a": 1}},
			pointers{},
			pointers{Int: pointer(0), Text: pointer(""), Twice: pointer(pointer(0)), Struct: &point{}}}},
		{name: "embedded", about: "embedded structs are fields; unexported ones are not sent", values: []any{
			embedded{point{1, 2}, Base{3}, &Extra{"note"}, "own"}, embedded{Own: "alone"}}},
		{name: "recursive", about: "a type inside itself", values: []any{tree{
			Name: "root", Children: []tree{leaf, {Name: "branch", Children: []tree{leaf}}}, Parent: &tree{Name: "up"},
			ByName: map[string]*tree{"leaf": &leaf}}}},
		{name: "marshalers", about: "GobEncoder, BinaryMarshaler, and TextMarshaler, which gob passes over", values: []any{marshalers{
			Gob: byValue{"g"}, Pointer: byPointer{"p"}, Binary: binary{"b"}, List: []binary{{"1"}, {}},
			Map: map[string]byValue{"k": {"v"}}, Text: text{"t"}, IP: net.IPv4(10, 77, 0, 1),
			Time: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Maybe: pointer(time.Time{}),
		}}},
		{name: "times", about: "UTC, zones, a zone with seconds (version 2), before 1970, zero", values: []any{times{
			UTC:     time.Date(2026, 1, 2, 3, 4, 5, 123456789, time.UTC),
			East:    time.Date(2026, 7, 2, 3, 4, 5, 0, time.FixedZone("", 5*3600+1800)),
			West:    time.Date(2026, 1, 2, 3, 4, 5, 999999999, time.FixedZone("", -8*3600)),
			Seconds: time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 19*60+32)),
			Old:     time.Date(1899, 12, 31, 23, 59, 59, 1, time.UTC),
		}}},
		{name: "top-time", about: "a GobEncoder as the whole value", values: []any{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}},
		{name: "many-messages", about: "types are defined once in a stream, then only named", values: []any{
			point{1, 2}, point{3, 4}, holder{1, point{5, 6}, nil, nil, 2}, "text", containers{Points: []point{{7, 8}}}, point{}, 9,
			holder{3, containers{Ints: []int{1}}, nil, nil, 4}}},
		{name: "interface-fields", about: "nil and registered values, types defined inside", values: []any{
			holder{Before: 1, After: 2},
			holder{1, point{3, 4}, []any{nil, "s", 5, point{6, 7}, containers{Ints: []int{8}}}, map[string]any{"k": 1.5}, 2},
			holder{1, holder{2, tree{Name: "deep", Children: []tree{{Name: "child"}}}, nil, nil, 3}, nil, nil, 4},
			holder{Any: binary{"self"}, After: 1},
			holder{Any: map[string]any{"list": []string{"a"}, "nothing": nil}, After: 1},
		}},
		{name: "interface-top", about: "each as a top-level interface, nil among them", asInterface: true, values: []any{
			nil, point{1, 2}, nil, "s", 5, true, 2.5, uint(6), []byte{7}, level("warn"), []string{"a"},
			map[string]point{"p": {1, 2}}, scalars{Int: 1, Text: "t"}, holder{1, point{3, 4}, nil, nil, 2}, point{}}},
		{name: "interface-first", about: "types defined inside the very first value", asInterface: true, values: []any{
			holder{1, tree{Name: "t", Children: []tree{{}}}, []any{containers{Points: []point{{1, 2}}}}, nil, 2}, nil}},
	}
}

func gobCases() []gobCase { return append(scalarCases(), shapeCases()...) }

func (c gobCase) encode() ([]byte, error) {
	var stream bytes.Buffer
	encoder := gob.NewEncoder(&stream)
	for _, value := range c.values {
		// An address, because a method on a pointer can be called no other way.
		sent := reflect.ValueOf(&value)
		if !c.asInterface {
			sent = reflect.New(reflect.TypeOf(value))
			sent.Elem().Set(reflect.ValueOf(value))
		}
		if err := encoder.EncodeValue(sent); err != nil {
			return nil, fmt.Errorf("encode %T of case %s: %w", value, c.name, err)
		}
	}
	return stream.Bytes(), nil
}

// decode reads a stream into the Go types of the case and describes it.
func (c gobCase) decode(stream []byte) ([]any, error) {
	decoder := gob.NewDecoder(bytes.NewReader(stream))
	described := []any{}
	for _, value := range c.values {
		var into reflect.Value
		if c.asInterface {
			into = reflect.New(reflect.TypeFor[any]())
		} else {
			into = reflect.New(reflect.TypeOf(value))
		}
		if err := decoder.DecodeValue(into); err != nil {
			return described, fmt.Errorf("value %d of case %s: %w", len(described), c.name, err)
		}
		described = append(described, c.describe(into.Elem().Interface()))
	}
	if err := decoder.DecodeValue(reflect.Value{}); !errors.Is(err, io.EOF) {
		return described, fmt.Errorf("case %s goes on after its last value: %v", c.name, err)
	}
	return described, nil
}

func (c gobCase) describe(value any) any {
	if c.asInterface {
		return registered.Interface(value)
	}
	return registered.Value(value)
}
