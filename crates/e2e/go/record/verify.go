package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// verify decodes each file and prints one line of JSON for it: what it means,
// in the words of the indexes.
func verify(kind string, files []string) error {
	read, err := reader(kind)
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for _, file := range files {
		stream, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		meant, err := read(stream)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := out.Encode(meant); err != nil {
			return err
		}
	}
	return nil
}

func reader(kind string) (func([]byte) (any, error), error) {
	switch kind {
	case "requests":
		return func(stream []byte) (any, error) { return readRequests(stream) }, nil
	case "replies":
		return func(stream []byte) (any, error) { return readReplies(stream) }, nil
	}
	for _, c := range gobCases() {
		if c.name == kind {
			return func(stream []byte) (any, error) { return c.decode(stream) }, nil
		}
	}
	return nil, fmt.Errorf("no case is named %q", kind)
}
