package main

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"reflect"

	argorpc "github.com/argoproj/argo-rollouts/metricproviders/plugin/rpc"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/utils/plugin/types"

	"github.com/canary-judge/canary-judge/crates/e2e/go/describe"
)

// argoNames are the names that Argo registers in its rpc package.
var argoNames = describe.Names{
	reflect.TypeFor[argorpc.RunArgs]():                "RunArgs",
	reflect.TypeFor[argorpc.TerminateAndResumeArgs](): "TerminateAndResumeArgs",
	reflect.TypeFor[argorpc.GarbageCollectArgs]():     "GarbageCollectArgs",
	reflect.TypeFor[argorpc.GetMetadataArgs]():        "GetMetadataArgs",
	reflect.TypeFor[types.RpcError]():                 "RpcError",
}

// body is what a method's argument or result is in Go.
type body struct {
	args, result reflect.Type
}

var (
	anything = reflect.TypeFor[any]()
	nothing  = reflect.TypeFor[struct{}]()
)

// bodies has every method that a host calls.
var bodies = map[string]body{
	"Control.Ping":          {reflect.TypeFor[bool](), nothing},
	"Control.Quit":          {reflect.TypeFor[bool](), nothing},
	"Dispenser.Dispense":    {reflect.TypeFor[string](), reflect.TypeFor[uint32]()},
	"Plugin.InitPlugin":     {anything, reflect.TypeFor[types.RpcError]()},
	"Plugin.Run":            {anything, reflect.TypeFor[v1alpha1.Measurement]()},
	"Plugin.Resume":         {anything, reflect.TypeFor[v1alpha1.Measurement]()},
	"Plugin.Terminate":      {anything, reflect.TypeFor[v1alpha1.Measurement]()},
	"Plugin.GarbageCollect": {anything, reflect.TypeFor[types.RpcError]()},
	"Plugin.Type":           {anything, reflect.TypeFor[string]()},
	"Plugin.GetMetadata":    {anything, reflect.TypeFor[map[string]string]()},
}

func bodyOf(method string) body {
	if known, ok := bodies[method]; ok {
		return known
	}
	// The recorded calls of methods that do not exist send a bool.
	return body{reflect.TypeFor[bool](), nothing}
}

// counted is a reader that knows how far its decoder has read; being a
// ByteReader, gob reads no further than it must.
type counted struct{ bytes.Reader }

func (c *counted) at() int { return int(c.Size()) - c.Len() }

func newCounted(stream []byte) *counted {
	return &counted{*bytes.NewReader(stream)}
}

// readBody decodes one value of the given type and describes it.
func readBody(decoder *gob.Decoder, of reflect.Type) (any, error) {
	into := reflect.New(of)
	if err := decoder.DecodeValue(into); err != nil {
		return nil, err
	}
	if of == anything {
		return argoNames.Interface(into.Elem().Interface()), nil
	}
	return argoNames.Value(into.Interface()), nil
}

// readRequests decodes a client's half of a net/rpc connection.
func readRequests(stream []byte) ([]callEntry, error) {
	reader := newCounted(stream)
	decoder := gob.NewDecoder(reader)
	calls := []callEntry{}
	for {
		from := reader.at()
		var header rpc.Request
		if err := decoder.Decode(&header); errors.Is(err, io.EOF) {
			return calls, nil
		} else if err != nil {
			return calls, fmt.Errorf("header of request %d: %w", len(calls), err)
		}
		args, err := readBody(decoder, bodyOf(header.ServiceMethod).args)
		if err != nil {
			return calls, fmt.Errorf("argument of %s, request %d: %w", header.ServiceMethod, len(calls), err)
		}
		calls = append(calls, callEntry{
			Method: header.ServiceMethod, Seq: int(header.Seq), Args: args,
			Request: [2]int{from, reader.at() - from},
		})
	}
}

// readReplies decodes a server's half of a net/rpc connection.
func readReplies(stream []byte) ([]callEntry, error) {
	reader := newCounted(stream)
	decoder := gob.NewDecoder(reader)
	calls := []callEntry{}
	for {
		from := reader.at()
		var header rpc.Response
		if err := decoder.Decode(&header); errors.Is(err, io.EOF) {
			return calls, nil
		} else if err != nil {
			return calls, fmt.Errorf("header of reply %d: %w", len(calls), err)
		}
		of := bodyOf(header.ServiceMethod).result
		if header.Error != "" {
			of = nothing
		}
		result, err := readBody(decoder, of)
		if err != nil {
			return calls, fmt.Errorf("result of %s, reply %d: %w", header.ServiceMethod, len(calls), err)
		}
		if header.Error != "" {
			result = nil
		}
		calls = append(calls, callEntry{
			Method: header.ServiceMethod, Seq: int(header.Seq), Error: header.Error, Result: result,
			Reply: [2]int{from, reader.at() - from},
		})
	}
}

// meaning reads both halves of a connection whose replies came in order.
func meaning(requests, replies []byte) ([]callEntry, error) {
	calls, err := readRequests(requests)
	if err != nil {
		return nil, err
	}
	answers, err := readReplies(replies)
	if err != nil {
		return nil, err
	}
	if len(calls) != len(answers) {
		return nil, fmt.Errorf("%d requests, %d replies", len(calls), len(answers))
	}
	for i, answer := range answers {
		if answer.Seq != calls[i].Seq {
			return nil, fmt.Errorf("reply %d is to request %d", i, answer.Seq)
		}
		calls[i].Error, calls[i].Result, calls[i].Reply = answer.Error, answer.Result, answer.Reply
	}
	return calls, nil
}
