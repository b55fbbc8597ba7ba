package model

import (
	"reflect"
	"strings"
	"testing"
)

// drop takes a rule away.
func (r *Rules) drop(t *testing.T, name string) {
	t.Helper()
	f := reflect.ValueOf(r).Elem().FieldByName(name)
	if !f.IsValid() {
		t.Fatalf("there is no rule %s", name)
	}
	f.SetBool(false)
}

// TestEveryRule says that each rule is taken away in some control.
func TestEveryRule(t *testing.T) {
	rules := reflect.TypeFor[Rules]()
	for i := range rules.NumField() {
		name, tried := rules.Field(i).Name, false
		for _, sc := range scenarios {
			for rule := range strings.FieldsSeq(sc.without) {
				tried = tried || rule == name
			}
		}
		if !tried {
			t.Errorf("no scenario is without %s", name)
		}
	}
}
