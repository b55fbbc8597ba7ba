package iceberg

import (
	"testing"

	iceberggo "github.com/apache/iceberg-go"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// TestListIDs: the elements of lists have ids of their own, in new tables and in columns that are added.
func TestListIDs(t *testing.T) {
	floats := cdc.Type{Kind: cdc.KindFloats}
	s := &cdc.Schema{Key: []int{0}, Columns: []cdc.Column{{Name: "id", Type: cdc.Type{Kind: cdc.KindInt32}, Key: 1}, {Name: "a", Type: floats}, {Name: "b", Type: floats, Nullable: true}}}
	first := newSchema(s)
	ids := map[int]bool{}
	count := func(sc *iceberggo.Schema) {
		t.Helper()
		clear(ids)
		n := 0
		for _, f := range sc.Fields() {
			ids[f.ID] = true
			n++
			if l, ok := f.Type.(*iceberggo.ListType); ok {
				ids[l.ElementID] = true
				n++
			}
		}
		if len(ids) != n {
			t.Errorf("%d ids for %d fields: %v", len(ids), n, sc)
		}
	}
	count(first)
	field, last, err := addedField(&cdc.Column{Name: "c", Type: floats, Nullable: true}, 6, 2)
	if err != nil || field.ID != 6 || last != 7 || field.Type.(*iceberggo.ListType).ElementID != 7 {
		t.Errorf("%v %d %v", field, last, err)
	}
	if typ, ok := cdcType(field.Type); !ok || typ != floats {
		t.Errorf("%v becomes %v", field.Type, typ)
	}
	if _, ok := cdcType(&iceberggo.ListType{ElementID: 1, Element: iceberggo.PrimitiveTypes.Float64}); ok {
		t.Error("a list of doubles is taken for one of floats")
	}
}
