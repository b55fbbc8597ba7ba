package iceberg

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/apache/iceberg-go/table"
	"github.com/zeebo/xxh3"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Naming makes the name of an Iceberg table from that of its source table. Templates may use {database} and {table};
// dots in a namespace template separate its levels.
type Naming struct {
	Namespace string // default "{database}"
	Table     string // default "{table}"
	// KeepCase leaves upper case letters as they are. Most engines fold names, so the default is lower case.
	KeepCase bool
}

// ident returns the Iceberg name of a source table. Templates that make names that catalogs or engines cannot carry are refused.
func (n Naming) ident(t cdc.TableID) (table.Identifier, error) {
	expand := func(tmpl string) string {
		s := tmpl
		switch tmpl {
		case "{database}":
			s = safeName(t.Database)
		case "{table}":
			s = safeName(t.Name)
		default:
			if strings.Contains(tmpl, "{") {
				s = strings.NewReplacer("{database}", safeName(t.Database), "{table}", safeName(t.Name)).Replace(tmpl)
			}
		}
		if !n.KeepCase {
			s = strings.ToLower(s)
		}
		return s
	}
	var id table.Identifier
	tmpl := n.Namespace
	if tmpl == "" {
		tmpl = "{database}"
	}
	for level := range strings.SplitSeq(tmpl, ".") {
		id = append(id, expand(level))
	}
	name := n.Table
	if name == "" {
		name = "{table}"
	}
	id = append(id, expand(name))
	for _, part := range id {
		if why := badName(part); why != "" {
			return nil, &cdc.Error{Code: CodeTableConfig, Table: t, Msg: fmt.Sprintf("its Iceberg name %q %s", part, why),
				Fix: "correct the naming templates"}
		}
	}
	return id, nil
}

// unsafe are the characters that have a meaning in paths, in identifiers of several parts, or in templates.
const unsafe = "./\\`\"{}"

// safeName replaces what catalogs or engines cannot carry in a name of MySQL's by its number: x.y becomes x_2e_y.
func safeName(s string) string {
	if badName(s) == "" {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		end := i == 0 || i+utf8.RuneLen(r) == len(s)
		if strings.ContainsRune(unsafe, r) || unicode.IsControl(r) || unicode.IsSpace(r) && end {
			fmt.Fprintf(&b, "_%02x_", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func badName(s string) string {
	switch {
	case s == "" || strings.TrimSpace(s) != s:
		return "is empty or begins or ends with a blank"
	case strings.ContainsAny(s, unsafe):
		return "holds one of . / \\ ` \" { }"
	case strings.ContainsFunc(s, unicode.IsControl):
		return "holds a control character"
	}
	return ""
}

// owners says which source table an Iceberg name was promised to, for names that engines that fold them would take for one.
type owners map[string]cdc.TableID

// claim promises the name to the table unless another has it, and returns the owner.
func (o owners) claim(id table.Identifier, t cdc.TableID) cdc.TableID {
	key := strings.ToLower(identString(id))
	if other, ok := o[key]; ok {
		return other
	}
	o[key] = t
	return t
}

func collision(t cdc.TableID, other string, id table.Identifier) error {
	return &cdc.Error{Code: CodeNameCollision, Table: t, Msg: fmt.Sprintf("%s and %s would both be written to %s", other, t, identString(id))}
}

// location is the table's folder under the warehouse. Characters that are not safe in every store and URL parser are
// replaced, with a hash of the name so that two tables never share a folder.
func location(warehouse string, id table.Identifier) string {
	dirs := []string{strings.TrimRight(warehouse, "/")}
	for _, part := range id {
		safe := strings.Map(func(r rune) rune {
			if r < 128 && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' || r == '-') {
				return r
			}
			return '_'
		}, part)
		if safe != part {
			safe += fmt.Sprintf("-%08x", uint32(xxh3.HashString(part)))
		}
		dirs = append(dirs, safe)
	}
	return strings.Join(dirs, "/")
}

// TableOptions are the options of a table.
type TableOptions struct {
	// FormatVersion is 2 (default) or 3. An existing table of format 2 is upgraded to 3; never the other way.
	FormatVersion int
	// Partition lists transforms of columns: "day(created_at)", "bucket(16, id)", "truncate(4, name)", "region".
	// It is used when a table is created.
	Partition []string
	// TargetFileBytes is the size at which a data file is closed; default 128 MiB.
	TargetFileBytes int64
	// Properties are set on a table when it is created.
	Properties map[string]string
}

const defaultTargetFileBytes = 128 << 20

func (o TableOptions) withDefaults() TableOptions {
	if o.FormatVersion == 0 {
		o.FormatVersion = 2
	}
	if o.TargetFileBytes == 0 {
		o.TargetFileBytes = defaultTargetFileBytes
	}
	return o
}

// tableOptions returns the checked options of a table.
func (o *Options) tableOptions(t cdc.TableID) (TableOptions, error) {
	var c TableOptions
	if o.Tables != nil {
		c = o.Tables(t)
	}
	bad := func(format string, args ...any) (TableOptions, error) {
		return c, cdc.Errorf(CodeTableConfig, t, format, args...)
	}
	if v := c.FormatVersion; v != 0 && v != 2 && v != 3 {
		return bad("format version %d is not 2 or 3", v)
	}
	if c.TargetFileBytes < 0 || c.TargetFileBytes > 0 && c.TargetFileBytes < 1<<20 {
		return bad("target file size %d is below 1 MiB", c.TargetFileBytes)
	}
	for _, p := range c.Partition {
		if _, _, err := parsePartition(p); err != nil {
			return bad("%w", err)
		}
	}
	for k := range c.Properties {
		if strings.HasPrefix(k, "cdc2lake.") {
			return bad("property %s is kept for the pipeline", k)
		}
	}
	return c.withDefaults(), nil
}
