package checkpoint

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// FuzzRecord feeds hostile records: what is read is what was written, or an error with a code.
func FuzzRecord(f *testing.F) {
	id := cdc.TableID{Database: "d", Name: "t"}
	r := Record{Pipeline: "p", Kind: Data, Epoch: 1, N: 2, Generation: 1, Nonce: "x", Tables: map[cdc.TableID]cdc.Entry{id: {Position: "1"}},
		Parts: map[cdc.TableID]cdc.Part{id: {}}, Acks: []Ack{{Slot: 1, ID: "a", Mark: []uint64{1, 2}}}}
	b, err := r.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, "epoch/1/records/2")
	f.Add([]byte(`{"v":2,"parts":7}`), "")
	f.Fuzz(func(t *testing.T, b []byte, key string) {
		parseKey(key)
		r, err := decode(b, "p", 1, 2, "a test")
		if err != nil {
			if cdc.AsError(err) == nil {
				t.Errorf("no code: %v", err)
			}
			return
		}
		enc, err := r.encode()
		if err != nil {
			t.Skip() // raw JSON inside, which is checked when it is used
		}
		again, err := decode(enc, "p", 1, 2, "a test")
		if err != nil {
			t.Fatalf("%s: %v", enc, err)
		}
		one, _ := json.Marshal(r)     //nolint:errcheck // encoded above
		two, _ := json.Marshal(again) //nolint:errcheck // encoded above
		if !reflect.DeepEqual(one, two) {
			t.Errorf("%s becomes %s", one, two)
		}
	})
}
