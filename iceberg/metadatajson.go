package iceberg

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/apache/iceberg-go/table"
)

// snapshotTexts holds snapshots as they stand in metadata files, by id. A snapshot never changes, and a metadata file holds dozens of them
// of which a commit adds one: encoding them all anew was a fifth of a commit's cost.
type snapshotTexts map[int64][]byte

// metadataJSON encodes metadata as json.Marshal does, but for the order of keys, and takes the snapshots that the version before held from
// known. It returns the texts of all snapshots that m holds.
func metadataJSON(m table.Metadata, known snapshotTexts) ([]byte, snapshotTexts, error) {
	snapshots := m.Snapshots()
	rest, ok := withoutSnapshots(m, len(snapshots))
	if !ok || len(snapshots) == 0 {
		b, err := json.Marshal(m)
		return b, nil, err
	}
	texts := make(snapshotTexts, len(snapshots))
	size := 0
	for i := range snapshots {
		id := snapshots[i].SnapshotID
		text := known[id]
		if text == nil {
			var err error
			if text, err = json.Marshal(snapshots[i]); err != nil {
				return nil, nil, err
			}
		}
		texts[id] = text
		size += len(text) + 1
	}
	tail, err := json.Marshal(rest)
	if err != nil {
		return nil, nil, err
	}
	if !bytes.HasPrefix(tail, []byte(`{"`)) {
		return nil, nil, fmt.Errorf("iceberg-go encodes metadata in a way that is not understood")
	}
	const key = `{"snapshots":[`
	out := make([]byte, 0, len(key)+size+len(tail))
	out = append(out, key...)
	for i := range snapshots {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, texts[snapshots[i].SnapshotID]...)
	}
	out = append(out, "],"...)
	return append(out, tail[1:]...), texts, nil
}

// withoutSnapshots is a copy of metadata whose encoding leaves the n snapshots out. iceberg-go offers no way to encode them apart, but the
// field that is encoded is exported: if it is not what is expected, ok is false and metadata is encoded in whole.
func withoutSnapshots(m table.Metadata, n int) (_ any, ok bool) {
	v := reflect.ValueOf(m)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return nil, false
	}
	c := reflect.New(v.Elem().Type())
	c.Elem().Set(v.Elem())
	list, deferred := c.Elem().FieldByName("SnapshotList"), c.Elem().FieldByName("deferredSnapshots")
	if !list.IsValid() || !list.CanSet() || list.Kind() != reflect.Slice || list.Len() != n ||
		!deferred.IsValid() || deferred.Kind() != reflect.Pointer || !deferred.IsNil() {
		return nil, false
	}
	list.SetZero()
	return c.Interface(), true
}
