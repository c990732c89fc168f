package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/rpc"
	"slices"

	"github.com/canary-judge/canary-judge/crates/e2e/go/describe"
)

// session is one net/rpc connection: a fresh gob stream each way and calls
// made one after another, so that every byte belongs to one of them.
type session struct {
	name  string
	about string
	// serve registers what answers.
	serve func(*rpc.Server) error
	calls []call
	names describe.Names
}

// call is one exchange. Its arguments and result are described as Go's other
// end received them, not as they were meant.
type call struct {
	method string
	args   any
	make   func(*rpc.Client) (result any, err error)
}

// sessionEntry is a session in the index. Spans are [offset, length] in the
// session's two files.
type sessionEntry struct {
	Name     string      `json:"name"`
	About    string      `json:"about"`
	Requests string      `json:"requests"`
	Replies  string      `json:"replies"`
	Calls    []callEntry `json:"calls"`
}

type callEntry struct {
	Method  string `json:"method"`
	Seq     int    `json:"seq"`
	Request [2]int `json:"request"`
	Reply   [2]int `json:"reply"`
	Args    any    `json:"args"`
	Error   string `json:"error"`
	Result  any    `json:"result"`
}

// tap keeps a copy of what a connection's owner writes.
type tap struct {
	net.Conn
	written bytes.Buffer
}

func (t *tap) Write(p []byte) (int, error) {
	t.written.Write(p)
	return t.Conn.Write(p)
}

func (s session) record(out *folder) (sessionEntry, error) {
	entry, requests, replies, err := s.play()
	if err != nil {
		return entry, fmt.Errorf("session %s: %w", s.name, err)
	}
	earlierRequests, earlierReplies := out.existing(entry.Requests), out.existing(entry.Replies)
	if calls, err := meaning(earlierRequests, earlierReplies); err == nil && sameCalls(calls, entry.Calls) {
		requests, replies, entry.Calls = earlierRequests, earlierReplies, calls
	}
	out.add(entry.Requests, requests)
	out.add(entry.Replies, replies)
	return entry, nil
}

// sameCalls compares what was said, not how many bytes it took.
func sameCalls(a, b []callEntry) bool {
	withoutSpans := func(calls []callEntry) []callEntry {
		bare := slices.Clone(calls)
		for i := range bare {
			bare[i].Request, bare[i].Reply = [2]int{}, [2]int{}
		}
		return bare
	}
	return sameJSON(withoutSpans(a), withoutSpans(b))
}

// play makes the session's calls over a pipe.
func (s session) play() (sessionEntry, []byte, []byte, error) {
	entry := sessionEntry{
		Name: s.name, About: s.about,
		Requests: s.name + ".requests.bin", Replies: s.name + ".replies.bin",
	}
	near, far := net.Pipe()
	client, server := &tap{Conn: near}, &tap{Conn: far}
	answering := rpc.NewServer()
	if err := s.serve(answering); err != nil {
		return entry, nil, nil, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		answering.ServeConn(server)
	}()
	calling := rpc.NewClient(client)
	for seq, c := range s.calls {
		requestFrom, replyFrom := client.written.Len(), server.written.Len()
		result, err := c.make(calling)
		made := callEntry{Method: c.method, Seq: seq, Args: c.args}
		var refusal rpc.ServerError
		switch {
		case errors.As(err, &refusal):
			made.Error = string(refusal)
		case err != nil:
			return entry, nil, nil, fmt.Errorf("%s: %w", c.method, err)
		default:
			made.Result = s.names.Value(result)
		}
		made.Request = [2]int{requestFrom, client.written.Len() - requestFrom}
		made.Reply = [2]int{replyFrom, server.written.Len() - replyFrom}
		entry.Calls = append(entry.Calls, made)
	}
	if err := calling.Close(); err != nil {
		return entry, nil, nil, err
	}
	<-ended
	return entry, client.written.Bytes(), server.written.Bytes(), nil
}

// controlSessions are what go-plugin itself says on its control stream. Its
// receivers are private, so these two stand in for them.
func controlSessions() []session {
	serve := func(server *rpc.Server) error {
		if err := server.RegisterName("Control", control{}); err != nil {
			return err
		}
		return server.RegisterName("Dispenser", dispenser{})
	}
	toggle := func(method string, null bool) call {
		return call{method, null, func(client *rpc.Client) (any, error) {
			var empty struct{}
			return empty, client.Call(method, null, &empty)
		}}
	}
	dispense := func(name string) call {
		return call{"Dispenser.Dispense", name, func(client *rpc.Client) (any, error) {
			var id uint32
			err := client.Call("Dispenser.Dispense", name, &id)
			return id, err
		}}
	}
	return []session{
		{"control", "a host's whole talk on the control stream", serve, []call{
			toggle("Control.Ping", true), dispense("RpcMetricProviderPlugin"),
			toggle("Control.Ping", true), toggle("Control.Quit", true)}, registered},
		{"control-errors", "refusals, after each of which the stream goes on", serve, []call{
			dispense("nothing"), toggle("Control.Nothing", true), toggle("Nothing.Ping", true),
			toggle("noDot", true), toggle("Control.Ping", false)}, registered},
		{"ping", "the first bytes of a fresh stream", serve, []call{toggle("Control.Ping", true)}, registered},
	}
}

type control struct{}

// Ping answers as go-plugin's does.
func (control) Ping(null bool, response *struct{}) error {
	*response = struct{}{}
	return nil
}

// Quit answers as go-plugin's does, without ending anything.
func (control) Quit(null bool, response *struct{}) error {
	*response = struct{}{}
	return nil
}

type dispenser struct{}

// Dispense knows one plugin.
func (dispenser) Dispense(name string, response *uint32) error {
	if name != "RpcMetricProviderPlugin" {
		return fmt.Errorf("unknown plugin type: %s", name)
	}
	*response = 1
	return nil
}
