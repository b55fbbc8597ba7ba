package config

import (
	"reflect"
	"strings"
)

// Changed lists the keys whose values differ, dotted, in the order of the file that `cdc2lake init` writes.
func Changed(a, b *Config) []string {
	return changed(reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem(), "")
}

func changed(a, b reflect.Value, path string) []string {
	if a.Kind() != reflect.Struct || a.Type() == reflect.TypeFor[Secret]() {
		if reflect.DeepEqual(a.Interface(), b.Interface()) {
			return nil
		}
		return []string{path}
	}
	var out []string
	for i := range a.NumField() {
		if tag := a.Type().Field(i).Tag.Get("yaml"); tag != "" {
			out = append(out, changed(a.Field(i), b.Field(i), strings.TrimPrefix(path+"."+tag, "."))...)
		}
	}
	return out
}
