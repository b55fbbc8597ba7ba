package iceberg

import (
	"fmt"
	"regexp"
	"strings"

	iceberggo "github.com/apache/iceberg-go"

	"github.com/cdc2lake/cdc2lake/cdc"
)

var partitionExpr = regexp.MustCompile(`^\s*([a-zA-Z]+)\s*\(\s*(?:(\d+)\s*,\s*)?(.+?)\s*\)\s*$`)

// parsePartition reads "column", "transform(column)" or "transform(width, column)".
func parsePartition(s string) (column string, t iceberggo.Transform, err error) {
	m := partitionExpr.FindStringSubmatch(s)
	if m == nil {
		column = strings.TrimSpace(s)
		if column == "" || strings.ContainsAny(column, "()") {
			return "", nil, &cdc.Error{Code: CodeTableConfig, Msg: fmt.Sprintf("partition %q cannot be understood", s),
				Fix: "write a column, or transform(column) such as day(created_at) or bucket(16, id)"}
		}
		return column, iceberggo.IdentityTransform{}, nil
	}
	name := strings.ToLower(m[1])
	if m[2] != "" {
		name += "[" + m[2] + "]"
	}
	t, err = iceberggo.ParseTransform(name)
	if err != nil {
		return "", nil, cdcErrorf(CodeTableConfig, "partition %q: %w", s, err)
	}
	return m[3], t, nil
}

// partitionSpec binds the configured partition of a table to its schema.
func partitionSpec(t cdc.TableID, fields []string, sc *iceberggo.Schema) (*iceberggo.PartitionSpec, error) {
	if len(fields) == 0 {
		return iceberggo.UnpartitionedSpec, nil
	}
	var opts []iceberggo.PartitionOption
	for _, f := range fields {
		col, tr, err := parsePartition(f)
		if err != nil {
			return nil, err
		}
		field, ok := sc.FindFieldByName(col)
		if !ok {
			return nil, &cdc.Error{Code: CodeTableConfig, Table: t, Msg: fmt.Sprintf("partition %q names column %s, which the table does not have", f, col)}
		}
		if !tr.CanTransform(field.Type) {
			return nil, &cdc.Error{Code: CodeTableConfig, Table: t, Msg: fmt.Sprintf("partition %q: %s cannot be applied to a column of type %s", f, tr, field.Type)}
		}
		name := col
		if _, identity := tr.(iceberggo.IdentityTransform); !identity {
			name = col + "_" + strings.Map(func(r rune) rune {
				if r == '[' || r == ']' {
					return -1
				}
				return r
			}, strings.SplitN(tr.String(), "[", 2)[0])
		}
		opts = append(opts, iceberggo.AddPartitionFieldByName(col, avroName(name), tr, sc, nil))
	}
	spec, err := iceberggo.NewPartitionSpecOpts(opts...)
	if err != nil {
		return nil, cdc.Errorf(CodeTableConfig, t, "partition: %w", err)
	}
	return &spec, nil
}

// avroName turns what cannot stand in a name of Avro, in which manifests are written, into _x and its code, as Iceberg's own
// library does.
func avroName(name string) string {
	var b strings.Builder
	for i, r := range name {
		switch {
		case r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' && i > 0:
			b.WriteRune(r)
		case r >= '0' && r <= '9':
			b.WriteByte('_')
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "_x%X", r)
		}
	}
	return b.String()
}
