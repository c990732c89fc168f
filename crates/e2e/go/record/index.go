package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// words is said in both indexes, for the reader who has only the files.
const words = "fields that gob does not send are left out; $bytes, $string, $float, $complex, $map, $time, $encoded and $interface are as crates/e2e/go/describe says"

// index is what an index.json holds.
type index struct {
	About    string         `json:"about"`
	Values   []valueEntry   `json:"values,omitempty"`
	Sessions []sessionEntry `json:"sessions"`
}

// valueEntry is a gob stream and what its messages mean, in order.
type valueEntry struct {
	Name   string   `json:"name"`
	About  string   `json:"about"`
	File   string   `json:"file"`
	Types  []string `json:"types"`
	Values []any    `json:"values"`
}

// folder collects the files of one index.
type folder struct {
	path  string
	files map[string][]byte
}

func (f *folder) add(name string, contents []byte) { f.files[name] = contents }

// existing reads a file of an earlier recording; nil when there is none.
func (f *folder) existing(name string) []byte {
	contents, err := os.ReadFile(filepath.Join(f.path, name))
	if err != nil {
		return nil
	}
	return contents
}

// write replaces what the folder holds by what was collected.
func (f *folder) write(entries index) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(entries); err != nil {
		return fmt.Errorf("describe %s: %w", f.path, err)
	}
	f.add("index.json", text.Bytes())

	if err := os.MkdirAll(f.path, 0o755); err != nil {
		return err
	}
	old, err := os.ReadDir(f.path)
	if err != nil {
		return err
	}
	for _, entry := range old {
		if _, kept := f.files[entry.Name()]; !kept && filepath.Ext(entry.Name()) == ".bin" {
			if err := os.Remove(filepath.Join(f.path, entry.Name())); err != nil {
				return err
			}
		}
	}
	for name, contents := range f.files {
		if err := os.WriteFile(filepath.Join(f.path, name), contents, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// sameJSON compares two descriptions as their readers will.
func sameJSON(a, b any) bool {
	left, errLeft := json.Marshal(a)
	right, errRight := json.Marshal(b)
	return errLeft == nil && errRight == nil && bytes.Equal(left, right)
}

func writeGoPlugin(path string) error {
	out := &folder{path: path, files: map[string][]byte{}}
	entries := index{About: "gob values and net/rpc exchanges recorded from Go; " + words}
	for _, c := range gobCases() {
		entry, err := c.record(out)
		if err != nil {
			return err
		}
		entries.Values = append(entries.Values, entry)
	}
	for _, s := range controlSessions() {
		entry, err := s.record(out)
		if err != nil {
			return err
		}
		entries.Sessions = append(entries.Sessions, entry)
	}
	return out.write(entries)
}

func writeRollouts(path string) error {
	out := &folder{path: path, files: map[string][]byte{}}
	entries := index{About: "net/rpc exchanges recorded from Argo Rollouts' metricproviders/plugin/rpc; " + words}
	for _, s := range pluginSessions() {
		entry, err := s.record(out)
		if err != nil {
			return err
		}
		entries.Sessions = append(entries.Sessions, entry)
	}
	return out.write(entries)
}

// record encodes the case, or keeps the earlier file that means the same.
func (c gobCase) record(out *folder) (valueEntry, error) {
	entry := valueEntry{Name: c.name, About: c.about, File: "gob-" + c.name + ".bin", Values: []any{}}
	for _, value := range c.values {
		typeName := fmt.Sprintf("%T", value)
		if c.asInterface {
			typeName = "interface"
		}
		entry.Types = append(entry.Types, typeName)
		entry.Values = append(entry.Values, c.describe(value))
	}
	stream := out.existing(entry.File)
	if described, err := c.decode(stream); err != nil || !sameJSON(described, entry.Values) {
		if stream, err = c.encode(); err != nil {
			return entry, err
		}
		if described, err = c.decode(stream); err != nil {
			return entry, err
		}
		if !sameJSON(described, entry.Values) {
			return entry, fmt.Errorf("case %s means %v to its reader, %v to its writer", c.name, described, entry.Values)
		}
	}
	out.add(entry.File, stream)
	return entry, nil
}
