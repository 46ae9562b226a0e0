// Judges histories by Porcupine: one JSON document a line on stdin, one result a line on stdout.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"os"
	"sort"
	"strconv"
	"time"

	"github.com/anishathalye/porcupine"
)

type event struct {
	Id      int    `json:"id"`
	Call    bool   `json:"call"`
	Op      int    `json:"op"`
	Key     string `json:"key"`
	Text    string `json:"text"`
	Arg1    int    `json:"arg1"`
	Arg2    int    `json:"arg2"`
	Ok      bool   `json:"ok"`
	Unknown bool   `json:"unknown"`
	Exists  bool   `json:"exists"`
	Value   int    `json:"value"`
}

type history struct {
	Model  string  `json:"model"`
	Events []event `json:"events"`
}

// The models are those of Porcupine's own tests.
const nothing = -1000000

var register = porcupine.Model{
	Init: func() interface{} { return nothing },
	Step: func(state, input, output interface{}) (bool, interface{}) {
		st, in, out := state.(int), input.(*event), output.(*event)
		switch in.Op {
		case 0:
			ok := (!out.Exists && st == nothing) || (out.Exists && st == out.Value) || out.Unknown
			return ok, state
		case 1:
			return true, in.Arg1
		}
		ok := (in.Arg1 == st && out.Ok) || (in.Arg1 != st && !out.Ok) || out.Unknown
		if in.Arg1 == st {
			return ok, in.Arg2
		}
		return ok, st
	},
	Hash: func(state interface{}) uint64 { return uint64(state.(int)) },
}

var kv = porcupine.Model{
	Partition: func(all []porcupine.Operation) [][]porcupine.Operation { panic("events only") },
	PartitionEvent: func(all []porcupine.Event) [][]porcupine.Event {
		byKey, keyOf := map[string][]porcupine.Event{}, map[int]string{}
		for _, one := range all {
			if one.Kind == porcupine.CallEvent {
				keyOf[one.Id] = one.Value.(*event).Key
			}
			byKey[keyOf[one.Id]] = append(byKey[keyOf[one.Id]], one)
		}
		keys := []string{}
		for key := range byKey {
			keys = append(keys, key)
		}
		sort.Strings(keys)
		parts := [][]porcupine.Event{}
		for _, key := range keys {
			parts = append(parts, byKey[key])
		}
		return parts
	},
	Init: func() interface{} { return "" },
	Step: func(state, input, output interface{}) (bool, interface{}) {
		st, in, out := state.(string), input.(*event), output.(*event)
		switch in.Op {
		case 0:
			return out.Text == st, state
		case 1:
			return true, in.Text
		}
		return true, st + in.Text
	},
	// As in Porcupine's own model: without it, states of one bitset are searched one by one.
	Hash: func(state interface{}) uint64 {
		h := fnv.New64a()
		h.Write([]byte(state.(string)))
		return h.Sum64()
	},
}

func main() {
	rounds, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	seconds, err := strconv.ParseFloat(os.Args[2], 64)
	if err != nil {
		panic(err)
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	decoder := json.NewDecoder(in)
	for decoder.More() {
		var one history
		if err := decoder.Decode(&one); err != nil {
			panic(err)
		}
		events := []porcupine.Event{}
		for i := range one.Events {
			e := &one.Events[i]
			kind := porcupine.ReturnEvent
			if e.Call {
				kind = porcupine.CallEvent
			}
			events = append(events, porcupine.Event{ClientId: e.Id, Kind: kind, Value: e, Id: e.Id})
		}
		model := register
		if one.Model == "kv" {
			model = kv
		}
		took := []float64{}
		var result porcupine.CheckResult
		for i := 0; i < rounds; i++ {
			begin := time.Now()
			result = porcupine.CheckEventsTimeout(model, events, time.Duration(seconds*1e9))
			took = append(took, float64(time.Since(begin).Microseconds())/1000)
		}
		said, _ := json.Marshal(map[string]interface{}{"result": result, "ms": took})
		fmt.Println(string(said))
	}
}
